"""The journal of a sweep: finished rows, one line each, on disk before the next row is counted as done. Used by `lawrob_utils.sweep`.

A line is the first 16 hexadecimal digits of the SHA-256 of the rest, a space, and JSON. The first line says what is run, every other line
is a finished row. A last line without its newline was cut off by an interruption and is dropped; any other line that does not
match its checksum is an error, and then the file is left as it is.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from ._provenance import write_atomically


def canonical(value: object) -> str:
    """JSON that is the same for equal values: sorted keys, no spaces, the shortest digits that give the number back."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


class Journal:
    """The file `path`; `head` and `rows` are what it held when it was opened, `cut` says whether a half-written line was dropped.

    Raises ValueError, naming file and line, for a line that is damaged.
    """

    def __init__(self, path: Path):
        self.path = Path(path)
        lines = self.path.read_bytes().splitlines(keepends=True) if self.path.is_file() else []
        self.cut = bool(lines) and not lines[-1].endswith(b"\n")
        whole = lines[:-1] if self.cut else lines
        values = [self._value(number, line) for number, line in enumerate(whole, 1)]
        self.head: dict | None = values[0] if values else None
        self.rows: list[dict] = values[1:]
        self._size = sum(map(len, whole))

    def begin(self, head: Mapping[str, object], rows: Iterable[Mapping[str, object]]) -> None:
        """A new journal in place of the old one, with the head and the rows."""
        lines = b"".join(map(_line, (head, *rows)))
        with _told(self.path):
            write_atomically(self.path, lines)
        self._size = len(lines)

    def append(self, row: Mapping[str, object]) -> None:
        """Write one line and wait until it is on disk; if that fails (a full disk), the file is as it was and OSError says so."""
        line = _line(row)
        with _told(self.path), self.path.open("r+b", buffering=0) as file:
            try:
                file.truncate(self._size)
                file.seek(self._size)
                if file.write(line) != len(line):
                    raise OSError("the disk is full, or a limit of the size of files is reached")
                os.fsync(file.fileno())
            except BaseException:
                file.truncate(self._size)
                raise
        self._size += len(line)

    def _value(self, number: int, line: bytes) -> dict:
        checksum, _, text = line.rstrip(b"\n").partition(b" ")
        if checksum != _digest(text):
            raise ValueError(
                f"{self.path}, line {number}: the checksum does not match, so the line is damaged. Nothing was changed; "
                f"{'delete the file to begin anew' if number == 1 else 'delete this line to run its row again'}"
            )
        return json.loads(text)


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OSError(f"{path} cannot be written: {error.strerror or error}") from error


def _line(value: Mapping[str, object]) -> bytes:
    text = json.dumps(value, ensure_ascii=False).encode()
    return _digest(text) + b" " + text + b"\n"


def _digest(text: bytes) -> bytes:
    return hashlib.sha256(text).hexdigest()[:16].encode()
