"""Bridge from nbval to jupyter-cache: the run that tests a notebook is the run whose outputs the
pages show.

Each notebook is stored when its last cell has finished, so an interruption loses only the notebook
that was under way. A notebook whose numbers differ from the record is stored too, with the names of
the cells (the test fails, the page says so); one that raised is not.
"""

from __future__ import annotations

import copy
import os
import sys
import time
from pathlib import Path

# One thread for each kernel: two run side by side, and tiny matrices gain nothing from a second.
# Set before numpy loads.
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")
os.environ.pop("MPLBACKEND", None)  # a backend set for scripts would swallow the figures

import pytest  # noqa: E402

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "book/_tools"))
import runs  # noqa: E402

# Told to a kernel before its first cell, and asked after its last: what the notebook has used.
WATCH = """
_files_of_mnist = set()
__import__("sys").addaudithook(lambda event, about, files=_files_of_mnist:
    event == "open" and "-ubyte" in str(about[0]) and files.add(about[0]))
"""
USED = {"torch": "'torch' in __import__('sys').modules", "mnist": "bool(_files_of_mnist)"}
RUNS_KEY = pytest.StashKey[dict]()
CACHE_KEY = pytest.StashKey[Path]()


def pytest_configure(config):
    if not config.getoption("nbval", False):
        return
    from nbval.kernel import RunningKernel

    def execute_with_history(self, source, allow_stdin=None):
        if not hasattr(self, "watched"):
            self.watched = self.kc.execute(WATCH, silent=True, reply=True, timeout=60)
        # With store_history=False a trailing ';' does not silence a cell, and reprs reach the page.
        return self.kc.execute(
            source, store_history=True, allow_stdin=allow_stdin, stop_on_error=False
        )

    RunningKernel.execute_cell_input = execute_with_history
    config.stash[RUNS_KEY] = {}
    config.stash[CACHE_KEY] = runs.cache_dir()  # of the world as it is when the run starts


def _progress(config, text):
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None:
        reporter.ensure_newline()
        reporter.write_line(text)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    if not hasattr(item, "test_outputs"):
        return
    # The first cell's setup starts the kernel: its time counts.
    state = item.config.stash[RUNS_KEY].setdefault(
        item.path, {"started": call.start, "outputs": {}, "differing": [], "raised": []}
    )
    if call.when != "call":
        return
    report = outcome.get_result()
    cells = [cell for cell in item.parent.nb.cells if cell.cell_type == "code"]
    outputs = item.test_outputs or []
    state["outputs"][item.cell_num] = outputs
    name = item.cell.get("id", f"code-{item.cell_num}")
    if report.failed:
        unasked = [o for o in outputs if o.output_type == "error"] and not item.options[
            "check_exception"
        ]
        state["raised" if unasked or not item.parent.kernel.is_alive() else "differing"].append(
            name
        )
    done = len(state["outputs"])
    report.user_properties += [("notebook", item.path.name), ("cell", f"{done}/{len(cells)}")]
    if done == len(cells):
        state["seconds"] = round(time.time() - state["started"], 2)
        _store(item, cells, state)
        verdict = (
            "raised an error in " + ", ".join(state["raised"])
            if state["raised"]
            else "differs from the record in " + ", ".join(state["differing"])
            if state["differing"]
            else "as recorded"
        )
        report.user_properties.append(("finished", f"{state['seconds']:.0f} s, {verdict}"))


def _used(kernel):
    """Names of what the notebook has used; nothing of a kernel that has died."""
    if not kernel.is_alive():
        return ()
    answer = kernel.kc.execute("", silent=True, user_expressions=USED, reply=True, timeout=60)
    said = answer["content"]["user_expressions"]
    return tuple(name for name in USED if said[name]["data"]["text/plain"] == "True")


def _store(item, cells, state):
    """Writes the run, and the executed notebook into jupyter-cache."""
    cache = item.config.stash[CACHE_KEY]
    run = runs.Run(
        runs.record_digest(item.path),
        state["seconds"],
        tuple(state["differing"]),
        tuple(state["raised"]),
        _used(item.parent.kernel),
    )
    if not run.raised:
        import nbformat
        from filelock import FileLock
        from jupyter_cache import get_cache
        from jupyter_cache.base import CacheBundleIn

        executed = copy.deepcopy(item.parent.nb)
        for number, cell in enumerate(c for c in executed.cells if c.cell_type == "code"):
            cell.execution_count = number + 1
            cell.outputs = [_page_output(out, number + 1) for out in state["outputs"][number]]
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(cache / "lock"):  # two workers share one sqlite file
            bundle = CacheBundleIn(
                executed, str(item.path), data={"execution_seconds": state["seconds"]}
            )
            get_cache(cache).cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
        (cache / "runs").mkdir(exist_ok=True)
        nbformat.write(executed, cache / "runs" / item.path.name)
    run.save(item.path, cache)


def _page_output(out, count):
    out = copy.deepcopy(out)
    if out.output_type == "execute_result":
        out.execution_count = count
    return out


def pytest_report_teststatus(report, config):
    """No letter for each cell: a line for each notebook says more."""
    if report.when == "call" and dict(getattr(report, "user_properties", [])).get("notebook"):
        return report.outcome, "", ""


def pytest_runtest_logreport(report):
    said = dict(getattr(report, "user_properties", []))
    if report.when != "call" or "notebook" not in said or _CONFIG is None:
        return
    if "finished" in said:
        _progress(_CONFIG, f"  {said['notebook']:<32} {said['finished']}")
    elif said["cell"].startswith("1/"):
        _progress(
            _CONFIG,
            f"  {said['notebook']:<32} running its {said['cell'].split('/')[1]} code cells …",
        )


_CONFIG = None


def pytest_sessionstart(session):
    # With xdist the hooks above run in the controller too; only there is a terminal to write to.
    global _CONFIG
    _CONFIG = session.config if session.config.getoption("nbval", False) else None
    if _CONFIG is not None and hasattr(session.config, "workerinput"):
        _CONFIG = None
