"""The house stands as it is drawn in CONTRIBUTING.md: small, in four floors, and nobody lives in it
without work."""

import ast
import json
import re
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "lawrob_utils"
FLOORS = [
    {"_validate", "_torch", "_expect", "_rows", "bracket"},
    {"data", "law", "lipschitz"},
    {"memorizers", "networks", "attacks", "isoperimetry", "rademacher"},
    {"fewbits", "plotting", "records"},
]
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
SIDE = ("check", "recorded")
FILES = [p for p in sorted(PACKAGE.rglob("*.py")) if p.parent.name not in SIDE]
TREES = {p: ast.parse(p.read_text("utf-8")) for p in FILES}
ROOMS = {p: "/".join(p.relative_to(PACKAGE).with_suffix("").parts) for p in FILES}


def lines(files) -> int:
    return sum(len(p.read_text("utf-8").splitlines()) for p in files)


# What a reader reads; what runs and keeps the records; the exercises, and their words.
CORE, RECORDS, CHECK, WORDS, LONGEST = 3600, 445, 1000, 300, 400


def test_the_package_can_be_read_in_an_evening():
    machinery = [p for p in FILES if p.stem in ("records", "_rows")]
    assert lines(FILES) - lines(machinery) <= CORE
    assert lines(machinery) <= RECORDS
    assert lines((PACKAGE / "check").rglob("*.py")) <= CHECK
    assert lines([PACKAGE / "check" / "exercises.txt"]) <= WORDS
    assert {p.name: lines([p]) for p in FILES if lines([p]) > LONGEST} == {}


def imports(path: Path) -> set[str]:
    """Modules of the package that a module imports anywhere, lazily too, by their place in the
    package."""
    here, found = path.relative_to(PACKAGE).parent.parts, set()
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Import):
            names = [
                alias.name.split(".")[1:] for alias in node.names if "lawrob_utils." in alias.name
            ]
        elif isinstance(node, ast.ImportFrom) and (node.level or "lawrob_utils" in node.module):
            base = [*here[: len(here) + 1 - node.level]] if node.level else []
            base += [
                part for part in (node.module or "").split(".") if part not in ("", "lawrob_utils")
            ]
            names = [[*base, alias.name] for alias in node.names]
        else:
            continue
        for name in names:  # `from .data import sphere` is an import of data
            known = [n for n in range(len(name), 0, -1) if "/".join(name[:n]) in known_rooms()]
            found |= {"/".join(name[: known[0]])} if known else set()
    return found


def known_rooms() -> set[str]:
    return {*ROOMS.values(), *SIDE, "lipschitz"}


def test_imports_lead_down_the_floors_in_no_circle_and_not_into_the_exercises_or_the_records():
    graph = {}
    for path, room in ROOMS.items():
        graph[room] = imports(path) - {room}
        for other in graph[room]:
            below, here = FLOOR.get(other.split("/")[0]), FLOOR.get(room.split("/")[0])
            assert below is not None, f"{room} imports {other}, which is on no floor"
            assert here is None or below <= here, f"{room} imports {other}, which is above it"
    assert {room.split("/")[0] for room in graph} - {"__init__"} == set(FLOOR)
    TopologicalSorter(graph).prepare()  # raises CycleError


def words(tree: ast.AST) -> set[str]:
    """Every name that a piece of code uses."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            found.add(node.id)
        elif isinstance(node, ast.Attribute):
            found.add(node.attr)
        elif isinstance(node, ast.alias):
            found.add(node.name.split(".")[-1])
    return found


def test_every_public_name_is_used_by_a_chapter_a_record_an_exercise_or_a_page():
    """Directly, or by what they use: a name is alive if living code says it."""
    texts = [
        p.read_text("utf-8")
        for folder in ("lawrob_utils/check", "book/recorded")
        for p in (ROOT / folder).rglob("*.py")
    ]
    for notebook in (ROOT / "notebooks").glob("*.ipynb"):
        cells = json.loads(notebook.read_text("utf-8"))["cells"]
        texts += ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]
    for page in (ROOT / "book").glob("*.md"):
        texts += re.findall(
            r"```\{?(?:python|code-cell)[^\n]*\n(.*?)```", page.read_text("utf-8"), re.S
        )
    defined, alive = {}, set().union(*(words(ast.parse(text)) for text in texts))
    for tree in TREES.values():
        for node in tree.body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                defined.setdefault(node.name, []).append(node)
    alive.add("main")  # the command line is a user, too
    waiting = alive & set(defined)
    while waiting:
        new = set().union(*(words(node) for name in waiting for node in defined[name])) - alive
        alive |= new
        waiting = new & set(defined)
    public = {name for name in defined if not name.startswith("_")} - {"main"}
    assert sorted(public - alive) == []
