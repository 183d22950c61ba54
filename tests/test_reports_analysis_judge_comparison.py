"""A judge and its successor: laws of the comparison, on the committed example run."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from restem.harness.store.store import Store
from restem.reports.analysis.judge_comparison import JudgeComparison, Succession, compare_judges
from restem.reports.data.read import read_run
from restem.reports.data.run import Outcomes, Run

EXAMPLE = Path(__file__).parents[1] / "reports" / "examples" / "linear_1d"
NAMES = ("judge", "judge_blind")


@pytest.fixture(scope="module")
def run() -> Run:
    with Store(EXAMPLE) as store:
        return read_run(store, brief=True)


def compared(run: Run, old: str, new: str) -> JudgeComparison:
    return compare_judges(run, run.outcomes[old], run.outcomes[new], (old, new))


@pytest.mark.parametrize("name", [*NAMES, "accept_all", "random"])
def test_a_judge_is_equal_to_itself(run: Run, name: str) -> None:
    same = compared(run, name, name)
    assert (same.result, same.agreement.raw.value, same.swaps) == (Succession.EQUAL, 1.0, ())
    assert (same.flips.gained, same.flips.lost) == (0, 0)


def test_the_other_direction_has_the_opposite_signs(run: Run) -> None:
    there, back = compared(run, *NAMES), compared(run, *reversed(NAMES))
    assert there.difference is not None
    assert back.difference is not None
    assert there.difference.value == pytest.approx(-back.difference.value)
    assert (there.flips.gained, there.flips.lost) == (back.flips.lost, back.flips.gained)
    assert (there.old, there.new) == (back.new, back.old)
    assert (there.result, back.result) == (Succession.MORE, Succession.FEWER)
    assert there.agreement.raw == back.agreement.raw


def test_the_rates_are_those_of_counting_rows(run: Run) -> None:
    with Store(EXAMPLE) as store:
        counted = dict(
            store.query(
                "SELECT j.name, avg(v.outcome = 'correct') FROM verdict v JOIN verifier j ON j.fingerprint = v.verifier"
                " JOIN verdict g ON g.sample = v.sample JOIN verifier f ON f.fingerprint = g.verifier"
                " WHERE f.name = 'sympy' AND g.outcome = 'wrong' AND j.name IN ('judge', 'judge_blind') GROUP BY 1"
            )
        )
    both = compared(run, *NAMES)
    scored = run.outcomes["judge"].scored & run.outcomes["judge_blind"].scored
    assert both.samples == scored.sum()
    if scored.sum() == run.outcomes["judge"].scored.sum():
        assert both.old.quality.fpr.value == pytest.approx(counted["judge"])
        assert both.new.quality.fpr.value == pytest.approx(counted["judge_blind"])


def test_undecided_verdicts_leave_every_rate(run: Run) -> None:
    judge = run.outcomes["judge"]
    value = judge.value.copy()
    value[::3] = math.nan
    thinned = compare_judges(run, judge, Outcomes(value=value, scored=judge.scored), ("old", "new"))
    assert thinned.samples == judge.scored.sum()
    assert thinned.agreement.n == (judge.scored & ~np.isnan(value)).sum()
    assert thinned.agreement.raw.value == 1.0
    assert thinned.new.decided.value == pytest.approx(thinned.agreement.n / thinned.samples)


def test_judges_without_a_common_decision_show_nothing(run: Run) -> None:
    judge = run.outcomes["judge"]
    nothing = Outcomes(value=np.full(len(judge.value), math.nan), scored=judge.scored)
    assert compare_judges(run, judge, nothing, ("old", "new")).result == Succession.NOTHING


def test_arms_that_change_places_are_named_once(run: Run) -> None:
    judge = run.outcomes["judge"]
    turned = Outcomes(value=1 - judge.value, scored=judge.scored)
    comparison = compare_judges(run, judge, turned, ("old", "new"))
    arms = [arm.name for arm in comparison.arms]
    pairs = {frozenset((swap.left, swap.right)) for swap in comparison.swaps}
    assert len(pairs) == len(comparison.swaps) == len(arms) * (len(arms) - 1) // 2
    assert all(arms.index(swap.left) < arms.index(swap.right) for swap in comparison.swaps)


def test_a_successor_that_accepts_everything_ties_all_arms(run: Run) -> None:
    judge = run.outcomes["judge"]
    lenient = Outcomes(value=np.where(judge.scored, 1.0, math.nan), scored=judge.scored)
    comparison = compare_judges(run, judge, lenient, ("old", "new"))
    arms = len(comparison.arms)
    assert (comparison.ties, comparison.swaps) == (arms * (arms - 1) // 2, ())
