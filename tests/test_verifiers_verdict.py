"""The contract of a verifier: anything but valid verdicts in order is refused with the verifier's name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from restem.verifiers.composed.controls import FormatOnly
from restem.verifiers.exact.sympy_exact import Exact, Sympy
from restem.verifiers.verdict import Attempt, ContractBreach, Outcome, Verdict, checked
from tests.conftest import problem
from tests.strategies import mutated_texts


def attempts(*responses: str) -> list[Attempt]:
    return [Attempt(problem=problem("Solve x = 7 for x.", "7"), response=response) for response in responses]


class Plug:
    """A verifier that returns what a function returns."""

    name = fingerprint = "plug"

    def __init__(self, give: Callable[[Sequence[Attempt]], Any]) -> None:
        self.verify = give


def verdict(**fields: Any) -> Verdict:
    return Verdict(**{"outcome": Outcome.CORRECT, "score": 1.0} | fields)


class OtherVerdict(Verdict):
    """A subclass, which could override `reward`."""


@pytest.mark.parametrize(
    "given",
    [
        *(None, 2, float("nan"), "correct", {"outcome": "correct"}, True, Outcome.CORRECT),
        *(OtherVerdict(outcome=Outcome.CORRECT, score=1.0), verdict(outcome="correct"), verdict(outcome=None)),
        *(verdict(score=score) for score in (2, float("nan"), -0.1, float("inf"), "1", True, None, np.float32(1))),
        *(
            verdict(score=0.0),
            verdict(score=0),
            verdict(outcome=Outcome.WRONG),
            verdict(outcome=Outcome.WRONG, score=1),
        ),
        *(verdict(score=10**400), verdict(outcome=Outcome.UNDECIDED, score=0.5)),
        *(verdict(**{field: 7}) for field in ("answer", "rule", "reason")),
        *(verdict(seconds=seconds) for seconds in (float("nan"), float("inf"), -1, None, "1", np.float32(1), 10**400)),
        *(verdict(cost_usd=cost) for cost in (float("nan"), -0.5, None)),
        *(verdict(tokens=tokens) for tokens in (1.5, -1, None, True, np.int64(3), 2**63)),
        *(verdict(answer="7", span=span) for span in ((4,), [4, 5], (4.0, 5.0), (5, 4), (4, 6), (-1, 5), "45")),
        *(verdict(answer="7", span=(0, 1)), verdict(answer=None, span=(4, 5)), verdict(answer="8", span=(4, 5))),
    ],
    ids=lambda given: f"{given!r:.60}",
)
def test_an_invalid_verdict_is_refused_and_its_verifier_named(given: Any) -> None:
    with pytest.raises(ContractBreach, match=r"verifier 'plug': item 1 "):
        checked(Plug(lambda _: [verdict(), given]), attempts("x = 7", "x = 7"))


@pytest.mark.parametrize(
    "given", [None, [], (verdict(),), [verdict()] * 2, {0: verdict()}, verdict(), float("nan"), 2, "1", np.ones(1)]
)
def test_another_number_of_verdicts_is_refused(given: Any) -> None:
    with pytest.raises(ContractBreach, match="verifier 'plug': expected 1 verdicts"):
        checked(Plug(lambda _: given), attempts("x = 7"))


@given(st.text(st.characters(codec=None) | st.sampled_from("\0\ud800\udfff\ufffd7"), max_size=20))
def test_any_text_of_a_verdict_can_be_stored(text: str) -> None:
    given = verdict(outcome=Outcome.UNDECIDED, score=None, answer=text, rule=text, reason=text)
    (kept,) = checked(Plug(lambda _: [given]), attempts(text))
    for field in (kept.answer, kept.rule, kept.reason):
        assert field is not None
        assert "\0" not in field
        assert [a == b or b == "\ufffd" for a, b in zip(text, field.encode().decode(), strict=True)] == [True] * len(
            text
        )


def test_a_text_that_can_be_stored_stays_and_one_that_cannot_has_replacement_characters() -> None:
    given = [verdict(answer="é\n\ufffd"), verdict(answer="a\0b\ud83d", reason="\udcff", span=(0, 4))]
    first, second = checked(Plug(lambda _: given), attempts("x", "a\0b\ud83d"))
    assert first is given[0]
    assert (second.answer, second.reason, second.span) == ("a\ufffdb\ufffd", "\ufffd", (0, 4))


def test_an_iterator_of_verdicts_is_refused() -> None:
    with pytest.raises(ContractBreach, match="generator"):
        checked(Plug(lambda batch: (verdict() for _ in batch)), attempts("x = 7"))


def test_valid_verdicts_pass_as_they_are() -> None:
    verdicts = [
        verdict(answer="7", span=(4, 5), rule="r", reason="r", seconds=1, tokens=3, cost_usd=0.5),
        verdict(outcome=Outcome.WRONG, score=0),
        verdict(outcome=Outcome.WRONG, score=0.9),
        verdict(score=0.1),
        Verdict(outcome=Outcome.UNDECIDED, answer="seven", seconds=np.float64(0.5)),
    ]
    kept = checked(Plug(lambda _: verdicts), attempts("x = 7", "x = 8", "x = 8", "x = 7", "seven"))
    assert all(one is other for one, other in zip(kept, verdicts, strict=True))


@given(st.permutations(range(6)))
def test_answers_in_another_order_are_refused(order: list[int]) -> None:
    batch = attempts(*(f"x = {number}" for number in range(6)))

    def shuffled(batch: Sequence[Attempt]) -> list[Verdict]:
        verdicts = Sympy().verify(batch)
        return [verdicts[index] for index in order]

    if order == sorted(order):
        checked(Plug(shuffled), batch)
    else:
        with pytest.raises(ContractBreach, match="another item's verdict"):
            checked(Plug(shuffled), batch)


@given(mutated_texts())
def test_built_in_verifiers_report_the_span_of_their_answer(text: str) -> None:
    for verifier in (Sympy(), Exact(), FormatOnly()):
        checked(verifier, attempts(text))
