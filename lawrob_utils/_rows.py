"""Rows on disk and rows on workers: what `records` needs to be stopped and taken up again."""

from __future__ import annotations

import contextlib
import csv
import functools
import importlib.util
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest.mock import patch

import joblib
import numpy as np
from filelock import FileLock, Timeout
from threadpoolctl import threadpool_limits

Row = dict[str, Any]
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
UNREACHABLE_AFTER = 5.0  # seconds


def read(folder: Path) -> list[Row]:
    """The rows of results.csv in the folder."""
    with (folder / "results.csv").open(newline="", encoding="utf-8") as file:
        return [{k: typed(v) for k, v in line.items()} for line in csv.DictReader(file)]


def write(folder: Path, files: Mapping[str, bytes | str], about: Mapping[str, Any]) -> None:
    """The files, each whole or not at all, and last provenance.json, which vouches for them."""
    (folder / "provenance.json").unlink(missing_ok=True)
    told = json.dumps(about, indent=1, ensure_ascii=False) + "\n"
    for name, content in {**files, "provenance.json": told}.items():
        beside = folder / f".{name}"
        try:
            with beside.open("wb") as file:
                file.write(content.encode() if isinstance(content, str) else content)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(folder / name)
        except OSError as error:
            beside.unlink(missing_ok=True)
            raise OSError(f"{folder / name} cannot be written: {error.strerror}") from error


@contextlib.contextmanager
def finished(folder: Path | str | None, plan: Row, resume: bool) -> Iterator[tuple]:
    """The finished rows by key, and the function that keeps one more; nobody else writes here."""
    if folder is None:
        yield {}, lambda row: None
        return
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(FileLock(folder / ".lock", timeout=0))
        except Timeout:
            raise FileExistsError(f"another run is at work in {folder}") from None
        path, old = folder / "rows.jsonl", folder / "provenance.json"
        whole = path.read_bytes().rpartition(b"\n")[0] if path.is_file() else b""  # no torn line
        try:
            head, *rows = [json.loads(line) for line in whole.splitlines()] or [None]
        except ValueError as error:
            raise ValueError(f"{path} is damaged: {error}; delete the line, or the file") from error
        if rows and not resume:
            raise FileExistsError(
                f"{path} holds {len(rows)} finished rows; go on with --resume, or delete it"
            )
        complete = head is None and resume and old.is_file()
        if complete:
            head, rows = json.loads(old.read_text())["settings"], read(folder)
        changed = [n for n in plan if head and resume and head.get(n) != plan[n]]
        if changed:
            was = "; ".join(f"{n} was {head[n]!r} and is {plan[n]!r}" for n in changed)
            raise ValueError(f"the run in {folder} was another: {was:.500}. Choose another folder")
        axes = {name for part in plan["grid"] for name in part}
        done = {key({k: v for k, v in row.items() if k in axes}): row for row in rows}
        if complete:
            yield done, done.update
            return
        with path.open("ab", buffering=0) as file:
            file.truncate(0 if not rows else len(whole) + 1)
            if not rows:
                append(file, plan)
            yield done, functools.partial(append, file)


def append(file: Any, line: Row) -> None:
    """One line more, on disk when this returns; if it cannot be, the file is as it was."""
    size, text = os.fstat(file.fileno()).st_size, json.dumps(line).encode() + b"\n"
    try:
        if file.write(text) != len(text):
            raise OSError("the disk is full")
        os.fsync(file.fileno())
    except OSError as error:
        file.truncate(size)
        raise OSError(f"{file.name} cannot be written: {error.strerror or error}") from error


@contextlib.contextmanager
def workers(jobs: int, dask: str | None) -> Iterator[None]:
    """joblib told where the rows run: processes here, or workers of a Dask scheduler."""
    if dask is None:
        with joblib.parallel_config("loky", n_jobs=jobs, inner_max_num_threads=1):
            yield
        return
    if importlib.util.find_spec("distributed") is None:
        raise ValueError(f"dask = {dask!r} needs Dask: pip install 'dask[distributed]'")
    from distributed import Client

    local = {"n_workers": jobs, "threads_per_worker": 1, "dashboard_address": ":0"}
    where: Row = local if dask == "local" else {"address": dask}
    try:
        client = Client(timeout=UNREACHABLE_AFTER, **where)
    except (OSError, ValueError) as error:
        told = f"dask = {dask!r}: no scheduler answers there within {UNREACHABLE_AFTER:g} s"
        raise TimeoutError(f"{told} ({error})") from None
    with client, joblib.parallel_config("dask", client=client):
        if set(client.nthreads().values()) != {1}:
            raise ValueError(f"dask = {dask!r} needs workers: dask worker ADDRESS --nthreads 1")
        yield


def results(tasks: list) -> Generator[tuple[Row, Row, str], None, None]:
    """What the tasks give, as they end; RuntimeError if a worker or the scheduler is lost."""
    try:
        if tasks:
            yield from joblib.Parallel(return_as="generator_unordered", batch_size=1)(tasks)
    except Exception as error:  # a row's own are caught in `run_row`
        raise RuntimeError(f"a worker or the scheduler was lost: {error!r}") from error


def run_row(
    row: Callable, device: str, parent: int | None, parameters: Row, rng: np.random.Generator
):
    """One row on one thread, in whatever process: its parameters, itself, or why it failed."""
    if parent not in (None, os.getpid(), os.getppid()):
        os._exit(1)  # the process that wanted the row was killed
    torch = sys.modules.get("torch")
    threads = torch.get_num_threads() if torch else 0
    clock = time.process_time if device == "cpu" else time.perf_counter
    try:
        with patch.dict(os.environ, ONE_THREAD), threadpool_limits(1):
            if torch:
                torch.set_num_threads(1)
            begin = clock()
            result = {k: scalar(v) for k, v in row(rng=rng, device=device, **parameters).items()}
            seconds = round(clock() - begin, 3)
        if result.keys() & {*parameters, "seconds"}:
            raise ValueError(f"the row returned {[*result]}, some of which are names of parameters")
        return parameters, {**parameters, **result, "seconds": seconds}, ""
    except Exception:
        return parameters, {}, traceback.format_exc()
    finally:
        if torch:
            torch.set_num_threads(threads)


def scalar(value: Any) -> Any:
    """What a table gives back as it was: a number, True, False, None, or no word for one."""
    value = value.item() if isinstance(value, np.generic) else value
    word = isinstance(value, str) and typed(value) == value
    if word or value is None or isinstance(value, (bool, int, float)):
        return value
    raise ValueError(f"{value!r:.200} cannot stand in a table: a number, True, False, None or text")


def typed(text: str) -> Any:
    """What a cell of results.csv stands for."""
    if text in ("", "True", "False"):
        return {"": None, "True": True, "False": False}[text]
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(text)
    return text


def canonical(value: object) -> str:
    """JSON that is the same for equal values."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def key(parameters: Mapping[str, Any]) -> str:
    """The name of a row: its parameters."""
    return canonical({name: value for name, value in parameters.items() if value is not None})
