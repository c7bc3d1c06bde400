#!/usr/bin/env bash
# Makes .venv from the lock: finds a Python, installs the locked set by hash, then torch, then this project.
# Does nothing when .venv already matches. Called by the Makefile; run it by hand with PYTHON=/path/to/python to choose one.
set -euo pipefail
cd "$(dirname "$0")/../.."

TORCH=2.13.0
CPU_INDEX=https://download.pytorch.org/whl/cpu
venv=.venv
say() { printf '\033[1m==>\033[0m %s\n' "$*"; }
die() { printf '%s\n' "$@" >&2; exit 1; }

case "${LAWROB_TORCH:-cpu}" in cpu|pypi) ;; *)
  die "LAWROB_TORCH=$LAWROB_TORCH: allowed are cpu (the default) and pypi (on Linux: several GB, with CUDA)." ;;
esac

digest() { cat requirements.lock pyproject.toml "$0" | cksum | tr ' ' '-'; }
stamp="$venv/.lawrob-$(digest)${LAWROB_TORCH:+-$LAWROB_TORCH}"
[ -e "$stamp" ] && "$venv/bin/python" -c '' 2>/dev/null && exit 0

usable() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1; }
python=
for candidate in ${PYTHON:-python3.13 python3.12 python3.11 python3}; do
  if usable "$candidate"; then python=$candidate; break; fi
done
[ -n "$python" ] || die "No Python 3.11, 3.12 or 3.13 was found${PYTHON:+ (PYTHON=$PYTHON)}." \
  "Install one: Debian/Ubuntu  sudo apt-get install python3 python3-venv" \
  "             macOS          brew install python@3.13" \
  "             Windows        use WSL (Ubuntu), then as on Ubuntu" \
  "or name one: make book PYTHON=/path/to/python3.12"
"$python" -c 'import ensurepip, venv' 2>/dev/null || die \
  "$("$python" --version) has no venv module. On Debian/Ubuntu: sudo apt-get install python3-venv"

if [ ! -x "$venv/bin/python" ] || ! usable "$venv/bin/python"; then
  say "creating $venv with $("$python" --version)"
  rm -rf "$venv"
  "$python" -m venv "$venv"
fi
pip=("$venv/bin/python" -m pip --disable-pip-version-check)

total=$(grep -c '^[a-z0-9]' requirements.lock)
say "installing the locked packages (about $total; some minutes the first time)"
"${pip[@]}" install --require-hashes -r requirements.lock 2>&1 |
  awk -v total="$total" '/^Collecting/ { printf "\r    %d of about %d", ++n, total; fflush() }
       /^(ERROR|error)/ { print "\n" $0 }  { last = $0 }  END { print "\n    " substr(last, 1, 60) (length(last) > 60 ? " …" : "") }'

# torch stays out of the lock: on Linux the plain wheel pulls in several GB of CUDA, and the CPU build has a name of its own.
case "${LAWROB_TORCH:-cpu}-$(uname -s)" in
  cpu-Linux)
    say "installing torch $TORCH (CPU build, about 200 MB)"
    "${pip[@]}" install -q "torch==$TORCH+cpu" --extra-index-url "$CPU_INDEX" || die \
      "No CPU build of torch $TORCH could be fetched for this machine (from $CPU_INDEX)." \
      "The build on PyPI needs several GB of CUDA packages. If you want it: LAWROB_TORCH=pypi make book" ;;
  cpu-*|pypi-*)
    say "installing torch $TORCH from PyPI"
    "${pip[@]}" install -q "torch==$TORCH" ;;
esac

say "installing lawrob_utils (editable)"
"${pip[@]}" install -q --no-deps --no-build-isolation -e .
rm -f "$venv"/.lawrob-*
touch "$stamp"
