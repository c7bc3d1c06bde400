"""lawrob_utils as an ordinary installed package."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MEMORIZER = ("name", "n_parameters", "lipschitz")
MODULES = sorted(p for p in (ROOT / "lawrob_utils").rglob("*.py"))


NO_TORCH = """
import sys
class NoTorch:
    def find_spec(self, name, *rest):
        if name.split(".")[0] == "torch":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, NoTorch())
"""


def python(code: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)


def test_the_package_and_the_theory_modules_import_without_torch():
    parts = "data lipschitz memorizers law plotting check networks attacks fewbits".split()
    modules = ", ".join(f"lawrob_utils.{part}" for part in parts)
    done = python(NO_TORCH + f"import {modules}; lawrob_utils.check.known_exercises()")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    "call",
    [
        "networks.fit_mlp(np.eye(3), [0, 1, 2], rng=rng)",
        "networks.fit_two_layer(np.eye(3), np.ones(3), 2, rng=rng)",
        "fewbits.fit_few_bits(np.eye(3), np.array([1, -1, 1]), 2, rng=rng)",
        "attacks.pgd(net, np.eye(3), np.ones(3), 0.1)",
        "attacks.robust_accuracy(net, np.eye(3), np.ones(3), 0.1)",
    ],
)
def test_without_torch_nets_are_bracketed_and_training_says_how_to_get_the_small_build(call):
    done = python(
        NO_TORCH + "import numpy as np\nfrom lawrob_utils import attacks, fewbits, networks\n"
        "net, rng = networks.TwoLayer(np.eye(3), np.zeros(3), np.ones(3), 0.0), "
        "np.random.default_rng(0)\n"
        f"print(net.lipschitz().upper > 0)\n{call}"
    )
    assert done.returncode != 0 and done.stdout == "True\n"
    assert "download.pytorch.org/whl/cpu" in done.stderr.splitlines()[-1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The wheel, installed alone into an empty folder; built from a copy, which keeps the clone."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in ("lawrob_utils", "book/recorded"):
        shutil.copytree(
            ROOT / name, folder / "copy" / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder / "copy")
    pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check"]
    alone = ["--no-deps", "--no-index", "--no-build-isolation"]
    subprocess.run(
        [*pip, "install", *alone, "--target", str(folder / "target"), str(folder / "copy")],
        check=True, cwd=folder,
    )  # fmt: skip
    shutil.rmtree(folder / "copy")
    return folder / "target"


def test_the_wheel_holds_every_module_and_says_that_it_is_typed(installed):
    for here, there in (("lawrob_utils", "."), ("book/recorded", "lawrob_utils/recorded")):
        held = installed / there / ("lawrob_utils" if there == "." else "")
        for file in (ROOT / here).rglob("*"):
            if file.is_file() and "__pycache__" not in file.parts and file.name != ".lock":
                assert (held / file.relative_to(ROOT / here)).is_file(), file


def test_every_record_is_loaded_from_the_wheel_outside_a_clone(installed, tmp_path):
    pytest.importorskip("torch")
    code = (
        "from lawrob_utils.records import find, names\n"
        "for name in names():\n"
        "    record = find(name)\n"
        "    module = __import__('lawrob_utils.recorded.' + name, fromlist=['load'])\n"
        "    assert module.load(), name\n"
        "    print(name, record.folder)\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(installed), "PYTHONSAFEPATH": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    told = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    wanted = [f.name for f in (ROOT / "book/recorded").iterdir() if (f / "__init__.py").is_file()]
    assert told == {name: str(installed / "lawrob_utils/recorded" / name) for name in wanted}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_everything_public_has_a_docstring(path):
    tree = ast.parse(path.read_text("utf-8"))
    assert ast.get_docstring(tree), "the module says what is in it"
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            # What the Memorizer protocol documents once, its members need not repeat.
            members = [
                m
                for m in node.body
                if isinstance(m, ast.FunctionDef)
                and not m.name.startswith("_")
                and m.name not in MEMORIZER
            ]
            protocol = any("Protocol" in ast.unparse(b) for b in node.bases)
            assert ast.get_docstring(node), node.name
            assert protocol or all(ast.get_docstring(m) for m in members), node.name
    for node in tree.body:
        # A module's `main` is its command, which the module's docstring explains.
        if (
            isinstance(node, ast.FunctionDef)
            and not node.name.startswith("_")
            and node.name != "main"
            # The words of an exercise stand in exercises.txt, under the name in its decorator.
            and not any(ast.unparse(d).startswith("row(") for d in node.decorator_list)
        ):
            assert ast.get_docstring(node), node.name


def test_types_agree_with_the_code():
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "lawrob_utils", "book/recorded"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
