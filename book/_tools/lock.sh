# Resolves one lock for Python 3.11 to 3.13 on every platform. torch is overridden away (setup.sh installs it), its own dependencies are not.
set -eu
mkdir -p _build
echo "torch ; python_version < '3'" > _build/no-torch.txt
uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --no-emit-find-links \
  --override _build/no-torch.txt --extra book --extra test --extra dev --extra cluster pyproject.toml book/_tools/torch-deps.in -o requirements.lock
