"""A suite, a `--config` file, a gate baseline and a run folder of somebody else execute nothing: each is tried.

Every hostile verifier leaves a file behind where its module is imported or its factory is called. Beside them stand
honest verifiers of the same forms, which work where the user permits them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from restem.harness.app.code_permission import check_functions
from restem.harness.errors import ConfigError
from restem.harness.store.store import Store
from restem.verifiers import catalog
from restem.verifiers.code.permission import code_allowed, functions_allowed
from restem.verifiers.verdict import UnknownVerifier
from tests.conftest import restem

MODULE = """
import pathlib
from os import system
from subprocess import run
from restem.verifiers.verdict import Outcome, Verdict, Verifier

HERE = pathlib.Path(__file__).parent
(HERE / "imported").touch()

class Always:
    name = fingerprint = "always"
    def verify(self, attempts):
        return [Verdict(outcome=Outcome.CORRECT, score=1.0) for _ in attempts]

def annotated() -> Verifier:
    return Always()

def by_its_class() -> "Always":
    return Always()

def make(**options):
    (HERE / "called").touch()
    return Always()

def number() -> int:
    (HERE / "called").touch()
    return 1

class NoVerifier:
    def __init__(self):
        (HERE / "called").touch()

class Zip:
    def __init__(self):
        (HERE / "called").touch()
    def verify(self, key, signature, message):
        return True

def plain(response, reference):
    (HERE / "called").touch()
    return 1.0
"""
TOUCH = "import pathlib; pathlib.Path('called').touch()"
# Type -> options. None of them may be called, whoever names it.
NO_VERIFIERS: dict[str, dict[str, Any]] = {
    "subprocess:run": {"args": ["touch", "called"]},
    "subprocess:Popen": {"args": ["touch", "called"]},
    "os:system": {"command": "touch called"},
    "builtins:exec": {"source": TOUCH},
    "builtins:eval": {"source": f"exec({TOUCH!r})"},
    "runpy:run_path": {"path_name": "evil.py"},
    "runpy:run_module": {"mod_name": "evil"},
    "importlib:import_module": {"name": "evil"},
    "functools:partial": {"func": "x"},
    "pathlib:Path": {},
    "code:interact": {},
    "this:s": {},
    "antigravity:webbrowser": {},
    "pickle:loads": {"data": "x"},
    "sympy:sympify": {"a": f"exec({TOUCH!r})"},
    "click:edit": {"editor": "touch called #", "text": "x"},
    "evil:make": {"a": 1},
    "evil:number": {},
    "evil:run": {"args": ["touch", "called"]},
    "evil:system": {"command": "touch called"},
    "evil:NoVerifier": {},
    "evil:Zip": {},
    "reward:os:system": {},
    "trl:subprocess:run": {},
    "reward:builtins:eval": {},
}
# These are verifiers; a file alone may not have their code executed.
VERIFIERS: dict[str, dict[str, Any]] = {
    "evil:Always": {},
    "evil:annotated": {},
    "evil:by_its_class": {},
    "reward:evil.py:plain": {},
    "reward:evil:plain": {},
    "planted": {},  # a plug-in whose metadata lie in the working folder
    "restem.verifiers.catalog:build": {"name": "evil:Always"},
}
HOSTILE = NO_VERIFIERS | VERIFIERS


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working folder of somebody else, with a module and a plug-in in it."""
    (tmp_path / "evil.py").write_text(MODULE)
    info = tmp_path / "planted-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: planted\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[restem.verifiers]\nplanted = evil:Always\n")
    row = {"id": "a", "question": "Solve x = 7 for x.", "reference": "7", "response": "7", "label": "correct"}
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n")
    (tmp_path / "input.jsonl").write_text(json.dumps({k: v for k, v in row.items() if k != "label"}) + "\n")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("evil", None)


def executed(folder: Path) -> list[str]:
    return [name for name in ("imported", "called") if (folder / name).exists()]


def toml(table: str, options: dict[str, Any]) -> str:
    return "\n".join([f"[{table}]", *(f"{key} = {json.dumps(value)}" for key, value in options.items()), ""])


def suite(**changes: str) -> str:
    values = {"gold": '"sympy"', "scoring": "[]", "verifier": '"exact"'} | changes
    arm = f'[[arms]]\nname = "a"\nverifier = {values["verifier"]}\n'
    return f'name = "s"\ngold = {values["gold"]}\nscoring = {values["scoring"]}\n{arm}'


def places(type_: str, options: dict[str, Any]) -> dict[str, tuple[str, list[str]]]:
    """Place -> the text of `hostile.toml` there, and the command that reads it."""
    mine = toml("verifiers.mine", {"type": type_} | options)
    direct = toml(f"verifiers.{json.dumps(type_)}", options)
    panel = toml("verifiers.panel", {"type": "any_of", "members": ["sympy", "mine"]})
    run = ["run", "hostile.toml", "--out", "run"]
    verify = ["verify", "--verifier", "mine", "--config", "hostile.toml", "--input", "input.jsonl"]
    gate = 'rows = ["rows.jsonl"]\n'
    return {
        "suite, arm": (suite(verifier='"mine"') + mine, run),
        "suite, arm by its path": (suite(verifier=json.dumps(type_)) + direct, run),
        "suite, gold": (suite(gold='"mine"') + mine, run),
        "suite, scoring": (suite(scoring='["mine"]') + mine, run),
        "suite, member": (suite(scoring='["panel"]') + mine + panel, run),
        "config of verify": (mine, verify),
        "config of verify, member": (mine + panel, [*verify, "--verifier", "panel"]),
        "config of probe": (mine, ["probe", "--verifier", "mine", "--config", "hostile.toml", "--count", "1"]),
        "config of serve": (mine, ["serve", "--verifier", "mine", "--config", "hostile.toml", "--port", "0"]),
        "config of audit": (mine, ["audit", "rows.jsonl", "--verifier", "mine", "--config", "hostile.toml"]),
        "baseline": (
            gate + toml(f"verifiers.{json.dumps(type_)}", {}) + toml(f"options.{json.dumps(type_)}", options),
            ["gate", "hostile.gate.toml"],
        ),
        "baseline, type": (
            gate + "[verifiers.mine]\n" + toml("options.mine", {"type": type_} | options),
            ["gate", "hostile.gate.toml"],
        ),
        "baseline, update": (
            gate + "[verifiers.mine]\n" + toml("options.mine", {"type": type_} | options),
            ["gate", "hostile.gate.toml", "--update"],
        ),
    }


OF_EVERY_KIND = ("subprocess:run", "evil:make", "evil:Always", "reward:evil.py:plain", "planted")
EVERY_PLACE = [(type_, place) for type_ in OF_EVERY_KIND for place in places("a:b", {})]
ONE_PLACE = [(type_, "config of verify") for type_ in HOSTILE if type_ not in OF_EVERY_KIND]


@pytest.mark.parametrize(("type_", "place"), EVERY_PLACE + ONE_PLACE)
def test_a_file_that_names_code_executes_nothing(folder: Path, type_: str, place: str) -> None:
    text, command = places(type_, HOSTILE[type_])[place]
    for name in ("hostile.toml", "hostile.gate.toml"):
        (folder / name).write_text(text)
    result = restem(*command)
    assert (result.exit_code, executed(folder)) == (2, []), result.output
    assert len(result.stderr.splitlines()) == 1
    assert not (folder / "run").exists()


@pytest.mark.parametrize("type_", NO_VERIFIERS)
def test_what_is_no_verifier_is_not_called_even_if_the_command_line_names_it(folder: Path, type_: str) -> None:
    sets = [f"verifiers.mine.type={json.dumps(type_)}"]
    sets += [f"verifiers.mine.{key}={json.dumps(value)}" for key, value in NO_VERIFIERS[type_].items()]
    arguments = [part for text in sets for part in ("--set", text)]
    for command in (["--verifier", type_], ["--verifier", "mine", *arguments]):
        result = restem("verify", *command, "--input", "input.jsonl")
        assert result.exit_code == 2, result.output
        assert "called" not in executed(folder)
        assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("type_", NO_VERIFIERS)
def test_what_is_no_verifier_is_not_called_from_python_either(folder: Path, type_: str) -> None:
    sys.path.append(str(folder))
    try:
        with pytest.raises(UnknownVerifier):
            catalog.build("mine", {"mine": {"type": type_} | NO_VERIFIERS[type_]})
    finally:
        sys.path.remove(str(folder))
    assert "called" not in executed(folder)


@pytest.mark.parametrize("type_", [type_ for type_ in VERIFIERS if type_ != "planted"])
def test_a_verifier_works_where_the_user_names_or_allows_it(folder: Path, type_: str) -> None:
    (folder / "mine.toml").write_text(toml("verifiers.mine", {"type": type_} | VERIFIERS[type_]))
    named = [part for key, value in VERIFIERS[type_].items() for part in ("--set", f"verifiers.{type_}.{key}={value}")]
    for arguments in (
        ["--verifier", "mine", "--config", "mine.toml", "--allow-code"],
        ["--verifier", type_, *named],
        ["--verifier", "mine", "--set", f"verifiers.mine.type={type_}", "--config", "mine.toml"],
    ):
        result = restem("verify", *arguments, "--input", "input.jsonl", "--quiet")
        assert result.exit_code == 0, result.output
        assert json.loads(result.stdout)["outcome"] == "correct"


def test_the_error_says_how_to_permit_a_verifier(folder: Path) -> None:
    (folder / "mine.toml").write_text(suite(verifier='"evil:Always"'))
    error = restem("run", "mine.toml").stderr
    assert "a file names 'evil:Always', whose code is not executed by default" in error
    assert "--allow-code" in error


def test_the_error_says_how_a_function_says_that_it_gives_a_verifier(folder: Path) -> None:
    assert "write `-> Verifier`" in restem("verify", "--verifier", "evil:make", "--input", "input.jsonl").stderr


def test_the_gold_of_a_run_folder_is_not_executed_by_audit(folder: Path) -> None:
    assert restem("audit", "rows.jsonl", "--out", "run", "--map", "label=label").exit_code in (0, 2)
    with Store(folder / "run", write=True) as store:
        store.set_run("suite", {"gold": "evil:Always", "arms": [], "scoring": [], "benchmark": {"name": "import"}})
    result = restem("audit", "rows.jsonl", "--out", "run")
    assert result.exit_code == 2, result.output
    assert "a file names 'evil:Always'" in result.stderr
    assert executed(folder) == []


def test_a_file_in_the_working_folder_does_not_stand_for_the_package_of_an_extra(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "EXTRAS", {"math_verify": "evil"})  # as if it were not installed
    result = restem("verify", "--verifier", "math_verify", "--input", "input.jsonl")
    assert result.exit_code == 2
    assert "needs an extra" in result.stderr
    assert executed(folder) == []


def test_a_permission_for_one_verifier_is_none_for_another(folder: Path) -> None:
    tables = {"mine": {"type": "evil:Always"}}
    with functions_allowed(["evil:Always2", "evil:Alway", "xevil:Always"]), pytest.raises(ConfigError):
        check_functions(["mine"], tables)
    with functions_allowed(["evil:Always"]):
        check_functions(["mine"], tables)
    with code_allowed():
        check_functions(["mine"], tables)
