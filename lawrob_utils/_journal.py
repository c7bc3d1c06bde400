"""The journal of a sweep: finished rows, one line each, on disk before the next row is counted as done. Used by `lawrob_utils.sweep`.

A line is the first 16 hexadecimal digits of the SHA-256 of the rest, a space, and JSON. The first line is the plan (what is run), every
other line a finished row. A last line without its newline was cut off by an interruption and is dropped; any other line that does not
match its checksum is an error, and then the file is left as it is.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path


def canonical(value: object) -> str:
    """JSON that is the same for equal values: sorted keys, no spaces, the shortest digits that give the number back."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


class Journal:
    """The file `path`; `plan` and `rows` are what it held when it was opened, `cut` says whether a half-written line was dropped.

    Raises ValueError, naming file and line, for a line that is damaged.
    """

    def __init__(self, path: Path):
        self.path, self.cut = Path(path), False
        lines = self.path.read_bytes().splitlines(keepends=True) if self.path.is_file() else []
        self.cut = bool(lines) and not lines[-1].endswith(b"\n")
        whole = lines[:-1] if self.cut else lines
        values = [self._value(number, line) for number, line in enumerate(whole, 1)]
        self.plan: dict | None = values[0] if values else None
        self.rows: list[dict] = values[1:]
        self._size = sum(map(len, whole))

    def append(self, value: Mapping[str, object]) -> None:
        """Write one line and wait until it is on disk; if that fails (a full disk), the file is as it was and OSError says so."""
        text = json.dumps(value, ensure_ascii=False).encode()
        line = _digest(text) + b" " + text + b"\n"
        try:
            handle = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o644)
            try:
                os.ftruncate(handle, self._size)
                os.lseek(handle, 0, os.SEEK_END)
                if os.write(handle, line) < len(line):
                    raise OSError("the disk is full or the largest allowed size of a file is reached")
                os.fsync(handle)
            except BaseException:
                os.ftruncate(handle, self._size)
                raise
            finally:
                os.close(handle)
        except OSError as error:
            raise OSError(f"{self.path} cannot be written: {error.strerror or error}") from error
        self._size += len(line)

    def _value(self, number: int, line: bytes) -> dict:
        checksum, _, text = line.rstrip(b"\n").partition(b" ")
        if checksum != _digest(text):
            raise ValueError(
                f"{self.path}, line {number}: the checksum does not match, so the line is damaged. Nothing was changed; "
                f"{'delete the file to begin anew' if number == 1 else 'delete this line to run its row again'}"
            )
        return json.loads(text)


def _digest(text: bytes) -> bytes:
    return hashlib.sha256(text).hexdigest()[:16].encode()
