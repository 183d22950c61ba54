"""Names to verifiers: built in, plug-ins, module paths, and the mistakes in asking."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from restem.verifiers.catalog import (
    JUDGES,
    build,
    foreign_parts,
    kind,
    looks_at_whole_problems,
    names,
    parts,
    with_parts,
)
from restem.verifiers.verdict import Attempt, Outcome, UnknownVerifier, Verdict, needs_whole_problems

PLUG_IN = """
from restem.verifiers.verdict import Outcome, Verdict

class Always:
    name = "always"
    def __init__(self, *, score=1.0):
        self.score = score
        self.fingerprint = f"always-{score}"
    def verify(self, attempts):
        return [Verdict(outcome=Outcome.CORRECT, score=self.score) for _ in attempts]

def nothing():
    return 7

class Nameless(Always):
    def __init__(self):
        super().__init__()
        self.name = None

class Printless(Always):
    def __init__(self):
        super().__init__()
        self.fingerprint = ""
"""


@pytest.fixture
def plug_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A distribution `always_verifier` that registers `always`, `broken` and `nothing`."""
    (tmp_path / "always_verifier.py").write_text(PLUG_IN)
    info = tmp_path / "always_verifier-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: always_verifier\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[restem.verifiers]\nalways = always_verifier:Always\nbroken = always_verifier:Missing\n"
        "nothing = always_verifier:nothing\nnameless = always_verifier:Nameless\n"
        "printless = always_verifier:Printless\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "always_verifier", raising=False)


@pytest.mark.parametrize("name", [name for name in names() if not {name, *parts(name)} & set(JUDGES)])
def test_a_built_in_name_builds_the_verifier_of_that_name(name: str) -> None:
    verifier = build(name)
    assert verifier.name == name
    assert verifier.fingerprint.startswith(f"{name}-")
    assert verifier.verify([]) == []


def test_all_built_in_names_are_listed() -> None:
    assert {"sympy", "exact", "judge", "judge_blind", "accept_all", "random"} <= set(names())


def test_options_reach_the_verifier() -> None:
    assert build("random", {"random": {"rate": 0.25, "seed": 3}}).fingerprint != build("random").fingerprint


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("simpy", {}, "did you mean 'sympy'"),
        ("acceptall", {}, "did you mean 'accept_all'"),
        ("something else", {}, "known are"),
        ("random", {"rat": 0.5}, "did you mean 'rate'"),
        ("exact", {"timeout": 3}, "it takes none"),
        ("no_such_package.module:factory", {}, "does not load"),
        ("restem.verifiers.composed.controls:Randon", {}, "did you mean 'Random'"),
        ("restem.verifiers.composed.controls:VERSION", {}, "has no factory"),
        ("not a path:factory", {}, "expected package.module:factory"),
        (":", {}, "expected package.module:factory"),
        ("builtins:dict", {}, "standard library"),
        ("restem.verifiers.catalog:names", {}, "does not say that it gives a verifier"),
        ("verifiers.combine_missing:All", {}, "does not load"),
    ],
)
def test_what_is_not_known_is_named_with_a_hint(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UnknownVerifier, match=message):
        build(name, {name: options})


def test_a_module_path_builds_what_it_names() -> None:
    assert build("restem.verifiers.composed.controls:FormatOnly").fingerprint.startswith("format_only-")


@pytest.mark.usefixtures("plug_in")
def test_an_installed_plug_in_is_listed_and_built_with_its_options() -> None:
    assert "always" in names()
    verifier = build("always", {"always": {"score": 0.5}})
    verdicts: list[Verdict] = verifier.verify([None])  # type: ignore[list-item]
    assert (verdicts[0].outcome, verdicts[0].score) == (Outcome.CORRECT, 0.5)


@pytest.mark.usefixtures("plug_in")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("broken", "does not load"),
        ("nothing", "is no verifier"),
        ("alway", "did you mean 'always'"),
        ("nameless", "its name is None"),
        ("printless", "its fingerprint is ''"),
    ],
)
def test_a_broken_plug_in_is_named(name: str, message: str) -> None:
    with pytest.raises(UnknownVerifier, match=message):
        build(name)


@pytest.mark.usefixtures("plug_in")
def test_an_unknown_option_of_a_plug_in_is_named() -> None:
    with pytest.raises(UnknownVerifier, match="did you mean 'score'"):
        build("always", {"always": {"scor": 1}})


@pytest.mark.parametrize("name", ["judge", "judge_blind"])
def test_a_judge_gets_its_name_and_options(name: str) -> None:
    tiny, other = ({"base_url": "http://127.0.0.1:9/v1", "model": model} for model in ("tiny", "other"))
    judge = build(name, {name: tiny})
    assert judge.name == name
    assert judge.fingerprint != build(name, {name: other}).fingerprint


def test_an_unknown_option_of_a_judge_is_named() -> None:
    with pytest.raises(UnknownVerifier, match="modell"):
        build("judge", {"judge": {"modell": "tiny", "base_url": "http://127.0.0.1:9/v1"}})


def test_asking_for_names_loads_nothing_heavy() -> None:
    script = (
        "import sys, restem.verifiers.catalog as c\n"
        "asked = [n for n in c.names() if not {n, *c.parts(n)} & {'judge', 'judge_blind', 'math_verify'}]\n"
        "[c.build(name) for name in asked]\n"
        "heavy = {'sympy', 'openai', 'numpy', 'jax', 'scipy', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[1], check=True, timeout=60)


def test_attempts_pass_through_a_built_verifier(monkeypatch: pytest.MonkeyPatch) -> None:
    from conftest import problem

    attempt = Attempt(problem=problem("Solve x = 7 for x.", "7"), response="x = 7")
    assert build("sympy").verify([attempt])[0].outcome is Outcome.CORRECT


# verifiers under other names, and verifiers made of others

PANEL = {"mine": {"type": "all_of", "members": ["loud", "exact"]}, "loud": {"type": "noisy", "base": "format_only"}}


def test_a_table_gives_a_verifier_of_its_type_under_its_own_name() -> None:
    verifier = build("strict", {"strict": {"type": "random", "rate": 0.0}})
    assert verifier.name == "strict"
    assert verifier.fingerprint == build("random", {"random": {"rate": 0.0}}).fingerprint
    assert kind("strict", {"strict": {"type": "random"}}) == "random"


def test_a_verifier_is_built_with_all_that_it_is_made_of() -> None:
    assert with_parts(["mine"], PANEL) == ["mine", "loud", "format_only", "exact"]
    prints = {build("mine", PANEL | {"loud": {"type": "noisy", "base": base}}).fingerprint for base in names()[:2]}
    assert len(prints) == 2
    assert build("mine", PANEL).fingerprint not in prints


def test_what_needs_whole_problems_says_so_under_every_name() -> None:
    tables = {"most": {"type": "majority"}, "loud": {"type": "noisy", "base": "most"}, "vote": {"members": ["loud"]}}
    assert all(needs_whole_problems(build(name, tables)) for name in ("most", "loud", "vote"))
    assert not needs_whole_problems(build("mine", PANEL))


@pytest.mark.parametrize("name", ["majority", "most", "anew", "around", "mine", "sympy"])
def test_the_catalogue_knows_before_building_what_needs_whole_problems(name: str) -> None:
    tables = PANEL | {
        "most": {"type": "majority"},
        "anew": {"type": "noisy", "tied_to": "draw"},
        "around": {"type": "all_of", "members": ["exact", "anew"]},
    }
    assert looks_at_whole_problems(name, tables, {}) == needs_whole_problems(build(name, tables))


@pytest.mark.parametrize(
    ("name", "tables", "message"),
    [
        ("a", {"a": {"type": "noisy", "base": "b"}, "b": {"type": "inverted", "base": "a"}}, "a -> b -> a"),
        ("a", {"a": {"type": "noisy", "base": "simpy"}}, "did you mean 'sympy'"),
        ("a", {"a": {"type": "noisy", "tprr": 1}}, "did you mean 'tpr'"),
        ("a", {"a": {"type": "vote", "base": "sympy"}}, "unknown option 'base'"),
        ("vote", {"vote": {"members": ["sympy", 3]}}, "expected a list"),
        ("noisy", {"noisy": {"base": 3}}, "expected the name of a verifier"),
        ("a", {"a": {"type": ["noisy"]}}, "expected the name of a verifier"),
        ("sympy", {"sympy": {"type": "accept_all"}}, "'sympy' is built in and cannot be of type 'accept_all'"),
        ("noisy", {"sympy": {"type": "accept_all"}}, "'sympy' is built in"),
    ],
)
def test_parts_that_cannot_be_are_named(name: str, tables: dict[str, Any], message: str) -> None:
    with pytest.raises(UnknownVerifier, match=message):
        build(name, tables)


def test_the_foreign_parts_of_a_composed_verifier_are_named_without_being_built() -> None:
    tables = {"all_of": {"members": ["sympy", "nowhere:Strict"]}}
    assert foreign_parts(["all_of", "exact"], tables) == ["nowhere:Strict"]
