"""`make book`: run the notebooks that are stale, then build the pages. Run again with nothing changed, it does neither."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import time
from pathlib import Path

from runs import (
    ROOT,
    Run,
    cache_dir,
    digest_files,
    is_stale,
    mnist_at_hand,
    notebooks,
    quick,
    sources,
)


def main(root: Path = ROOT) -> int:
    started = time.monotonic()
    ask_for_mnist(root)
    cache = cache_dir(root)
    stale = [nb for nb in notebooks(root) if is_stale(nb, cache)]
    stamp, site = root / "_build/.inputs", root / "_build/html/index.html"
    if (
        not stale
        and site.exists()
        and stamp.exists()
        and stamp.read_text() == inputs_digest(root, cache)
    ):
        print(f"nothing changed: {site.relative_to(root)} is up to date")
        return 0

    if stale:
        from run_notebooks import run

        print(
            f"==> running {len(stale)} of {len(notebooks(root))} notebooks (the others have not changed)",
            flush=True,
        )
        run(stale, verbose=False, root=root)
        if not report(stale, cache):
            return 1
    print("==> building the pages", flush=True)
    forget(site.parent, root)
    command = [
        str(Path(sys.executable).with_name("jupyter-book")),
        "build",
        str(root),
        "-n",
        "-W",
        "--keep-going",
        "-q",
    ]
    code = subprocess.run(command, cwd=root, env=quick()).returncode
    if code == 0:
        stamp.write_text(inputs_digest(root, cache))
        print(f"==> open {site.relative_to(root)}   ({time.monotonic() - started:.0f} s)")
    return code


def forget(pages: Path, root: Path) -> None:
    """Removes what a build would leave as it was: pages whose source is gone, and the one that leads to the first page."""
    (pages / "index.html").unlink(missing_ok=True)
    for page in (*pages.glob("notebooks/**/*.html"), *pages.glob("book/**/*.html")):
        source = root / page.relative_to(pages)
        if not any(source.with_suffix(suffix).exists() for suffix in (".ipynb", ".md")):
            page.unlink()


def report(ran: list[Path], cache: Path) -> bool:
    """Says which notebooks drifted; False if one cannot be shown at all."""
    fine = True
    for notebook in ran:
        run = Run.load(notebook, cache)
        if run is None or run.raised:
            fine = False
            why = "did not finish" if run is None else "raised an error in " + ", ".join(run.raised)
            print(
                f"{notebook.name} {why}; no page is built from it. To see the error: "
                f".venv/bin/python -m pytest --nbval --nbval-current-env notebooks/{notebook.name}",
                file=sys.stderr,
            )
        elif run.differing:
            print(
                f"{notebook.name}: {len(run.differing)} cells differ from the record; its page says which, `make test` shows how."
            )
    return fine


def inputs_digest(root: Path, cache: Path) -> str:
    """Names everything the pages are made from: sources, configuration and the runs of this world."""
    top = [
        root / f
        for f in (
            "_config.yml",
            "_toc.yml",
            "pyproject.toml",
            "requirements.lock",
            "CHANGELOG.md",
            "CITATION.cff",
        )
    ]
    files = digest_files(
        [
            *sources(root, "book", "notebooks", "lawrob_utils"),
            *top,
            *(cache / "runs").glob("*.json"),
        ],
        root,
    )
    return hashlib.sha256((files + cache.name + sys.version).encode()).hexdigest()


def ask_for_mnist(root: Path) -> None:
    """Tries once to download MNIST (12 MB); the book is complete without it."""
    asked = root / "_build/.mnist-asked"
    if asked.exists() or mnist_at_hand():
        return
    from lawrob_utils.data import fetch_mnist

    print("==> fetching MNIST (12 MB, once; set LAWROB_DATA_DIR if you have it)", flush=True)
    try:
        fetch_mnist()
    except (OSError, ValueError) as reason:
        print(f"    not to be had ({reason}); the recorded results are shown instead")
    asked.parent.mkdir(exist_ok=True)
    asked.touch()


if __name__ == "__main__":
    sys.exit(main())
