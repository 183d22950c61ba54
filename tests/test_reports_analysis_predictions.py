"""Predictions beside runs whose policies obey them, or do not; the reward gap of such runs."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import optimize, special

from restem.benchmarks.problem import Problem
from restem.harness.names import replicate, unmarked
from restem.harness.store.records import Checkpoint, Selected, Selection
from restem.harness.store.store import Store
from restem.reports.analysis import predictions
from restem.reports.analysis.findings import Findings, find
from restem.reports.analysis.reward_gap import GapMove, gap_change, partings
from restem.reports.data.read import read_run
from restem.reports.data.run import Run
from restem.reports.pages.finding_sentences import seed_sentences
from restem.reports.stats import estimates, predictor
from restem.reports.stats.estimates import Counts
from tests.test_reports_analysis_plan import drawn, verdict

TPR_FPR = {"gold": (1.0, 0.0), "good": (0.9, 0.1), "poor": (0.6, 0.4)}
SEEDS, PROBLEMS, SAMPLES = 3, 250, 8


@pytest.fixture(scope="module")
def obeying(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    """A run with three seeds in which every policy moves as predicted, by verifiers with independent errors."""
    return find(lawful_run(tmp_path_factory.mktemp("lawful"), drift=0.0))


def lawful_run(folder: Path, drift: float, learnt: float = 0.0) -> Run:
    """`drift`: what the good arm gains beyond the prediction; `learnt`: added to FPR on trained policies' samples."""
    random = np.random.default_rng(11)
    arms = [{"name": name, "verifier": name, "selection": {"cap": 0}} for name in TPR_FPR]
    with Store(folder, write=True) as store:
        store.put_run({"suite": {"name": "lawful", "gold": "gold", "iterations": 1, "replicates": SEEDS, "arms": arms}})
        names = ["gold", *(replicate(name, r) for name in ("good", "poor") for r in range(SEEDS))]
        store.put_run({"verifiers": {name: f"{name}-0" for name in names}})
        for name in names:
            store.add_verifier(f"{name}-0", name, {})
        for split in ("train", "test"):
            store.add_problems(
                [
                    Problem(id=f"{split}{i}", question=f"q{i}", reference="1", split=split, source="s")
                    for i in range(PROBLEMS)
                ]
            )
        start = random.beta(2, 3, PROBLEMS)
        store.add_checkpoint(Checkpoint(id="base", arm=None, iteration=0, kind="base"))
        draw(store, random, "base", "test", start, names)
        for r in range(SEEDS):
            source = replicate("base", r)
            judged = draw(store, random, source, "train", start, ["gold", *(replicate(n, r) for n in ("good", "poor"))])
            for name in TPR_FPR:
                arm_id = replicate(name, r)
                verifier = arm_id if arm_id in names else name
                kept, written = judged["gold"][judged[verifier]].mean(), judged["gold"].mean()
                moved = float(predictor.moved(start.mean(), predictor.gain(kept, written)))
                end = shifted(start, moved + drift * (name == "good"))
                samples = store.samples(source, "train")
                chosen = [
                    Selected(sample=s.id, weight=1.0) for s, yes in zip(samples, judged[verifier], strict=True) if yes
                ]
                store.add_selection(Selection(checkpoint=f"{arm_id}/1", rows=tuple(chosen)))
                store.add_checkpoint(
                    Checkpoint(
                        id=f"{arm_id}/1",
                        arm=arm_id,
                        iteration=1,
                        kind="trained",
                        started_from="base",
                        sampled_from=source,
                    )
                )
                draw(store, random, f"{arm_id}/1", "test", end, list(dict.fromkeys(["gold", verifier])), learnt)
        return read_run(store)


def draw(
    store: Store,
    random: np.random.Generator,
    checkpoint: str,
    split: str,
    p: np.ndarray,
    verifiers: list[str],
    learnt: float = 0.0,
) -> dict[str, np.ndarray]:
    """Samples with the truth as their text, and verdicts with independent errors; gives what each verifier accepted."""
    right = random.random((PROBLEMS, SAMPLES)) < p[:, None]
    samples = drawn(checkpoint, split, right)
    store.add_samples(samples)
    judged: dict[str, np.ndarray] = {}
    for name in verifiers:
        t, f = TPR_FPR[unmarked(name)]
        f += learnt * (name != "gold")
        accepted = random.random(right.size) < np.where(right.ravel(), t, f)
        judged[name] = accepted
        store.add_verdicts(f"{name}-0", zip((s.id for s in samples), map(verdict, accepted), strict=True))
    return judged


def shifted(start: np.ndarray, mean: float) -> np.ndarray:
    """Problems' pass rates, moved alike on the scale of log-odds so that they have this mean."""
    p = np.clip(start, 1e-6, 1 - 1e-6)
    move = optimize.brentq(lambda x: float(special.expit(special.logit(p) + x).mean()) - mean, -20, 20)
    return special.expit(special.logit(p) + move)


def test_policies_that_obey_the_prediction_are_within_it(obeying: Findings) -> None:
    steps = predictions.predict(obeying)
    assert [(step.arm, step.iteration) for step in steps] == [("gold", 1), ("good", 1), ("poor", 1)]
    for step in steps:
        assert step.within, step
        assert abs(step.residual.value) < 0.03
        assert step.kept_predicted.value == pytest.approx(step.kept.value)
    tally = predictions.tally(steps)
    assert tally
    assert (tally.steps, tally.within, tally.pairs, tally.in_order) == (2, 2, 3, 3)


def test_a_gain_beyond_the_prediction_shows_as_a_residual(tmp_path: Path) -> None:
    steps = predictions.predict(find(lawful_run(tmp_path, drift=0.2)))
    _, good, poor = steps
    assert good.residual.value == pytest.approx(0.2, abs=0.03)
    assert (good.within, poor.within) == (False, True)
    tally = predictions.tally(steps)
    assert tally
    assert (tally.steps, tally.within) == (2, 1)


def test_a_prediction_is_of_the_arms_replicates_together_by_hand(obeying: Findings) -> None:
    """A second opinion from rows alone."""
    run = obeying.run
    right = kept = written = texts = 0
    for r in range(SEEDS):
        rows = run.rows(replicate("base", r), "train")
        gold, outcomes = run.outcome("gold", rows), run.outcome(replicate("good", r), rows)
        right, kept = right + gold[outcomes == 1].sum(), kept + (outcomes == 1).sum()
        written, texts = written + gold.sum(), texts + len(gold)
    p = float(np.mean(run.outcome("gold", run.rows("base", "test"))))
    odds = p / (1 - p) * math.exp(predictor.KAPPA * (right / kept - written / texts))
    good = next(step for step in predictions.predict(obeying) if step.arm == "good")
    assert good.gain.value == pytest.approx(odds / (1 + odds) - p)
    assert good.residual.value == pytest.approx(good.observed.value - good.gain.value)


def test_the_gold_alone_has_no_tally(obeying: Findings) -> None:
    gold, *_ = predictions.predict(obeying)
    assert predictions.tally([gold]) is None


def test_a_constant_verifiers_reward_falls_behind_as_its_policy_gains(obeying: Findings) -> None:
    """With fixed TPR t and FPR f the gap is f + (t - f - 1) p, so it moves against p: by hand, from the counts."""
    by_arm = {parting.arm: parting for parting in partings(obeying)}
    assert set(by_arm) == {"good", "poor"}
    good = by_arm["good"]
    standings = [obeying.standings["good", i] for i in (0, 1)]
    gaps = [reward.correct.sum() / s.n - s.counts.correct.sum() / s.n for s in standings for reward in s.audited[:1]]
    assert good.change.value == pytest.approx(gaps[1] - gaps[0])
    assert good.iteration == 1
    assert good.change.high < 0
    assert good.beyond.low < 0 < good.beyond.high
    assert good.move is GapMove.EXPLAINED
    assert by_arm["poor"].move in (GapMove.EXPLAINED, GapMove.NONE)


def test_an_error_that_the_policy_learns_is_told_from_the_move_of_accuracy(tmp_path: Path) -> None:
    """FPR rises by 0.3 on the new policy's samples, so that the gap grows by 0.3 (1 - p) beyond accuracy's part."""
    findings = find(lawful_run(tmp_path, drift=0.0, learnt=0.3))
    good = next(parting for parting in partings(findings) if parting.arm == "good")
    expected = 0.3 * (1 - findings.standings["good", 1].accuracy.value)
    assert good.beyond.low > 0
    assert good.beyond.value == pytest.approx(expected, abs=0.03)
    assert good.move is GapMove.GROWN


def test_one_problem_gives_no_interval_of_resamples(obeying: Findings) -> None:
    standings = [obeying.standings["good", i] for i in (0, 1)]
    first = [
        dataclasses.replace(
            standing,
            accuracy=estimates.proportion(standing.counts.correct[:1], standing.counts.decided[:1]),
            counts=Counts(*(column[:1] for column in standing.counts)),
            audited=tuple(Counts(*(column[:1] for column in counts)) for counts in standing.audited),
        )
        for standing in standings
    ]
    change = gap_change(*first)
    assert math.isnan(change.low)
    assert math.isnan(change.high)
    alone = estimates.proportion(np.array([60]), np.array([100]))
    assert alone.high - alone.low > 0.1


def test_what_replicates_leave_out_is_said_and_no_arm_gets_seeds_that_it_lacks(obeying: Findings) -> None:
    several = [obeying.standings[name, 1] for name in ("good", "poor")]
    sentences = seed_sentences([several[0], dataclasses.replace(several[1], replicates=())])
    assert sentences[0].startswith("Arms stand for the mean of 3 seeds")
    assert sentences[1].endswith("is taken from earlier runs: poor.")
    assert seed_sentences([dataclasses.replace(several[0], replicates=())]) == []
