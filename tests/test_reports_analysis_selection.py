"""Reports select as the loop does: every rule, on any stored samples and verdicts."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from restem.harness.loop.e_step import select
from restem.harness.settings import SelectionConfig
from restem.harness.store.records import Sample
from restem.harness.store.selection_rules import RULES, Candidate, Rule, SelectionSettings
from restem.harness.store.store import Store
from restem.reports.analysis.selection import selected
from restem.reports.data.read import read_run
from restem.reports.data.run import Arm, Run
from restem.verifiers.verdict import Outcome, Verdict
from tests.conftest import problem
from tests.strategies import judged_samples

Judged = tuple[list[Sample], dict[int, Verdict]]
ARM = "a"


def _shortest(candidates: Sequence[Candidate], _: SelectionSettings) -> list[float | str]:
    """The shortest accepted sample of each problem, of equally long ones the first."""
    lengths = [c.tokens for c in candidates if c.outcome is Outcome.CORRECT]
    places = [p for p, c in enumerate(candidates) if c.outcome is Outcome.CORRECT and c.tokens == min(lengths)]
    return [1.0 if place in places[:1] else "longer" for place in range(len(candidates))]


def _confident(candidates: Sequence[Candidate], _: SelectionSettings) -> list[float | str]:
    return [1.0 if candidate.confidence > 0.3 else "unsure" for candidate in candidates]


# Rules that a user might add; they do not declare what they read.
ADDED = {"shortest": Rule(_shortest), "confident": Rule(_confident), "alike": Rule(RULES["filter"].weigh)}


@pytest.fixture(autouse=True, scope="module")
def _with_added_rules() -> Iterator[None]:
    RULES.update(ADDED)
    yield
    for name in ADDED:
        del RULES[name]


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


@pytest.mark.parametrize("rule", [*RULES, *ADDED])
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    scored(),
    st.sampled_from(["score", "confidence"]),
    st.integers(0, 4),
    st.booleans(),
    st.sampled_from([0.0, -0.5]),
)
def test_a_report_keeps_what_the_e_step_keeps(
    tmp_path_factory: pytest.TempPathFactory,
    rule: str,
    judged: Judged,
    weight: Any,
    cap: int,
    dedupe: bool,
    negatives: float,
) -> None:
    config = SelectionConfig.model_construct(rule=rule, weight=weight, cap=cap, dedupe=dedupe, negatives=negatives)
    run = stored(tmp_path_factory.mktemp("run"), judged, config)
    rows = run.rows("base", "test")
    kept = selected(run, only_arm(run), rows)
    choice = run.choices[f"{ARM}/1"]
    assert sorted(kept.tolist()) == sorted(choice.kept.tolist())
    assert (run.outcome("v", choice.kept) == 1).all()
    assert (choice.negatives > 0) <= (negatives < 0)


def test_rejected_samples_of_negative_weight_are_counted_and_are_no_kept_texts(tmp_path: Path) -> None:
    samples = [
        Sample(
            checkpoint="base",
            problem="p",
            index=i,
            text=f"x = {i}",
            token_count=3,
            mean_logprob=-1.0,
            finish_reason="stop",
        )
        for i in range(4)
    ]
    outcomes = (Outcome.CORRECT, Outcome.WRONG, Outcome.WRONG, Outcome.UNDECIDED)
    verdicts = {s.id: Verdict(outcome=outcome) for s, outcome in zip(samples, outcomes, strict=True)}
    run = stored(tmp_path, (samples, verdicts), SelectionConfig(negatives=-0.25))
    choice = run.choices[f"{ARM}/1"]
    assert (len(choice.kept), choice.negatives) == (1, 2)
    assert sorted(choice.dropped_by) == ["", "", "", "undecided"]
    assert not only_arm(run).predictable


def test_an_arm_with_a_control_that_selects_by_answers_is_no_control(tmp_path: Path) -> None:
    suite = {"gold": "g", "arms": [{"name": r, "verifier": "accept_all", "selection": {"rule": r}} for r in RULES]}
    with Store(tmp_path, write=True) as store:
        store.put_run({"suite": suite})
        controls = {arm.name for arm in read_run(store).arms if arm.control}
    assert controls == {name for name, rule in RULES.items() if "answer" not in rule.reads}
    assert {"filter", "weighted"} == controls


def test_a_suite_takes_every_rule_and_no_other_name() -> None:
    names = [name for name in RULES if name not in ADDED]
    assert [SelectionConfig(rule=name).rule for name in names] == names
    with pytest.raises(ValueError, match=r"filter.*majority.*weighted"):
        SelectionConfig(rule="fliter")


candidates = st.builds(
    Candidate,
    outcome=st.sampled_from(list(Outcome)),
    complete=st.booleans(),
    text=st.integers(0, 3),
    answer=st.integers(0, 3),
    score=st.sampled_from([0.0, 0.5, 1.0]),
    confidence=st.sampled_from([0.1, 0.9]),
    tokens=st.integers(1, 3),
)


@pytest.mark.parametrize("rule", RULES)
@given(st.lists(st.tuples(candidates, candidates), min_size=1), st.sampled_from(["score", "confidence"]))
def test_a_rule_reads_what_it_declares_and_nothing_else(
    rule: str, pairs: list[tuple[Candidate, Candidate]], weight: str
) -> None:
    config, reads = SelectionSettings(rule=rule, weight=weight), RULES[rule].reads
    ours = [pair[0] for pair in pairs]
    changed = [dataclasses.replace(b, **{name: getattr(a, name) for name in reads}) for a, b in pairs]
    assert list(RULES[rule].weigh(ours, config)) == list(RULES[rule].weigh(changed, config))
