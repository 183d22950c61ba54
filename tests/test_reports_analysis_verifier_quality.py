"""Verifiers against the gold over all replicates: counted a second time from run.db itself, by SQL."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest

from restem.harness.store.store import Store
from restem.reports.analysis import agreement_between_verifiers as between
from restem.reports.analysis import verifier_quality
from restem.reports.analysis.findings import Findings, find
from restem.reports.data.read import read_run
from restem.reports.data.run import Run
from restem.reports.stats.estimates import Estimate
from restem.reports.tables import quality as quality_tables
from tests.test_reports_pages_report import Size, build_run

EXAMPLES = Path(__file__).parents[1] / "reports" / "examples"
SEEDS = 3  # replicates of dose_response


@pytest.fixture(scope="module")
def seeded() -> Findings:
    """Replicates, noisy verifiers with a seed in each."""
    with Store(EXAMPLES / "dose_response") as store:
        return find(read_run(store))


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    """One replicate, `accept_all` among its verifiers."""
    with Store(build_run(tmp_path_factory.mktemp("measured"), Size(undecided=("judge",)))) as store:
        return find(read_run(store))


def by_sql(checkpoints: str, verifiers: str) -> tuple[float, float, tuple[int, int]]:
    """TPR, FPR, and how many test verdicts verifiers (by their names) gave: all, and where the gold decided."""
    with Store(EXAMPLES / "dose_response") as store:
        names = store.run()["verifiers"]
        prints = [print for name, print in names.items() if name.partition("~")[0] == verifiers]
        marks = ", ".join("?" * len(prints))
        ((tpr, fpr, count, decided),) = store.query(
            "SELECT avg(CASE WHEN g.outcome = 'correct' THEN v.outcome = 'correct' END),"
            " avg(CASE WHEN g.outcome = 'wrong' THEN v.outcome = 'correct' END), count(*),"
            " sum(g.outcome != 'undecided')"
            " FROM verdict v JOIN verdict g ON g.sample = v.sample AND g.verifier = ?"
            " JOIN sample s ON s.id = v.sample JOIN problem p ON p.id = s.problem AND p.split = 'test'"
            f" WHERE v.verifier IN ({marks}) AND s.checkpoint GLOB ?",
            (names["sympy"], *prints, checkpoints),
        )
    return tpr, fpr, (count, decided)


@pytest.mark.parametrize(("place", "checkpoints"), [("base", "base"), ("t90_f30/2", "t90_f30*/2"), ("", "*")])
def test_a_verifiers_rates_are_over_all_replicates(seeded: Findings, place: str, checkpoints: str) -> None:
    measure = next(m for m in verifier_quality.measured(seeded.run) if (m.verifier, m.checkpoint) == ("t90_f30", place))
    tpr, fpr, counts = by_sql(checkpoints, "t90_f30")
    assert (measure.scored, measure.quality.n) == counts
    assert measure.quality.tpr.value == pytest.approx(tpr)
    assert measure.quality.fpr.value == pytest.approx(fpr)
    assert measure.quality.tpr.clusters <= seeded.run.size("test")


def test_all_samples_of_a_problem_are_one_unit_whichever_replicate_drew_them(seeded: Findings) -> None:
    """Replicates of the same problems narrow an interval, but not as so many times as many problems would."""
    run = seeded.run
    drawn = verifier_quality.places(run)["t70_f50/2"]
    pooled, alone = (verifier_quality.against(run, some, "t70_f50") for some in (drawn, drawn[:1]))
    assert pooled.shape == alone.shape == (run.size("test"), 4)
    assert len(drawn) == SEEDS
    assert pooled.sum() == SEEDS * alone.sum()
    np.testing.assert_array_equal(pooled.sum(axis=1), SEEDS * alone.sum(axis=1))


def test_the_base_comes_again_only_where_a_verifier_judges_it_anew(seeded: Findings) -> None:
    run = seeded.run
    base = verifier_quality.places(run)["base"]
    assert [number for _, number in base] == [*range(SEEDS)]
    assert verifier_quality.called(run, base, ["sympy"]) == (("base", ("sympy",)),)
    assert [quality for _, quality in verifier_quality.called(run, base, ["sympy", "t90_f10"])] == [
        ("sympy", "t90_f10"),
        *(("sympy", f"t90_f10~{seed}") for seed in range(1, SEEDS)),
    ]


def test_the_constant_verdict_stands_first_unless_the_suite_has_it(seeded: Findings, single: Findings) -> None:
    (accepting,) = verifier_quality.constants(seeded.run)
    assert (accepting.accepts, accepting.best) == (True, True)
    ((share, count),) = gold_share(seeded.run)
    assert (accepting.n, accepting.prevalence.value) == (count, pytest.approx(share))
    apart = 2 * (1 + share) / 2 * (1 - share) / 2
    assert accepting.agreement.ac1.value == pytest.approx((share - apart) / (1 - apart))
    shown = [quality_tables.verifier_quality(f.run, verifier_quality.measured(f.run)) for f in (seeded, single)]
    assert shown[0].rows[0]["verifier"].line == "always accept (best constant)"
    names = [row["verifier"].text for row in shown[1].rows]
    assert "accept_all" in names
    assert "always accept" not in names
    assert "The best constant verdict is to accept all." in shown[1].note


def test_where_most_is_wrong_to_reject_all_is_the_better_constant(seeded: Findings) -> None:
    """Equal to accepting all where the gold's outcomes are all inverted."""
    run = seeded.run
    gold = dataclasses.replace(run.outcomes["sympy"], value=1 - run.outcomes["sympy"].value)
    (before,) = verifier_quality.constants(run)
    accepting, rejecting = verifier_quality.constants(
        dataclasses.replace(run, outcomes={**run.outcomes, "sympy": gold})
    )
    assert (accepting.accepts, accepting.best, rejecting.accepts, rejecting.best) == (True, False, False, True)
    assert dataclasses.astuple(rejecting.agreement.ac1) == pytest.approx(dataclasses.astuple(before.agreement.ac1))
    assert accepting.prevalence.value == pytest.approx(1 - before.prevalence.value)


def gold_share(run: Run) -> list[tuple[float, int]]:
    ids = [c.id for c in run.checkpoints.values()]
    rows = np.concatenate([run.rows(id, "test") for id in ids])
    gold = run.outcome("sympy", rows)
    return [(float(np.nanmean(gold)), int((~np.isnan(gold)).sum()))]


def test_verdicts_left_undecided_are_told_with_their_reasons(single: Findings) -> None:
    measures = [m for m in verifier_quality.measured(single.run) if m.verifier == "judge"]
    whole, *parts = measures
    assert whole.checkpoint == ""
    assert whole.undecided == sum(part.undecided for part in parts) > 0
    assert sum(count for _, count in whole.reasons) == whole.undecided


def test_what_a_verifier_says_of_the_same_text_again(seeded: Findings) -> None:
    """By hand: pairs of test samples of a problem with one text, judged under one seed."""
    by_verifier = {item.verifier: item for item in verifier_quality.steadiness(seeded.run)}
    texts: dict[tuple[str, str, str], list[bool]] = {}
    with Store(EXAMPLES / "dose_response") as store:
        prints = {p for name, p in store.run()["verifiers"].items() if name.partition("~")[0] == "t60_f10"}
        for problem, text, verifier, outcome in store.query(
            "SELECT s.problem, s.text, v.verifier, v.outcome FROM verdict v JOIN sample s ON s.id = v.sample"
            " JOIN problem p ON p.id = s.problem AND p.split = 'test'"
        ):
            if verifier in prints:
                texts.setdefault((problem, text, verifier), []).append(outcome == "correct")
    again = [flags for flags in texts.values() if len(flags) > 1]
    flips = [2 * sum(flags) * (len(flags) - sum(flags)) / len(flags) / (len(flags) - 1) for flags in again]
    assert by_verifier["t60_f10"].flips.n == len(again)
    assert by_verifier["t60_f10"].flips.value == pytest.approx(np.mean(flips))


def test_what_a_verdict_takes_is_told_to_three_digits() -> None:
    with Store(EXAMPLES / "linear_1d") as store:
        run = read_run(store)
        for cost in run.costs:
            seconds, probed = (
                np.array(
                    store.query(f"SELECT seconds FROM {table} WHERE verifier = ?", (run.fingerprints[cost.verifier],))
                )
                for table in ("verdict", "probe_verdict")
            )
            expected = np.quantile(seconds, [0.5, 0.95], method="inverted_cdf")
            assert (cost.median, cost.slow) == pytest.approx(tuple(expected), rel=0.005)
            assert cost.calls or cost.seconds == pytest.approx(seconds.sum() + probed.sum())
            assert cost.verdicts == len(seconds) + len(probed)


def test_a_correction_is_of_all_replicates_with_an_interval_over_them(seeded: Findings, single: Findings) -> None:
    correction = next(c for c in between.corrections(seeded) if c.checkpoint == "t90_f10/1")
    tpr, fpr, _ = by_sql("base", "t90_f10")
    assert correction.corrected.value == pytest.approx((correction.reward.value - fpr) / (tpr - fpr))
    assert correction.seeded.n == SEEDS
    assert correction.seeded.value == correction.excess.value
    assert wide(correction.seeded) > wide(correction.excess)
    assert all(math.isnan(c.seeded.low) for c in between.corrections(single))


def wide(estimate: Estimate) -> float:
    return estimate.high - estimate.low
