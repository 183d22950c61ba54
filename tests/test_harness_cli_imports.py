"""What the commands import, and what they cost: read off a child process."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "reports" / "examples" / "linear_1d"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
HEAVY = {"jax", "gemma", "kauldron", "flax", "orbax", "sympy", "matplotlib", "scipy", "openai", "aiohttp", "rich"}
# Runs a command; then prints which packages it imported, as the last line of stderr.
LISTED = """
import sys
from restem.harness.cli.main import main
try:
    main(sys.argv[1:])
finally:
    print(*sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""


def child(*arguments: object) -> tuple[int, str, set[str]]:
    """Exit code, messages and imported packages of a command in a process of its own."""
    command = [sys.executable, "-c", LISTED, *map(str, arguments)]
    ended = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=120)
    *messages, modules = ended.stderr.splitlines()
    return ended.returncode, "\n".join(messages), set(modules.split())


IMPORTS = "import click, numpy"  # they take most of the time of `restem show`
IMPORT_SECONDS = 0.2  # of processor time that these take where nothing else runs


def cpu_seconds(*arguments: object) -> float:
    """User and system seconds of a Python process, the least of six.

    Compiled modules are kept, as they are for users: without them most of the time is compilation of Python sources.
    """
    environment = {name: value for name, value in ENVIRONMENT.items() if name != "PYTHONDONTWRITEBYTECODE"}
    costs = []
    for _ in range(6):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, *map(str, arguments)]
        subprocess.run(command, env=environment, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        costs.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(costs)


def slowness() -> float:
    """How much more processor time Python takes now than where nothing else runs: a busy machine's caches are cold."""
    return min(3, max(1, cpu_seconds("-c", IMPORTS) / IMPORT_SECONDS))


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    row = {"question": "Solve 3*x = 6 for x.", "reference": "2", "response": "x = 2"}
    path.write_text("".join(json.dumps({"id": number, **row}) + "\n" for number in range(10)))
    return path


def test_verify_imports_only_what_its_verifier_needs(rows: Path) -> None:
    code, _, modules = child("verify", "--verifier", "exact", "--input", rows)
    assert code == 0
    assert modules & (HEAVY | {"numpy"}) == set()


def test_the_rates_of_labelled_rows_import_numpy_and_no_more(rows: Path) -> None:
    rows.write_text(rows.read_text().replace("}", ', "label": 1}'))
    code, _, modules = child("verify", "--verifier", "exact", "--input", rows)
    assert code == 0
    assert "numpy" in modules
    assert modules & HEAVY == set()


def test_show_imports_no_jax_and_draws_nothing() -> None:
    code, _, modules = child("show", EXAMPLE)
    assert code == 0
    assert modules & (HEAVY - {"rich"}) == set()


def test_help_imports_nothing_of_weight() -> None:
    assert child("--help")[2] & (HEAVY | {"numpy", "pydantic", "sqlite3"}) == set()


@pytest.mark.parametrize("verifier", ["judge", "sympy", "exact"])
def test_an_error_in_the_rows_is_reported_before_the_verifiers_are_imported(rows: Path, verifier: str) -> None:
    rows.write_text(rows.read_text() + "not json\n")
    code, message, modules = child("verify", "--verifier", verifier, "--input", rows)
    assert code == 2
    assert "rows.jsonl:11" in message
    assert modules & (HEAVY | {"numpy", "pydantic", "sqlite3"}) == set()


@pytest.mark.parametrize("suite", ["nosuch", "linear_1d"])
def test_an_error_in_a_suite_is_reported_before_jax_is_imported(suite: str) -> None:
    code, message, modules = child("run", suite, "--set", "sede=3")
    assert code == 2
    assert "no suite" in message or "sede" in message
    assert modules & HEAVY == set()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--set", "arms.0.verifier=sympi"), "did you mean 'sympy'"),
        (("--set", "gold=sympi"), "did you mean 'sympy'"),
        (("--set", 'scoring=["sympi"]'), "did you mean 'sympy'"),
        (("--set", "arms.0.verifier=judge", "--set", "verifiers.judge.modle=x"), "did you mean 'model'"),
        (("--set", "verifiers.symp.x=1"), "verifiers.symp: no verifier of that name is used here (did you mean"),
        (("--set", "gold=foreign:Strict", "--set", "verifiers.foreign:Strict.colour=red"), "'colour'"),
        (("--set", "benchmark.name=file", "--set", "benchmark.path=nowhere"), "benchmark.path: found 'nowhere'"),
        (("--set", "benchmark.regime=easy"), "benchmark.regime: unknown regime 'easy'"),
        (("--set", "benchmark.regime=[1e9, 1e9]"), "benchmark.regime: "),
        (("--set", "policy=nope"), "policy 'nope'"),
        (("--set", "verifiers.judge.model=gpt-4"), "neither OPENAI_API_KEY nor base_url"),
        (("--hosts", "2"), "--coordinator HOST:PORT and --host-index"),
        (("--hosts", "2", "--host-index", "2", "--coordinator", "leader:1"), "--host-index: found 2"),
        (("--hosts", "2", "--host-index", "1", "--coordinator", "leader"), "--coordinator: found 'leader'"),
        (("--out", ""), "--out"),
        (("--out", "/proc/x"), "--out /proc/x"),
    ],
)
def test_a_wrong_name_is_reported_before_jax_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delitem(ENVIRONMENT, name, raising=False)
    (tmp_path / "foreign.py").write_text(
        "class Strict:\n    def __init__(self, *, rate=1):\n        print('built')\n    def verify(self, attempts): 0\n"
    )
    code, text, modules = child("run", *arguments)
    assert code == 2
    assert message in text
    assert "built" not in text
    assert modules & {"jax", "gemma", "kauldron", "flax", "orbax"} == set()
    assert {path.name for path in tmp_path.iterdir()} <= {"foreign.py", "__pycache__"}


@pytest.mark.parametrize(
    ("arguments", "limit"),
    [
        (("verify", "--verifier", "exact", "--input"), 0.6),
        (("show", EXAMPLE), 0.6),  # with the tests between arms that the verdict rests on
        (("--help",), 0.25),
    ],
)
def test_a_command_that_needs_no_policy_costs_little(rows: Path, arguments: tuple[object, ...], limit: float) -> None:
    before = slowness()
    cost = cpu_seconds("-m", "restem.harness.cli", *arguments, *([rows] if arguments[0] == "verify" else []))
    assert cost / max(before, slowness()) < limit


def test_a_run_shows_a_sign_of_life_within_two_seconds(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "restem.harness.cli", "run", "--out", str(tmp_path / "run")]
    started = time.monotonic()
    with subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        line, seconds = process.stderr.readline(), time.monotonic() - started
        process.kill()
    assert line.startswith("suite linear_1d, run folder")
    assert seconds / slowness() < 2


# A finder that stands before all others and finds neither JAX nor gemma, as in an install without the extra.
WITHOUT = """
import importlib.util, sys
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name in ("jax", "gemma") else find(name, *rest)
from restem.harness.cli.main import main
main(sys.argv[1:])
"""


@pytest.mark.parametrize(
    "arguments",
    [
        ("run",),
        ("serve", "tiny"),
        ("export", "tiny", "--output", "new"),
        ("models", "download", "gemma3-1b-it", "--yes"),
        ("verify", "--verifier", "judge", "--input"),
    ],
)
def test_a_command_that_needs_the_extra_names_it_in_one_line(
    rows: Path, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    command = [sys.executable, "-c", WITHOUT, *arguments, *([str(rows)] if arguments[0] == "verify" else [])]
    keyless = {key: value for key, value in ENVIRONMENT.items() if not key.startswith("OPENAI")}
    ended = subprocess.run(command, env=keyless, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2
    assert ended.stderr.startswith("restem: ")
    assert ended.stderr.endswith('needs jax: pip install "restem-harness[train]"\n')
    assert len(ended.stderr.splitlines()) == 1


def test_policies_are_listed_without_the_extra(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WITHOUT, "models"]
    ended = subprocess.run(command, env=ENVIRONMENT, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0
    assert "gemma3-1b-it" in ended.stdout
