"""A chapter with other parameters says what it then finds: no traceback, no number from before."""

import os
from pathlib import Path

import nbformat
import pytest

pytest.importorskip("torch")
nbclient = pytest.importorskip("nbclient")

ROOT = Path(__file__).resolve().parents[1]

CHANGED = {  # chapter: (cell, text of the cell, what stands there instead)
    "00-preface": [("preface-measured", "n, d = 200, 2000", "n, d = 230, 500")],
    "01-adversarial-examples": [
        (
            "adversarial-digits",
            "n, hidden, epochs = 1000, (128, 128), 40\nshares = (0, 0.25, 0.5, 0.75, 1)",
            "n, hidden, epochs = 600, (16, 16), 20\nshares = (0, 0.5, 1)",
        ),
    ],
    "02-memorization": [
        ("memorization-digits", "n, E = 200, 8 ", "n, E = 120, 3 "),
        ("memorization-perfect", "steps=1000", "steps=300"),
        ("memorization-least-squares", "m, sigma = 400, 0.5", "m, sigma = 200, 0.4"),
        ("memorization-control", "(50, 200, 800, 3200), 50, []", "(60, 240), 60, []"),
        ("memorization-control-noise", "n, d, sigmas = 200, 800,", "n, d, sigmas = 100, 300,"),
    ],
    "03-robust-memorization": [
        ("robust-certificate-data", "n, d, rng = 200, 20,", "n, d, rng = 120, 12,"),
        ("robust-separation", "n, trials, rng = 300, 100,", "n, trials, rng = 200, 30,"),
        ("robust-polynomial", "[5, 10, 20, 40, 60]", "[5, 10, 20, 30]"),
        ("robust-polynomial", "n, low = 1000, (3, 5)", "n, low = 600, (3, 4)"),
        ("robust-floor", "1000, (3, 5, 10, 30, 100, 300, 1000)", "400, (3, 10, 30, 100)"),
        (
            "robust-counting",
            "rng, n, d = np.random.default_rng(11), 10, 20",
            "rng, n, d = np.random.default_rng(11), 8, 12",
        ),
    ],
    "06-law-of-robustness": [
        ("law-one-function", "dims, rows = (50, 100, 200, 400)", "dims, rows = (40, 80, 300)"),
        ("law-one-function", "10, 3.0, 100_000", "8, 2.5, 50_000"),
        (
            "law-union",
            "n, d, draws, counts = 400, 100, 8, 10 ** np.arange(6)",
            "n, d, draws, counts = 300, 60, 6, 10 ** np.arange(5)",
        ),
        ("law-constants", "rows, WJ = [], 1e10", "rows, WJ = [], 1e6"),
        ("law-least-squares", ", 2000, 400\n", ", 1200, 500\n"),
        ("law-hetero", "2000, 400, 100", "1000, 200, 50"),
        ("law-trained", "400, 200, 2", "150, 80, 2"),
        ("law-trained", "(16, 32, 64, 128), (0.005, 0.02, 0.1)", "(8, 16, 24), (0.01, 0.1)"),
        ("law-trained", "steps=1500", "steps=300"),
        ("law-main-families", "steps=600", "steps=200"),
        ("law-main-fit", "200, 1000", "100, 400"),
        ("law-clusters", "1000, 20, 4", "600, 10, 3"),
        ("law-line", "200, 12, 400, 0.01", "150, 10, 100, 0.05"),
        ("law-line-signal", "400, 50, 2000, 0.1", "300, 40, 500, 0.2"),
        ("law-net-price", "= 400, 100, []", "= 300, 60, []"),
        ("law-centred", "300, 60, 10, 200", "200, 50, 8, 100"),
        ("law-real-digits", "20, 10, 0.1, 150", "12, 8, 0.2, 50"),
        ("law-deep", "30, 20\n", "20, 10\n"),
    ],
    "07-certificate": [
        (
            "certificate-brute",
            "n, m, draws, rng = 40, 12, 400,",
            "n, m, draws, rng = 30, 8, 100,",
        ),
        ("certificate-live", "n_live, d_live = 800, 80", "n_live, d_live = 300, 40"),
        ("certificate-line", "(4000, 400)", "(1000, 100)"),
        ("certificate-pruned", "n, d, rng = 50, 100_000,", "n, d, rng = 20, 5_000,"),
        ("certificate-directions", "n, d, rng = 2500, 2500,", "n, d, rng = 600, 400,"),
        ("certificate-annealed", "n, d = 4000, 400", "n, d = 1000, 100"),
        ("certificate-factors", "(4000, 400)", "(1000, 100)"),
        ("certificate-bumps", "n, d, rng, rows = 400, 1000,", "n, d, rng, rows = 100, 200,"),
        ("certificate-robust-mean", "n, draws, rng = 80, 100,", "n, draws, rng = 120, 60,"),
        (
            "certificate-robust-codes",
            "n, d, rng, rows = 20, 10**8,",
            "n, d, rng, rows = 10, 10**9,",
        ),
        ("certificate-robust-linear", "rows, d = [], 40_000", "rows, d = [], 5_000"),
        (
            "certificate-robust-nets",
            "n, d, eta, rng = 200, 160, 0.05,",
            "n, d, eta, rng = 80, 120, 0.1,",
        ),
    ],
    "08-interpretation": [
        (
            "interpretation-mixture-bounds",
            "s2, weights = 0.1, (0.5, 0.3,",
            "s2, weights = 0.2, (0.4,",
        ),
        (
            "interpretation-known-sets",
            "n, m = np.random.default_rng(80), 3000, 40",
            "n, m = np.random.default_rng(80), 1000, 20",
        ),
        (
            "interpretation-confounded",
            "n, sizes, worlds = 100, (125, 150,",
            "n, sizes, worlds = 60, (80,",
        ),
        (
            "interpretation-e5-limit",
            "n, cases = 40, [(160, 1), (640, 1),",
            "n, cases = 20, [(80, 1),",
        ),
        (
            "interpretation-e5-live",
            "n, d, r, k, share = 40, 80, 0.2, 16, 0.98",
            "n, d, r, k, share = 20, 60, 0.2, 8, 0.9",
        ),
        ("interpretation-e5-exponents-table", "split, table = 0.14,", "split, table = 0.1,"),
    ],
    "04-size-vs-robustness": [
        ("size-share", "n, M, sizes, draws = 400, 800,", "n, M, sizes, draws = 300, 1600,"),
        (
            "size-baum-fits",
            "d, ns, draws = 20, np.array([100, 200, 400, 800, 1600]), 15",
            "d, ns, draws = 15, np.array([100, 200, 400]), 5",
        ),
        ("size-trap", "np.random.default_rng(3), 200, []", "np.random.default_rng(3), 150, []"),
        ("size-trap-bracket", "n = 1000\n", "n = 300\n"),
        ("size-one-number", "n, d, rng = 200, 1000,", "n, d, rng = 150, 1000,"),
        ("size-projected", "n, d, rng = 200, 1000,", "n, d, rng = 150, 1000,"),
        (
            "size-linear-measure",
            "n, d, draws, rng = 100, 1600, 40",
            "n, d, draws, rng = 90, 1600, 9",
        ),
        ("law-bumps", "500, 2000, 4", "300, 900, 3"),
    ],
    "05-isoperimetry": [
        ("isoperimetry-family", "d, n, rng = 100, 20_000,", "d, n, rng = 60, 8_000,"),
        ("isoperimetry-spread", "[16, 64, 256, 1024, 4096]", "[16, 64, 144, 400]"),
        ("isoperimetry-refute", "default_rng(52), 256", "default_rng(52), 128"),
        ("isoperimetry-herbst", "d = 50\n", "d = 30\n"),
        ("isoperimetry-heavy-clusters", "256, 0.75", "144, 0.5"),
        (
            "isoperimetry-subspace",
            "1000, [3, 10, 30, 100, 300, 1000]",
            "300, [3, 10, 30, 100, 300]",
        ),
        ("isoperimetry-noise", "default_rng(57), 400", "default_rng(57), 200"),
        ("isoperimetry-curvature-measured", "default_rng(58), 50", "default_rng(58), 20"),
    ],
    "10-rademacher": [
        (
            "rademacher-task",
            "d, sizes = 20, np.array([50, 200, 800, 3200])",
            "d, sizes = 15, np.array([50, 100, 400])",
        ),
        ("rademacher-massart", "n, counts = 500, (1,", "n, counts = 300, (2,"),
        (
            "rademacher-crossover",
            "n, d, N, slopes = 500, 100, 2000,",
            "n, d, N, slopes = 200, 60, 500,",
        ),
        (
            "rademacher-mixture",
            "n, d, N, steep = 2000, 200, 300, 8.0",
            "n, d, N, steep = 800, 60, 100, 8.0",
        ),
        (
            "rademacher-fits",
            "n, d, delta, fits = 1000, 1000, 0.05, {}",
            "n, d, delta, fits = 400, 800, 0.05, {}",
        ),
    ],
    "09-mnist-imagenet": [
        ("mnist-imagenet-n1-envelopes", "P=1e6, n=1e5, d=1e3", "P=2e6, n=4e5, d=3e3"),
        ("mnist-imagenet-trap-numbers", "[2e5, 9.4e5, 3e6]", "[1e5, 4e5, 1e6]"),
        ("mnist-imagenet-calculator-cell", "n=60_000, d=784,", "n=20_000, d=196,"),
        ("mnist-imagenet-n2-counts", "[1, 2, 4, 8, 16]", "[1, 3, 5]"),
        ("mnist-imagenet-n3-readings", "for n in (1.4e7, 1.28e6)", "for n in (3e6, 1e5)"),
    ],
    "11-open-directions": [
        ("open-norms-table", "300, np.array([64, 256, 1024, 4096])", "200, np.array([32, 256])"),
        ("open-transport", "np.linspace(0.01, 4, 80)", "np.linspace(0.1, 3, 40)"),
        ("open-sobolev-table", "(10, 20, 50, 100)", "(8, 30)"),
        (
            "open-sobolev-kernel-slope",
            "1000, np.array([50, 100, 200, 400])",
            "500, np.array([40, 80])",
        ),
        ("open-poincare-table", "np.array([0.1, 0.3, 0.5]), 2", "np.array([0.2, 0.4]), 3"),
        ("open-settled-low", "60_000, (3, 5, 8,", "6_000, (4, 6, 8,"),
    ],
}
LEFT_OUT = {  # slow cells in which nothing is changed and on which no other depends
    "adversarial-mnist-again",
    "adversarial-mnist-fig",
    "interpretation-live",
    "interpretation-e5-images-table",
    "interpretation-e5-images-fig",
}
SAME = {  # cells after the first change that print the same, as what changed is not in them
    "00-preface": [],
    "01-adversarial-examples": [
        "adversarial-linear-noise",
        "adversarial-six",
        "adversarial-mnist",
        "adversarial-mnist-flips",
        "adversarial-more",
    ],
    "02-memorization": [
        "memorization-noise-level",
        "memorization-signal-error",
        "memorization-laziest",
    ],
    "03-robust-memorization": ["robust-digits"],
    "06-law-of-robustness": ["law-net", "law-exponents"],
    "07-certificate": [  # read off the record, all sizes; a calculator
        "certificate-occam",
        "certificate-bar-table",
        "certificate-summary",
        "certificate-calculator",
    ],
    "08-interpretation": [  # read off records, or a part of one run again
        "interpretation-clusters-table",
        "interpretation-dimensions",
        "interpretation-scale-of-neighbours",
        "interpretation-effective-table",
        "interpretation-spreads-table",
        "interpretation-tails-needed",
        "interpretation-noise",
        "interpretation-product",
        "interpretation-e5-constant",
        "interpretation-e5-start",
        "interpretation-e5-factors",
        "interpretation-e5-more-bits",
        "interpretation-e5-trust-table",
        "interpretation-e5-small-table",
        "interpretation-e5-front",
        "interpretation-e5-flips-table",
        "interpretation-e5-flips-line",
        "interpretation-e5-flips-rivals",
    ],
    "04-size-vs-robustness": [],
    "05-isoperimetry": [],
    "10-rademacher": [
        "rademacher-linear",
        "rademacher-slopes",
        "rademacher-programme",
        "rademacher-ball-dimension",
        "rademacher-contraction",
    ],
    "09-mnist-imagenet": [  # read off the record, or a part of it run again
        "mnist-imagenet-n2-table",
        "mnist-imagenet-n2-harder",
        "mnist-imagenet-n2-slope",
        "mnist-imagenet-n2-live-cell",
    ],
    "11-open-directions": [  # read off records
        "open-error-table",
        "open-algorithm-table",
        "open-algorithm-exponents",
        "open-algorithm-clean",
        "open-algorithm-strength",
        "open-algorithm-quick",
        "open-architecture-table",
        "open-architecture-size",
        "open-architecture-methods",
    ],
}


def printed(cell):
    return "".join(o.get("text", "") for o in cell.get("outputs", []) if o.get("name") == "stdout")


def depends(cell):
    """Whether the cell says something of the chapter's numbers: exercises have their own."""
    ours = not {"hole", "solution"}.intersection(cell.metadata.get("tags", []))
    return cell.cell_type == "code" and ours and cell.id not in LEFT_OUT


@pytest.mark.parametrize("chapter", CHANGED)
def test_a_chapter_with_other_numbers_prints_other_results_and_no_traceback(chapter, monkeypatch):
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    monkeypatch.setenv("PYTHONPATH", path.rstrip(os.pathsep))
    record = nbformat.read(ROOT / f"notebooks/{chapter}.ipynb", as_version=4)
    record.cells = [cell for cell in record.cells if depends(cell)]
    copy = nbformat.from_dict(record)
    cells = {cell.id: cell for cell in copy.cells}
    for cell, old, new in CHANGED[chapter]:
        assert cells[cell].source.count(old) == 1, f"{cell} has no single {old!r}"
        cells[cell].source = cells[cell].source.replace(old, new)

    nbclient.NotebookClient(copy, timeout=300, allow_errors=True).execute(
        cwd=str(ROOT / "notebooks")
    )

    for cell in copy.cells:
        for out in cell.get("outputs", []):
            assert out.output_type != "error", f"{cell.id}: {out.ename}: {out.evalue}"
            assert out.get("name") != "stderr", f"{cell.id}: {out.text}"
    first = min(list(cells).index(cell) for cell, _, _ in CHANGED[chapter])
    kept = [
        now.id
        for now, before in zip(copy.cells[first:], record.cells[first:], strict=True)
        if printed(before) and printed(now) == printed(before)
    ]
    assert kept == SAME[chapter], "these cells print what they printed before"
