"""The law against simulation, and at its limits."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from restem.benchmarks.problem import Problem
from restem.harness.names import replicate, unmarked
from restem.harness.store.records import Checkpoint, Sample, Selected, Selection
from restem.harness.store.store import Store
from restem.reports.analysis import predictions
from restem.reports.analysis.findings import Findings, find
from restem.reports.analysis.predictions import Count
from restem.reports.analysis.reward_gap import GapMove, gap_change, partings
from restem.reports.data.read import read_run
from restem.reports.data.run import Run
from restem.reports.pages.finding_sentences import seed_sentences
from restem.reports.stats import estimates, law
from restem.reports.stats.estimates import Counts
from restem.reports.tables import law as law_tables
from restem.verifiers.verdict import Outcome, Verdict

shares = st.floats(0.01, 0.99)


@given(shares, shares, shares)
def test_an_ideal_step_multiplies_the_odds_by_the_likelihood_ratio(p: float, t: float, f: float) -> None:
    after = law.filtered_precision(p, t, f)
    assert law.odds(after) == pytest.approx(float(law.odds(p)) * t / f)


@given(shares)
def test_share_undoes_odds(p: float) -> None:
    assert law.share(law.odds(p)) == pytest.approx(p)


@given(shares, shares, shares, st.integers(0, 6))
def test_steps_add_up_on_the_logit_scale(p: float, t: float, f: float, steps: int) -> None:
    logit = math.log(p / (1 - p)) + steps * math.log(t / f)
    assert law.after_steps(p, t, f, steps) == pytest.approx(1 / (1 + math.exp(-logit)), abs=1e-9)


def test_limits_of_an_ideal_step() -> None:
    assert law.filtered_precision(0.3, 0.4, 0.0) == 1.0
    assert law.filtered_precision(0.3, 0.0, 0.4) == 0.0
    assert np.isnan(law.filtered_precision(0.3, 0.0, 0.0))
    assert law.filtered_precision(1.0, 0.5, np.nan) == 1.0
    assert law.filtered_precision(0.0, np.nan, 0.5) == 0.0
    assert law.share(np.inf) == 1.0
    assert np.isinf(law.odds(1.0))


def test_accepting_all_changes_nothing() -> None:
    assert law.filtered_precision(0.37, 1.0, 1.0) == pytest.approx(0.37)


def test_a_policy_is_not_moved_by_an_empty_selection() -> None:
    assert law.partial_step(0.4, law.filtered_precision(0.4, 0.0, 0.0), 0.5) == 0.4


def test_eta_is_found_again_from_its_own_predictions() -> None:
    p, precision = np.array([0.2, 0.5]), np.array([1.0, 1.0])
    after = law.partial_step(p, precision, 0.35)
    assert law.fitted_eta(p, precision, after) == pytest.approx(0.35)
    assert np.isnan(law.fitted_eta(precision, precision, precision))


def test_eta_leaves_out_steps_without_a_prediction() -> None:
    eta = law.fitted_eta(np.array([0.2, 0.5]), np.array([1.0, np.nan]), np.array([0.6, 0.9]))
    assert eta == pytest.approx(0.5)


@given(shares, shares, shares, st.integers(1, 8))
def test_f4_poisoned_problems_are_those_with_wrong_samples_only(p: float, t: float, f: float, samples: int) -> None:
    accepted = p * t + (1 - p) * f
    expected = (1 - p * t) ** samples - (1 - accepted) ** samples
    training_set = law.training_set(np.full((1, samples), p), t, f)
    assert training_set.poisoned[0] == pytest.approx(expected, abs=1e-12)
    assert training_set.kept[0] == pytest.approx(samples * accepted)
    assert training_set.precision == pytest.approx(float(law.filtered_precision(p, t, f)))


def test_f4_yield_is_the_mean_of_the_capped_binomial() -> None:
    p, t, f, samples, cap = 0.3, 0.9, 0.2, 12, 3
    accepted = p * t + (1 - p) * f
    binomial = [math.comb(samples, k) * accepted**k * (1 - accepted) ** (samples - k) for k in range(samples + 1)]
    training_set = law.training_set(np.full((1, samples), p), t, f, cap)
    assert training_set.kept[0] == pytest.approx(sum(min(k, cap) * share for k, share in enumerate(binomial)))


def test_f5_a_cap_lowers_the_precision_of_the_training_set() -> None:
    """32 samples, cap 10, TPR .95, FPR .05, p ~ Beta(.3, 1.2): .828 without the cap, .767 with it, 27.6 % poisoned."""
    p = np.random.default_rng(0).beta(0.3, 1.2, 12_000)
    correct = np.repeat(p[:, None], 32, axis=1)
    uncapped, capped = law.training_set(correct, 0.95, 0.05), law.training_set(correct, 0.95, 0.05, 10)
    assert uncapped.precision == pytest.approx(0.828, abs=0.01)
    assert capped.precision == pytest.approx(0.767, abs=0.01)
    assert uncapped.poisoned.mean() == pytest.approx(0.276, abs=0.01)


def test_a_training_set_is_what_a_simulated_verifier_keeps() -> None:
    """Given the gold's word on every sample: kept, correct kept and poisoned, against 4000 simulated selections."""
    random, cap, t, f = np.random.default_rng(5), 2, 0.8, 0.3
    correct = (random.random((6, 7)) < 0.4).astype(float)
    correct[0, 4:] = np.nan
    kept, right, poisoned = np.zeros(6), np.zeros(6), np.zeros(6)
    for _ in range(4000):
        accepted = random.random(correct.shape) < np.where(correct == 1, t, np.where(correct == 0, f, 0))
        taken = accepted & (np.cumsum(accepted, axis=1) <= cap)
        kept += taken.sum(axis=1)
        right += (taken & (correct == 1)).sum(axis=1)
        poisoned += taken.any(axis=1) & ~(taken & (correct == 1)).any(axis=1)
    training_set = law.training_set(correct, t, f, cap)
    np.testing.assert_allclose(training_set.kept, kept / 4000, atol=0.04)
    np.testing.assert_allclose(training_set.right, right / 4000, atol=0.04)
    np.testing.assert_allclose(training_set.poisoned, poisoned / 4000, atol=0.04)


def test_nothing_accepted_leaves_no_precision() -> None:
    training_set = law.training_set(np.array([[1.0, 0.0]]), 0.0, 0.0)
    assert training_set.kept.sum() == 0
    assert math.isnan(training_set.precision)


def test_corrected_accuracy_undoes_a_verifiers_errors() -> None:
    p, t, f = 0.42, 0.9, 0.2
    assert law.corrected_accuracy(p * t + (1 - p) * f, t, f) == pytest.approx(p)
    assert np.isnan(law.corrected_accuracy(0.5, 0.4, 0.4))


@given(shares, shares, shares)
def test_an_ideal_step_adds_the_log_of_the_likelihood_ratio(p: float, t: float, f: float) -> None:
    moved = law.log_odds(law.filtered_precision(p, t, f)) - law.log_odds(p)
    assert moved == pytest.approx(math.log(t / f), abs=1e-9)


def test_log_odds_at_the_ends() -> None:
    assert list(law.log_odds([0.0, 0.5, 1.0])) == [-math.inf, 0.0, math.inf]
    assert np.isnan(law.log_odds(math.nan))


TPR_FPR = {"gold": (1.0, 0.0), "good": (0.9, 0.1), "poor": (0.6, 0.4)}
SEEDS, PROBLEMS, SAMPLES, ETA = 3, 250, 8, 0.4


@pytest.fixture(scope="module")
def obeying(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    """A run with three seeds in which every policy moves as F3 predicts, with independent errors."""
    return find(lawful_run(tmp_path_factory.mktemp("lawful"), drift=0.0))


def lawful_run(folder: Path, drift: float, learnt: float = 0.0) -> Run:
    """`drift` is what the good arm gains beyond the law; `learnt` what is added to FPR on trained policies' samples."""
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
            draw(store, random, source, "train", start, ["gold", *(replicate(n, r) for n in ("good", "poor"))])
            for name, (t, f) in TPR_FPR.items():
                arm_id = replicate(name, r)
                verifier = arm_id if arm_id in names else name
                gain = ETA * (float(law.filtered_precision(start.mean(), t, f)) - start.mean())
                end = np.clip(start + gain + drift * (name == "good"), 0, 1)
                chosen = [Selected(sample=s.id, weight=1.0) for s in store.samples(source, "train")]
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
) -> None:
    """Samples with the truth as their text, and verdicts with independent errors."""
    right = random.random((PROBLEMS, SAMPLES)) < p[:, None]
    samples = [
        Sample(
            checkpoint=checkpoint,
            problem=f"{split}{i}",
            index=k,
            text=f"{k} {right[i, k]}",
            token_count=3,
            mean_logprob=-1.0,
            finish_reason="stop",
        )
        for i in range(PROBLEMS)
        for k in range(SAMPLES)
    ]
    store.add_samples(samples)
    for name in verifiers:
        t, f = TPR_FPR[unmarked(name)]
        f += learnt * (name != "gold")
        accepted = random.random(right.size) < np.where(right.ravel(), t, f)
        verdicts = (Verdict(outcome=Outcome.CORRECT if yes else Outcome.WRONG, score=float(yes)) for yes in accepted)
        store.add_verdicts(f"{name}-0", zip((s.id for s in samples), verdicts, strict=True))


def test_the_law_explains_policies_that_obey_it(obeying: Findings) -> None:
    eta, steps = predictions.predict(obeying)
    assert eta.low < ETA < eta.high
    assert [(step.arm, step.iteration) for step in steps] == [("gold", 1), ("good", 1), ("poor", 1)]
    for step in steps[1:]:  # eta was fitted on the gold's
        for compared in (step.accuracy, step.change):
            assert predictions.within(compared.residual), step
            assert compared.seeded.n == SEEDS
            assert predictions.within(compared.seeded), step
            assert compared.residual.value == pytest.approx(compared.observed.value - compared.predicted.value)
            assert compared.seeded.value == compared.residual.value


def test_a_gain_beyond_the_law_shows_as_a_residual(tmp_path: Path) -> None:
    _, steps = predictions.predict(find(lawful_run(tmp_path, drift=0.1)))
    _, good, poor = (step.accuracy.residual for step in steps)
    assert good.low > 0.05
    assert predictions.within(poor)
    tally = predictions.tally(steps)
    assert tally
    assert tally.others == Count(part=1, whole=2)


def test_an_arms_prediction_is_the_mean_of_its_replicates_by_hand(obeying: Findings) -> None:
    """A second opinion from counts alone."""
    run = obeying.run
    eta, steps = predictions.predict(obeying)

    def accuracy(checkpoint: str) -> float:
        return float(np.mean(run.outcome("gold", run.rows(checkpoint, "test"))))

    predicted, observed = [], []
    for r in range(SEEDS):
        rows = run.rows(replicate("base", r), "train")
        gold, outcomes = run.outcome("gold", rows), run.outcome(replicate("good", r), rows)
        odds = law.odds(accuracy("base")) * outcomes[gold == 1].mean() / outcomes[gold == 0].mean()
        predicted.append(accuracy("base") + eta.value * (float(law.share(odds)) - accuracy("base")))
        observed.append(accuracy(f"{replicate('good', r)}/1"))
    good = next(step for step in steps if step.arm == "good")
    assert good.accuracy.predicted.value == pytest.approx(np.mean(predicted))
    assert good.accuracy.observed.value == pytest.approx(np.mean(observed))
    changes = [law.log_odds(after) - law.log_odds(accuracy("base")) for after in observed]
    assert good.change.observed.value == pytest.approx(np.mean(changes))


def test_a_residual_over_seeds_and_problems_has_the_errors_of_base_and_eta_in_it(obeying: Findings) -> None:
    """A second opinion from counts: each replicate has an eta of its own, and problems are resampled by other draws."""
    run = obeying.run

    def counted(checkpoint: str) -> np.ndarray:
        return run.outcome("gold", run.rows(checkpoint, "test")).reshape(PROBLEMS, -1).mean(axis=1)

    base = counted("base")
    golds, goods = ([counted(f"{replicate(arm, r)}/1") for r in range(SEEDS)] for arm in ("gold", "good"))
    tables = []
    for r in range(SEEDS):
        rows = run.rows(replicate("base", r), "train")
        gold, outcomes = (run.outcome(name, rows).reshape(PROBLEMS, -1) for name in ("gold", replicate("good", r)))
        cells = [outcomes * gold, gold, outcomes * (1 - gold), 1 - gold]
        tables.append(np.stack([cell.sum(axis=1) for cell in cells], axis=1))

    def residuals(weights: np.ndarray) -> list[float]:
        estimates = []
        for gold, good, table in zip(golds, goods, tables, strict=True):
            p, a, b = (float(np.average(column, weights=weights)) for column in (base, gold, good))
            t, correct, f, wrong = weights @ table
            ideal = float(law.filtered_precision(p, t / correct, f / wrong))
            estimates.append(b - p - (a - p) / (1 - p) * (ideal - p))
        return estimates

    random = np.random.default_rng(3)
    drawn = random.multinomial(PROBLEMS, np.full(PROBLEMS, 1 / PROBLEMS), 1500).astype(float)
    again = np.array([residuals(weights) for weights in drawn])
    by_problem = again.mean(axis=1).var()
    shared = (again - again.mean(axis=1, keepdims=True)).var(axis=0).sum() / (SEEDS - 1) / SEEDS
    by_seed = np.var(residuals(np.ones(PROBLEMS)), ddof=1) / SEEDS
    variance = max(by_problem + by_seed - shared, by_problem, by_seed)
    freedom = variance**2 / (by_problem**2 / (PROBLEMS - 1) + (by_seed**2 + shared**2 / (PROBLEMS - 1)) / (SEEDS - 1))
    _, steps = predictions.predict(obeying)
    estimate = next(step.accuracy.seeded for step in steps if step.arm == "good")
    half = stats.t.ppf(0.975, max(1, freedom)) * math.sqrt(variance)
    assert (estimate.high - estimate.low) / 2 == pytest.approx(half, rel=0.1)
    assert estimate.value == pytest.approx(np.mean(residuals(np.ones(PROBLEMS))), abs=0.002)


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
    alone = estimates.rate(np.array([60]), np.array([100]))
    assert alone.high - alone.low > 0.1


def test_the_tally_tells_control_arms_apart_and_a_gold_arm_that_one_eta_does_not_fit(obeying: Findings) -> None:
    _, (gold, good, poor) = predictions.predict(obeying)
    plain = predictions.tally([gold, good, poor])
    assert plain
    assert plain.controls is None
    controlled = predictions.tally([gold, good, dataclasses.replace(poor, control=True)])
    assert controlled
    assert controlled.controls == Count(part=1, whole=1)
    assert controlled.misfit == ()  # one step alone is what eta was solved for
    off = dataclasses.replace(gold.change.residual, low=0.1, value=0.2, high=0.3)
    misfit = dataclasses.replace(gold, change=dataclasses.replace(gold.change, residual=off))
    tally = predictions.tally([gold, misfit, good, poor])
    assert tally
    assert misfit.iteration in tally.misfit


def test_what_replicates_leave_out_is_said_and_no_arm_gets_seeds_that_it_lacks(obeying: Findings) -> None:
    _, steps = predictions.predict(obeying)
    assert "of other seeds on other problems" in law_tables.change_table(steps, "").note
    several = [obeying.standings[name, 1] for name in ("good", "poor")]
    sentences = seed_sentences([several[0], dataclasses.replace(several[1], replicates=())])
    assert sentences[0].startswith("Arms stand for the mean of 3 seeds")
    assert sentences[1].endswith("says nothing of other seeds: poor.")
    assert seed_sentences([dataclasses.replace(several[0], replicates=())]) == []
