"""The claim ledger as data: reading book/claims.yml, and what must hold between it and the book.

`read_ledger` gives the claims, `problems` everything that is out of step, in words.  No Sphinx
here: the extension `claims` renders what this module reads, tests/test_claims.py applies `problems`
to the book and to broken ledgers.
"""

import ast
import functools
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

STATUSES = ("proved here", "cited", "measured", "fails outside its assumptions")
FIELDS = (
    "id",
    "title",
    "statement",
    "source",
    "assumptions",
    "status",
    "evidence",
    "notebook",
    "tests",
)


@dataclass(frozen=True)
class Claim:
    """One entry of the ledger; the fields are explained at the top of book/claims.yml."""

    id: str
    title: str
    statement: str
    source: list[dict[str, str]]
    assumptions: str
    status: list[str]
    evidence: dict[str, list[Any]]
    notebook: str
    tests: list[str]

    @property
    def box(self) -> str:
        """Label of the claim's box in its chapter."""
        return f"claim-{self.id.lower()}"

    @property
    def row(self) -> str:
        """Label of the claim's row in the ledger."""
        return f"ledger-{self.id.lower()}"

    @property
    def cell(self) -> str:
        """Label of the first code cell that measures the claim."""
        return f"measured-{self.id.lower()}"


def same_words(a: str, b: str) -> bool:
    """Whether two texts are equal up to white space."""
    return a.split() == b.split()


@functools.lru_cache(maxsize=1)
def _entries(text: str) -> list:
    """Each box of a claim reads the ledger; reading it as YAML once saves a third of the build."""
    return yaml.safe_load(text) or []


def read_ledger(path: Path) -> dict[str, Claim]:
    """The claims by id, in the order of the file.

    Raises `ValueError` naming the entry when a field is missing or unknown, an id is repeated, or a
    status is unknown.
    """
    claims: dict[str, Claim] = {}
    for position, entry in enumerate(_entries(path.read_text(encoding="utf-8")), start=1):
        name = (
            entry.get("id", f"entry {position}") if isinstance(entry, dict) else f"entry {position}"
        )
        if not isinstance(entry, dict) or set(entry) != set(FIELDS):
            given = sorted(entry) if isinstance(entry, dict) else entry
            raise ValueError(
                f"{path.name}, {name}: fields are {given}, but must be {sorted(FIELDS)}"
            )
        if not re.fullmatch(r"[A-Z][1-9]\d*", str(name)):
            raise ValueError(
                f"{path.name}, {name}: an id is a capital letter and a number, such as R2"
            )
        if name in claims:
            raise ValueError(f"{path.name}, {name}: this id is used twice")
        if unknown := [s for s in entry["status"] if s not in STATUSES]:
            raise ValueError(f"{path.name}, {name}: status {unknown} is none of {list(STATUSES)}")
        claims[name] = Claim(**entry)
    return claims


# What must hold between the ledger and the book ---------------------------------------------------


@dataclass(frozen=True)
class Chapter:
    """A notebook as the ledger sees it: its cells, its text, and the claim boxes in it."""

    cells: list[dict[str, Any]]

    @classmethod
    def read(cls, path: Path) -> "Chapter":
        """The chapter stored at `path`."""
        return cls(json.loads(path.read_text(encoding="utf-8"))["cells"])

    @property
    def text(self) -> str:
        """All markdown of the chapter."""
        return "\n\n".join("".join(c["source"]) for c in self.cells if c["cell_type"] == "markdown")

    @property
    def title(self) -> str:
        """The chapter's first heading."""
        match = re.search(r"^# (.+)$", self.text, flags=re.MULTILINE)
        return match[1].strip() if match else ""

    @property
    def boxes(self) -> list[tuple[str, str]]:
        """(id, statement) of every claim box, in order."""
        return re.findall(
            r"^(?::{3,}|`{3,})\{claim\} *(\S+)\n(.*?)^(?::{3,}|`{3,}) *$",
            self.text,
            flags=re.M | re.S,
        )

    def tagged(self, tag: str) -> list[dict[str, Any]]:
        """The code cells that carry `tag`."""
        return [
            c
            for c in self.cells
            if c["cell_type"] == "code" and tag in c["metadata"].get("tags", [])
        ]


def printed(cell: dict[str, Any]) -> str:
    """The stored text output of a code cell."""
    parts = []
    for output in cell["outputs"]:
        parts.append("".join(output.get("text", [])) if output["output_type"] == "stream" else "")
        parts.append("".join(output.get("data", {}).get("text/plain", [])))
    return "\n".join(parts)


def shows(value: str, text: str) -> bool:
    """Whether the printed `text` shows `value`, by the rule stated at the top of
    book/claims.yml."""
    words, text = (
        [w.strip() for w in str(value).replace("−", "-").split("±")],
        text.replace("−", "-"),
    )
    patterns = [r"\s*".join(map(re.escape, w.split())) for w in words]
    return all(re.search(rf"(?<![\w.\-]){p}(?!\w|\.\d)", text) for p in patterns)


def problems(root: Path) -> list[str]:
    """Everything that is out of step between ledger, chapters, bibliography and tests under `root`,
    in words."""
    claims = read_ledger(root / "book" / "claims.yml")
    chapters = {
        f"notebooks/{p.stem}": Chapter.read(p)
        for p in sorted((root / "notebooks").glob("[0-9]*.ipynb"))
    }
    bibliography = root / "book" / "references.bib"
    keys = (
        re.findall(r"^@\w+\{\s*([^,\s]+)", bibliography.read_text(encoding="utf-8"), re.M)
        if bibliography.exists()
        else []
    )
    found = []
    for claim in claims.values():
        chapter = chapters.get(claim.notebook)
        found += [f"{claim.id}: {words}" for words in _claim_problems(claim, chapter, keys, root)]
    for name, chapter in chapters.items():
        tags = {
            t
            for c in chapter.cells
            for t in c["metadata"].get("tags", [])
            if t.startswith("claim:")
        }
        found += [
            f"{name}: the cell tag {t} names no claim of the ledger"
            for t in sorted(tags)
            if t[6:] not in claims
        ]
        found += [
            f"{name}: the claim box {i} is not in the ledger"
            for i, _ in chapter.boxes
            if i not in claims
        ]
    return found


def _claim_problems(
    claim: Claim, chapter: Chapter | None, keys: list[str], root: Path
) -> list[str]:
    found = [
        f"{field} is empty"
        for field in ("title", "statement", "source", "assumptions", "status", "tests")
        if not getattr(claim, field)
    ]
    found += [
        f"source {s} needs a text and a version"
        for s in claim.source
        if not (s.get("text") and s.get("version"))
    ]
    found += [f"the test {test} does not exist" for test in claim.tests if not _is_test(test, root)]
    found += [
        f"the status {s!r} has no evidence" for s in claim.status if not claim.evidence.get(s)
    ]
    found += [
        f"there is evidence for {s!r}, which is not in its status"
        for s in claim.evidence
        if s not in claim.status
    ]
    if chapter is None:
        return [*found, f"there is no chapter {claim.notebook}"]
    boxes = [statement for id, statement in chapter.boxes if id == claim.id]
    if len(boxes) != 1:
        found.append(f"the chapter has {len(boxes)} boxes for it instead of one")
    found += [
        "the box in the chapter does not say what the ledger says"
        for b in boxes
        if not same_words(b, claim.statement)
    ]
    cells = chapter.tagged(f"claim:{claim.id}")
    if not cells:
        found.append(f"no code cell carries the tag claim:{claim.id}")
    for label in claim.evidence.get("proved here") or []:
        if not _is_proved(label, chapter.text):
            found.append(f"the chapter has no box labelled {label} that a proof follows")
    for key in claim.evidence.get("cited") or []:
        if key not in keys:
            found.append(f"the bibliography has no entry {key}")
        if not re.search(rf"\{{cite\S*\}}`[^`]*\b{re.escape(key)}\b", chapter.text):
            found.append(f"the chapter does not cite {key}")
    for item in claim.evidence.get("measured") or []:
        if not any(shows(item["value"], printed(cell)) for cell in cells):
            found.append(
                f"no cell tagged claim:{claim.id} prints the value {item['value']} "
                f"({item['quantity']})"
            )
    ids = {cell.get("id") for cell in chapter.cells}
    found += [
        f"the chapter has no cell {i}"
        for i in claim.evidence.get("fails outside its assumptions") or []
        if i not in ids
    ]
    return found


def _is_proved(label: str, text: str) -> bool:
    """Whether a proof box follows the box labelled `label` before the next numbered box."""
    match = re.search(rf"^:label: *{re.escape(label)} *$", text, flags=re.M)
    if not match:
        return False
    following = re.search(
        r"\{prf:(proof|theorem|lemma|proposition|corollary)\}", text[match.end() :]
    )
    return bool(following) and following[1] == "proof"


def _is_test(node: str, root: Path) -> bool:
    """Whether the pytest node id `file::[class::]function` names a test under `root`."""
    file, *names = node.split("[")[0].split("::")
    if not names or not (root / file).is_file():
        return False
    scope: Any = ast.parse((root / file).read_text(encoding="utf-8"))
    for name in names:
        scope = next((s for s in scope.body if getattr(s, "name", None) == name), None)
        if scope is None:
            return False
    return names[-1].startswith("test")
