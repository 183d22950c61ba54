"""What an E-step keeps: laws over any samples and verdicts, and each dropping rule by example."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restem.harness.loop.e_step import select
from restem.harness.settings import SelectionConfig
from restem.harness.store.records import Sample
from restem.verifiers.verdict import Outcome, Verdict
from tests.strategies import judged_samples

configs = st.builds(
    SelectionConfig,
    rule=st.sampled_from(["filter", "majority", "weighted"]),
    weight=st.sampled_from(["score", "confidence"]),
    negatives=st.sampled_from([0.0, -0.5]),
    cap=st.integers(0, 5),
    dedupe=st.booleans(),
) | st.builds(
    SelectionConfig,
    rule=st.just("weighted"),
    weight=st.just("corrected"),
    tpr=st.floats(0.5, 1.0),
    fpr=st.sampled_from([0.0, 0.1, 0.4]),
    cap=st.integers(0, 5),
    dedupe=st.booleans(),
)


@given(judged_samples(), configs)
def test_every_sample_is_kept_or_dropped_by_a_named_rule(
    judged: tuple[list[Sample], dict[int, Verdict]], config: SelectionConfig
) -> None:
    samples, verdicts = judged
    selection = select("a/1", samples, verdicts, config)
    assert [row.sample for row in selection.rows] == [sample.id for sample in samples]
    assert all((row.weight != 0) == (row.dropped_by is None) for row in selection.rows)


@given(judged_samples(), configs)
def test_only_accepted_whole_responses_are_kept_within_the_cap(
    judged: tuple[list[Sample], dict[int, Verdict]], config: SelectionConfig
) -> None:
    samples, verdicts = judged
    by_id = {sample.id: sample for sample in samples}
    kept = [by_id[row.sample] for row in select("a/1", samples, verdicts, config).kept]
    assert all(verdicts[sample.id].outcome is Outcome.CORRECT for sample in kept)
    assert all(sample.finish_reason == "stop" for sample in kept)
    if config.cap:
        assert max(Counter(sample.problem for sample in kept).values(), default=0) <= config.cap
    if config.dedupe:
        assert len({(sample.problem, sample.text) for sample in kept}) == len(kept)


@given(judged_samples(), configs)
def test_only_rejected_whole_responses_have_negative_weights_within_the_cap(
    judged: tuple[list[Sample], dict[int, Verdict]], config: SelectionConfig
) -> None:
    samples, verdicts = judged
    by_id = {sample.id: sample for sample in samples}
    negative = [by_id[row.sample] for row in select("a/1", samples, verdicts, config).trained if row.weight < 0]
    assert all(verdicts[sample.id].outcome is Outcome.WRONG for sample in negative)
    assert all(sample.finish_reason == "stop" for sample in negative)
    if config.cap:
        assert max(Counter(sample.problem for sample in negative).values(), default=0) <= config.cap
    if config.dedupe:
        assert len({(sample.problem, sample.text) for sample in negative}) == len(negative)


@given(judged_samples(), configs)
def test_weights_of_rejected_samples_change_nothing_for_accepted_ones(
    judged: tuple[list[Sample], dict[int, Verdict]], config: SelectionConfig
) -> None:
    if config.weight == "corrected":
        return
    without = config.model_copy(update={"negatives": 0.0})
    assert select("a/1", *judged, config).kept == select("a/1", *judged, without).kept


def sample(index: int, text: str, **changes: object) -> Sample:
    fields = {"checkpoint": "base", "problem": "p", "index": index, "text": text, "token_count": 3}
    return Sample(**{**fields, "mean_logprob": -0.5, "finish_reason": "stop", **changes})  # type: ignore[arg-type]


CORRECT = Verdict(outcome=Outcome.CORRECT, score=1.0, answer="1")


@pytest.mark.parametrize(
    ("samples", "verdicts", "config", "expected"),
    [
        (
            [sample(0, "a"), sample(1, "b"), sample(2, "a"), sample(3, "c")],
            [CORRECT] * 4,
            SelectionConfig(cap=2),
            [None, None, "duplicate", "cap"],
        ),
        (
            [sample(0, "a"), sample(1, "b", finish_reason="length"), sample(2, "c")],
            [Verdict(outcome=Outcome.WRONG, score=0.0), CORRECT, Verdict(outcome=Outcome.UNDECIDED)],
            SelectionConfig(),
            ["wrong", "cut_off", "undecided"],
        ),
        (
            [sample(0, "a"), sample(1, "b"), sample(2, "c")],
            [CORRECT, Verdict(outcome=Outcome.CORRECT, score=1.0, answer="2"), CORRECT],
            SelectionConfig(rule="majority"),
            [None, "minority", None],
        ),
        (
            [sample(0, "a"), sample(1, "b")],
            [Verdict(outcome=Outcome.CORRECT, score=0.0), CORRECT],
            SelectionConfig(rule="weighted"),
            ["no_weight", None],
        ),
    ],
)
def test_what_drops_a_sample(
    samples: list[Sample], verdicts: list[Verdict], config: SelectionConfig, expected: list[str | None]
) -> None:
    judged = {s.id: v for s, v in zip(samples, verdicts, strict=True)}
    assert [row.dropped_by for row in select("a/1", samples, judged, config).rows] == expected


@pytest.mark.parametrize(("tpr", "fpr"), [(0.9, 0.3), (0.6, 0.0), (1.0, 0.0), (0.31, 0.3)])
def test_the_mean_of_corrected_weights_is_1_for_right_and_0_for_wrong_samples(tpr: float, fpr: float) -> None:
    """Of the verdicts that a verifier with these rates gives."""
    config = SelectionConfig(rule="weighted", weight="corrected", tpr=tpr, fpr=fpr, dedupe=False, cap=0)
    judged = [sample(0, "a"), sample(1, "a")]
    verdicts = {judged[0].id: CORRECT, judged[1].id: Verdict(outcome=Outcome.WRONG, score=0.0)}
    accepted, rejected = (row.weight for row in select("a/1", judged, verdicts, config).rows)
    assert tpr * accepted + (1 - tpr) * rejected == pytest.approx(1)
    assert fpr * accepted + (1 - fpr) * rejected == pytest.approx(0)


def test_equal_texts_and_the_cap_are_counted_for_accepted_and_rejected_samples_apart() -> None:
    config = SelectionConfig(negatives=-0.5, cap=2)
    texts, wrong = "aabcabcd", Verdict(outcome=Outcome.WRONG, score=0.0)
    judged = [sample(index, text) for index, text in enumerate(texts)]
    verdicts = {s.id: CORRECT if index < 4 else wrong for index, s in enumerate(judged)}
    rows = select("a/1", judged, verdicts, config).rows
    assert [row.weight for row in rows] == [1, 0, 1, 0, -0.5, -0.5, 0, 0]
    assert [row.dropped_by for row in rows] == [None, "duplicate", None, "cap", None, None, "cap", "cap"]


def test_confidence_weights_are_the_policys_mean_token_probability() -> None:
    config = SelectionConfig(rule="weighted", weight="confidence")
    confident = sample(0, "a", mean_logprob=-0.25)
    (row,) = select("a/1", [confident], {confident.id: CORRECT}, config).rows
    assert row.weight == pytest.approx(0.7788, abs=1e-4)
