"""The long runs of the book, a package each: the code that makes a record, and the record.

In a clone they lie in book/recorded/; when the package is installed, they lie here.
"""

from pathlib import Path

_clone = Path(__file__).parents[2] / "book" / "recorded"
if _clone.is_dir():
    __path__.append(str(_clone))
