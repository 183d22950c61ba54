"""Reports select as the loop does: every rule, on any stored samples and verdicts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from restem.harness.config import SelectionConfig
from restem.harness.loop.e_step import select
from restem.harness.store.records import Sample
from restem.harness.store.selection_rules import RULES
from restem.harness.store.store import Store
from restem.reports.analysis.selection import selectable, selected
from restem.reports.data.read import read_run
from restem.reports.data.run import Arm, Run
from restem.verifiers.verdict import Outcome, Verdict
from tests.conftest import problem
from tests.strategies import judged_samples

Judged = tuple[list[Sample], dict[int, Verdict]]
ARM = "a"


def stored(folder: Path, judged: Judged, config: SelectionConfig) -> Run:
    """A run whose only arm has selected among these samples."""
    samples, verdicts = judged
    suite = {"gold": "v", "arms": [{"name": ARM, "verifier": "v", "selection": config.model_dump()}]}
    with Store(folder, write=True) as store:
        store.put_run({"suite": suite, "verifiers": {"v": "v-1"}})
        store.add_problems([problem("q", "1", id=id) for id in dict.fromkeys(s.problem for s in samples)])
        store.add_samples(samples)
        store.add_verifier("v-1", "v", {})
        store.add_verdicts("v-1", verdicts.items())
        store.add_selection(select(f"{ARM}/1", samples, verdicts, config))
        return read_run(store)


@st.composite
def scored(draw: st.DrawFn) -> Judged:
    """Verdicts with any scores, 0 among them."""
    samples, verdicts = draw(judged_samples())
    scores = st.sampled_from([0.0, 0.5, 1.0])
    decided = {
        id: Verdict(outcome=v.outcome, answer=v.answer, score=None if v.outcome is Outcome.UNDECIDED else draw(scores))
        for id, v in verdicts.items()
    }
    return samples, decided


def only_arm(run: Run) -> Arm:
    (arm,) = run.arms
    return arm


@pytest.mark.parametrize("rule", RULES)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(scored(), st.sampled_from(["score", "confidence"]), st.integers(0, 4), st.booleans())
def test_a_report_keeps_what_the_e_step_keeps(
    tmp_path_factory: pytest.TempPathFactory, rule: str, judged: Judged, weight: Any, cap: int, dedupe: bool
) -> None:
    config = SelectionConfig(rule=rule, weight=weight, cap=cap, dedupe=dedupe)
    run = stored(tmp_path_factory.mktemp("run"), judged, config)
    rows = run.rows("base", "test")
    kept = selected(run, only_arm(run), rows, run.outcome("v", rows))
    assert sorted(kept.tolist()) == sorted(run.choices[f"{ARM}/1"].kept.tolist())


@pytest.mark.parametrize("rule", RULES)
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(judged_samples())
def test_what_is_kept_without_a_cap_and_duplicates_can_be_kept(
    tmp_path_factory: pytest.TempPathFactory, rule: str, judged: Judged
) -> None:
    run = stored(tmp_path_factory.mktemp("run"), judged, SelectionConfig(rule=rule, cap=0, dedupe=False))
    rows = run.rows("base", "test")
    able = set(selectable(run, only_arm(run), rows).tolist())
    assert set(run.choices[f"{ARM}/1"].kept.tolist()) <= able


def test_an_arm_with_a_control_that_selects_by_answers_is_no_control(tmp_path: Path) -> None:
    suite = {"gold": "g", "arms": [{"name": r, "verifier": "accept_all", "selection": {"rule": r}} for r in RULES]}
    with Store(tmp_path, write=True) as store:
        store.put_run({"suite": suite})
        assert {arm.name: arm.control for arm in read_run(store).arms} == {
            "filter": True,
            "majority": False,
            "weighted": True,
        }
