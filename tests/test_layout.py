"""Who may import whom, read off the imports themselves."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("benchmarks", "verifiers", "harness", "reports")
# harness/pytest_gate.py is to pytest what the command line is to a shell.
# harness/assets makes the embedded models and, like the command line, joins packages; nothing imports it.
JOINERS = (
    "harness/cli.py",
    "harness/cli_run.py",
    "harness/cli_gate.py",
    "harness/cli_judge.py",
    "harness/cli_pages.py",
    "harness/cli_policies.py",
    "harness/pytest_gate.py",
    "harness/assets",
)
ALLOWED = {
    "benchmarks": ("benchmarks",),
    "verifiers": ("verifiers", "benchmarks.problem"),
    "harness": ("harness", "verifiers.verdict", "benchmarks.problem"),
    "reports": (
        "reports",
        "harness.records",
        "harness.store",
        "harness.errors",
        "verifiers.verdict",
        "benchmarks.problem",
    ),
}
ROOMS = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def imported(path: Path) -> list[str]:
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module] if node.module not in PACKAGES else [f"{node.module}.{a.name}" for a in node.names]
    return [name for name in names if name.split(".")[0] in PACKAGES]


@pytest.mark.parametrize("path", ROOMS, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_follow_the_arrows(path: Path) -> None:
    room = str(path.relative_to(ROOT))
    if room.startswith(JOINERS):
        return
    allowed = ALLOWED[room.split("/")[0]]
    wrong = [name for name in imported(path) if not any(name == a or name.startswith(f"{a}.") for a in allowed)]
    assert wrong == []


@pytest.mark.parametrize("path", ROOMS, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_imports_a_joiner(path: Path) -> None:
    if not str(path.relative_to(ROOT)).startswith(JOINERS):
        assert [name for name in imported(path) if name.startswith(("harness.cli", "harness.assets"))] == []


@pytest.mark.parametrize("package", ["verifiers", "benchmarks", "reports"])
def test_jax_stays_in_the_harness(package: str) -> None:
    for path in (ROOT / package).rglob("*.py"):
        assert "import jax" not in path.read_text("utf-8"), path


@pytest.mark.parametrize("path", sorted((ROOT / "verifiers").rglob("*.py")), ids=lambda path: path.name)
def test_no_verifier_evaluates_text(path: Path) -> None:
    calls = [node.func for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)]
    names = {getattr(call, "id", getattr(call, "attr", "")) for call in calls}
    assert not names & {"eval", "exec", "sympify", "parse_expr", "S", "__import__"}
