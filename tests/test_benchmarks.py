"""`make bench` goes on where one benchmark cannot run."""

import os
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent / "benchmarks"


def test_benchmark_that_lacks_something_is_skipped_with_its_reason_and_a_broken_one_fails(tmp_path):
    (tmp_path / "run.py").write_text((FOLDER / "run.py").read_text())
    (tmp_path / "bench_a.py").write_text(
        "import sys; print('no MNIST', file=sys.stderr); sys.exit(3)"
    )
    (tmp_path / "bench_b.py").write_text("print('twice as fast')")
    command = [sys.executable, str(tmp_path / "run.py")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0 and "twice as fast" in done.stdout
    verdicts = [line.split(maxsplit=1) for line in done.stdout.splitlines()[-2:]]
    assert verdicts == [["bench_a", "skipped: no MNIST"], ["bench_b", "done"]]
    (tmp_path / "bench_a.py").write_text("1 / 0")
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1 and "twice as fast" in done.stdout and "FAILED" in done.stdout


def test_fast_training_without_mnist_says_that_it_is_skipped(tmp_path):
    done = subprocess.run(
        [sys.executable, str(FOLDER / "bench_fast_training.py")],
        env={**os.environ, "LAWROB_DATA_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 3 and "MNIST" in done.stderr.splitlines()[-1]
