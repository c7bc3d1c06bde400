"""`make bench`: every benchmark, one after the other; one that cannot run here says why, and the
others go on.

A benchmark that lacks something (MNIST, say) ends with exit code 3 and the reason. Run one alone by
its file.
"""

import subprocess
import sys
from pathlib import Path

LACKS = 3


def main(folder: Path = Path(__file__).parent) -> int:
    """1 if a benchmark failed; one that lacked something did not."""
    verdicts = []
    for bench in sorted(folder.glob("bench_*.py")):
        print(f"\n==> {bench.stem}", flush=True)
        done = subprocess.run([sys.executable, str(bench)], stderr=subprocess.PIPE, text=True)
        print(done.stderr, file=sys.stderr, end="", flush=True)
        lines = done.stderr.strip().splitlines() or ["no reason given"]
        verdict = {0: "done", LACKS: f"skipped: {lines[-1]}"}.get(done.returncode, "FAILED")
        verdicts.append(f"{bench.stem:<24} {verdict}")
    print("\n" + "\n".join(verdicts))
    return int(any(verdict.endswith("FAILED") for verdict in verdicts))


if __name__ == "__main__":
    sys.exit(main())
