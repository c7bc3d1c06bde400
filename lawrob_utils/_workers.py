"""Where the rows of a sweep run: processes of this machine or the workers of a Dask scheduler, one thread each. Used by `lawrob_utils.sweep`."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
import threading
import time
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass

import joblib
from threadpoolctl import threadpool_limits

UNREACHABLE_AFTER = 5.0  # seconds
_watched: set[int | None] = set()
VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True)
class Workers:
    """Workers that are there: joblib's settings, the process whose end ends them (None on a cluster), and a description."""

    settings: dict
    parent: int | None
    about: str

    def results(self, tasks: Iterable) -> Generator:
        """The results of joblib's delayed calls as they come; RuntimeError if the workers break down (the calls themselves raise nothing)."""
        try:
            with joblib.parallel_config(**self.settings):
                yield from joblib.Parallel(return_as="generator_unordered", batch_size=1)(tasks)
        except Exception as error:
            raise RuntimeError(
                f"a worker or the scheduler was lost: {type(error).__name__}: {error}"
            ) from error


@contextlib.contextmanager
def workers(jobs: int, dask: str | None, device: str) -> Iterator[Workers]:
    """Processes here, or the workers of the scheduler at the address `dask`; errors as `lawrob_utils.sweep.sweep` says."""
    if dask is None:
        gpu = cuda() if device == "cuda" else ""
        if device == "cuda" and not gpu:
            raise ValueError(
                "device = 'cuda', but PyTorch finds no CUDA device here; use device = 'cpu'"
            )
        settings = {"backend": "loky", "n_jobs": jobs, "inner_max_num_threads": 1}
        yield Workers(
            settings,
            os.getpid(),
            f"{jobs} process{'es' if jobs > 1 else ''} on one machine, one thread each{gpu and ', ' + gpu}",
        )
        return
    if importlib.util.find_spec("distributed") is None:
        raise ValueError(
            f"dask = {dask!r}, but Dask is not installed: pip install 'dask[distributed]'"
        )
    from distributed import Client

    local = {"n_workers": jobs, "threads_per_worker": 1, "dashboard_address": ":0"}
    try:
        client = Client(
            timeout=UNREACHABLE_AFTER, **(local if dask == "local" else {"address": dask})
        )
    except (OSError, ValueError) as error:
        raise TimeoutError(
            f"dask = {dask!r}: no scheduler answers there within {UNREACHABLE_AFTER:g} s ({error})"
        ) from None
    with client:
        threads = client.nthreads()
        if not threads or max(threads.values()) > 1:
            found = (
                f"has a worker with {max(threads.values())} threads"
                if threads
                else "has no workers"
            )
            raise ValueError(
                f"dask = {dask!r}: the scheduler {found}; start workers with: dask worker ADDRESS --nthreads 1"
            )
        gpus = client.run(cuda) if device == "cuda" else {}
        without = [name for name, found in gpus.items() if not found]
        if without:
            raise ValueError(
                f"device = 'cuda', but PyTorch finds no CUDA device on {', '.join(without)}"
            )
        about = ", ".join(
            (
                f"{len(threads)} Dask worker{'s' if len(threads) > 1 else ''}, one thread each",
                *sorted(set(gpus.values())),
            )
        )
        yield Workers({"backend": _dask_backend(client)}, None, about)


def end_with(parent: int | None) -> None:
    """In a worker of the process `parent`: end as soon as it has ended, even by kill -9. Left alone, loky's would wait minutes for more."""
    if parent in (None, os.getpid()) or parent in _watched:
        return
    _watched.add(parent)

    def watch():
        while os.getppid() == parent:
            time.sleep(0.2)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """One thread for the libraries that are loaded and, by the environment, for those that will be."""
    before = {name: os.environ.get(name) for name in VARIABLES}
    os.environ.update(dict.fromkeys(VARIABLES, "1"))
    torch = sys.modules.get("torch")
    threads = torch.get_num_threads() if torch else None
    try:
        with threadpool_limits(1):
            if torch:
                torch.set_num_threads(1)
            yield
    finally:
        if torch:
            torch.set_num_threads(threads)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def cuda() -> str:
    """The name of the CUDA device that PyTorch finds; empty if there is none, or no PyTorch."""
    if importlib.util.find_spec("torch") is None:
        return ""
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else ""


def _dask_backend(client):
    from joblib._dask import DaskDistributedBackend

    class Backend(DaskDistributedBackend):
        """joblib's, which waits for ever for a task that killed its workers; this one hears of it."""

        def submit(self, func, callback=None):
            """As joblib's, and the callback is called on failure too."""
            future = super().submit(func, callback)
            future.add_done_callback(lambda done: callback(done) if done.exception() else None)
            return future

        def retrieve_result_callback(self, out):
            """The result, or the failure raised."""
            return (
                out.result() if isinstance(out, Future) else super().retrieve_result_callback(out)
            )

    return Backend(client=client)
