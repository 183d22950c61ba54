"""Which settings may differ when a run is resumed, and that the rows are then those of an undisturbed run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydantic
import pytest

from restem.harness.app.resume import EVENT, differing
from restem.harness.arms import ArmConfig
from restem.harness.config import Suite, load_suite
from restem.harness.sampling_settings import SAMPLING_SETTINGS, SPEED
from restem.harness.settings import EngineConfig
from restem.harness.store.store import Store
from restem.verifiers.option_types import may_differ
from tests.conftest import restem
from tests.judge_server import JudgeServer
from tests.rows import lasting_rows

# What the documentation promises, so that a mark that is added or lost by mistake is noticed.
MAY_DIFFER = {"iterations", "arms.0.iterations", "accept_unreadable", "benchmark.path", "sampling.rows", "mesh.data"}
MAY_DIFFER |= {f"engine.{name}" for name in EngineConfig.model_fields}  # where and how servers are asked
BEFORE = Suite(name="s", arms=(ArmConfig(name="a", verifier="judge", iterations=1),))


def settings(table: pydantic.BaseModel, place: str = "") -> Iterator[tuple[str, Any, bool]]:
    """The dotted key of every setting, its value, and whether it is marked; the options of verifiers left out."""
    for name, field in type(table).model_fields.items():
        value = getattr(table, name)
        inner = [(f"{name}.0", value[0])] if name == "arms" and value else [(name, value)]  # a sweep names arms, too
        for key, item in inner:
            if isinstance(item, pydantic.BaseModel):
                yield from settings(item, f"{place}{key}.")
            elif key != "verifiers":
                yield f"{place}{key}", item, may_differ(field) is not None


def other(value: Any) -> Any:
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 1
        case str() | None:
            return f"{value} other"
    return (*value, "other") if isinstance(value, tuple) else {**value, "other": 1}


def changed(table: Any, path: list[str]) -> Any:
    """The table with another value at the path; values are not checked."""
    name, *rest = path
    if name == "arms" and rest:
        return table.model_copy(update={"arms": (changed(table.arms[0], rest[1:]),)})
    value = getattr(table, name)
    return table.model_copy(update={name: changed(value, rest) if rest else other(value)})


KEYS = [key for key, *_ in settings(BEFORE)]


def test_the_settings_that_may_differ_are_those_that_change_no_sample_verdict_or_selection() -> None:
    assert {key for key, _, marked in settings(BEFORE) if marked} == MAY_DIFFER
    speed = {f"sampling.{name}" for name, changes in SAMPLING_SETTINGS.items() if changes == SPEED}
    assert speed == {key for key in MAY_DIFFER if key.startswith("sampling.")}


@pytest.mark.parametrize("key", KEYS)
def test_every_setting_that_differs_is_named_with_both_values_and_allowed_only_if_marked(key: str) -> None:
    now = changed(BEFORE, key.split("."))
    (change,) = differing(BEFORE, now)
    assert (change.key, change.allowed) == (key, key in MAY_DIFFER)
    assert change.before != change.now
    assert differing(now, now) == []


def test_iterations_grow_and_do_not_shrink() -> None:
    more = BEFORE.model_copy(update={"iterations": BEFORE.iterations + 1})
    assert [(change.allowed, change.longer) for change in differing(BEFORE, more)] == [(True, True)]
    assert [(change.allowed, change.longer) for change in differing(more, BEFORE)] == [(False, False)]


def test_a_pair_of_numbers_in_place_of_nothing_is_a_change() -> None:
    def with_regime(regime: tuple[float, float] | None) -> Suite:
        return BEFORE.model_copy(update={"benchmark": BEFORE.benchmark.model_copy(update={"regime": regime})})

    pair, nothing = with_regime((3.0, 4.5)), with_regime(None)
    assert [change.key for change in differing(nothing, pair)] == ["benchmark.regime"]
    assert [change.key for change in differing(pair, nothing)] == ["benchmark.regime"]


def with_options(**tables: dict[str, Any]) -> Suite:
    return BEFORE.model_copy(update={"verifiers": tables})


@pytest.mark.parametrize(
    ("before", "now", "allowed"),
    [
        ({"judge": {}}, {"judge": {"max_calls": 5}}, [("verifiers.judge.max_calls", True)]),
        ({"judge": {"max_calls": 5}}, {}, [("verifiers.judge.max_calls", True)]),
        ({"judge": {"votes": 1}}, {}, []),  # the default
        ({}, {"judge": {"votes": 3}}, [("verifiers.judge.votes", False)]),
        ({"judge": {"prompt": "judge"}}, {"judge": {"prompt": "rubric"}}, [("verifiers.judge.prompt", False)]),
        ({"x": {"type": "noisy"}}, {"x": {"type": "random"}}, [("verifiers.x.type", False)]),
        ({"x": {"type": "noisy", "tpr": 0.5}}, {}, [("verifiers.x.type", False), ("verifiers.x.tpr", False)]),
        ({"a:B": {"rate": 1}}, {"a:B": {"rate": 2}}, [("verifiers.a:B.rate", True)]),  # its fingerprint decides
    ],
)
def test_options_of_verifiers_are_compared_one_by_one(
    before: dict[str, Any], now: dict[str, Any], allowed: list[tuple[str, bool]]
) -> None:
    found = differing(with_options(**before), with_options(**now))
    assert [(change.key, change.allowed) for change in found] == allowed


SMALL = """
name = "small"
iterations = 1

[benchmark]
train = 6
validation = 2
test = 4

[sampling]
train_samples = 2
validation_samples = 2
test_samples = 2
max_new_tokens = 48
rows = 32

[training]
steps = 2
checks = 1
rows = 4

[probe]
problems = 0

[[arms]]
name = "judge"
verifier = "judge"

[verifiers.judge]
model = "m"
"""


def run(folder: Path, server: JudgeServer, *overrides: str) -> Any:
    suite = folder.with_suffix(".toml")
    suite.write_text(SMALL)
    sets = [f"verifiers.judge.base_url={server.base_url}", *overrides]
    more = [part for text in sets for part in ("--set", text)]
    return restem("run", suite, "--out", folder, "--until", "base", *more)  # training would add a minute and no law


def test_a_run_whose_budget_is_used_up_goes_on_with_a_larger_one_and_a_judge_at_another_port(tmp_path: Path) -> None:
    with JudgeServer() as first:
        stopped = run(tmp_path / "stopped", first, "verifiers.judge.max_calls=7", "verifiers.judge.concurrency=1")
        assert (stopped.exit_code, first.requests) == (1, 7), stopped.output
        assert "larger budget" in stopped.stderr
        answered = set(first.answered)
    with JudgeServer() as second:
        resumed = run(tmp_path / "stopped", second, "verifiers.judge.max_calls=999")
        assert resumed.exit_code == 0, resumed.output
        assert "verifiers.judge.max_calls: 7 now 999" in resumed.stderr
        assert not answered & set(second.answered)  # nothing is paid twice
        assert run(tmp_path / "whole", second).exit_code == 0
    assert lasting_rows(tmp_path / "stopped") == lasting_rows(tmp_path / "whole")
    with Store(tmp_path / "stopped") as store:
        assert store.run()["suite"] == load_suite(str(tmp_path / "stopped" / "suite.toml")).model_dump(mode="json")
        assert store.run()["suite"]["verifiers"]["judge"]["max_calls"] == 999
        (event,) = store.logged(EVENT)
    assert {"key": "verifiers.judge.max_calls", "before": 7, "now": 999} in event["changed"]
    assert "verifiers.judge.concurrency" in json.dumps(event)


def test_what_changes_samples_or_verdicts_is_refused_by_its_key_with_both_values(finished_run: Path) -> None:
    suite = finished_run.with_suffix(".toml")
    before = lasting_rows(finished_run)
    changes = ["sampling.temperature=0.5", "training.remat=true", "mesh.model=2", "iterations=1"]
    result = restem("run", suite, "--out", finished_run, *(part for text in changes for part in ("--set", text)))
    assert result.exit_code == 2
    for line in ("sampling.temperature: 0.7 now 0.5", "training.remat: False now True", "iterations: 2 now 1"):
        assert line in result.stderr
    assert lasting_rows(finished_run) == before


def test_a_verifier_with_another_fingerprint_is_refused_by_its_name(tmp_path: Path) -> None:
    with JudgeServer() as server:
        assert run(tmp_path / "run", server, "verifiers.judge.max_calls=3").exit_code == 1
        with Store(tmp_path / "run", write=True) as store:  # as a version with another prompt would have left it
            store.set_run("verifiers", store.run()["verifiers"] | {"judge": "judge-0123456789ab"})
        result = run(tmp_path / "run", server)
    assert result.exit_code == 2
    assert "verifier 'judge' is not the one that this run began with: found judge-" in result.stderr
    assert "expected judge-0123456789ab" in result.stderr
