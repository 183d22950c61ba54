"""How often nominal 95 % intervals hold the truth, on clustered data; prints the figures (pytest -m slow -s)."""

import itertools
import math
from collections.abc import Callable

import numpy as np
import pytest

from restem.reports.stats import agreement, error_correlation, estimates, reward_quality, rogan_gladen
from restem.reports.stats import seeds as replicates
from restem.reports.stats.estimates import Counts, Estimate

pytestmark = pytest.mark.slow

ROUNDS = 2000
SAMPLES = 8
# The policy's accuracy is Beta(2, 3) over problems; TPR and FPR of each problem are Betas, so errors share problems.
ACCURACY, TPR, FPR = (2.0, 3.0), (17.0, 3.0), (4.0, 16.0)


def drawn(random: np.random.Generator, problems: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gold and two verifiers' outcomes (problems x samples), 5 % of the verdicts undecided."""
    gold = random.random((problems, SAMPLES)) < random.beta(*ACCURACY, (problems, 1))
    outcomes = []
    for _ in range(2):
        rate = np.where(gold, random.beta(*TPR, (problems, 1)), random.beta(*FPR, (problems, 1)))
        verdict = (random.random(gold.shape) < rate).astype(float)
        outcomes.append(np.where(random.random(gold.shape) < 0.05, np.nan, verdict))
    return gold.astype(float), *outcomes


def counted(outcome: np.ndarray) -> Counts:
    problem = np.repeat(np.arange(len(outcome)), SAMPLES)
    return estimates.per_problem(outcome.ravel(), problem, len(outcome))


def found_in(random: np.random.Generator, problems: int) -> dict[str, Estimate | estimates.Difference | None]:
    gold, outcomes, other = drawn(random, problems)
    problem = np.repeat(np.arange(problems), SAMPLES)
    table = reward_quality.confusion(outcomes.ravel(), gold.ravel(), problem, problems)
    judged = reward_quality.reward_quality(table)
    pair = reward_quality.agreement(reward_quality.confusion(outcomes.ravel(), other.ravel(), problem, problems))
    several = agreement.reliability(np.stack([gold.ravel(), outcomes.ravel(), other.ravel()]), problem, problems)
    wrong = table[:, reward_quality.FALSE_ACCEPT] + table[:, reward_quality.TRUE_REJECT]
    return {
        "accuracy": estimates.proportion(*counted(gold)),
        "mean of pass@4": estimates.mean(estimates.pass_at_k(*counted(gold), 4)),
        "paired difference": estimates.paired(counted(outcomes), counted(gold)),
        "TPR": judged.tpr,
        "FPR": judged.fpr,
        "LR+": judged.likelihood_ratio,
        "precision": judged.precision,
        "MCC": judged.mcc,
        "kappa": pair.kappa,
        "AC1": pair.ac1,
        "alpha of three": several.alpha,
        "AC1 of three": several.ac1,
        "Rogan-Gladen": rogan_gladen.rogan_gladen(counted(outcomes), table),
        "rho of false accepts": error_correlation.error_correlation(table[:, reward_quality.FALSE_ACCEPT], wrong),
    }


def truths() -> dict[str, float]:
    """What the estimates are of: from the Betas' moments."""
    p = ACCURACY[0] / sum(ACCURACY)
    t, f = TPR[0] / sum(TPR), FPR[0] / sum(FPR)
    several = coefficients()
    return {
        "accuracy": p,
        "mean of pass@4": 1 - math.prod((ACCURACY[1] + i) / (sum(ACCURACY) + i) for i in range(4)),
        "paired difference": p * t + (1 - p) * f - p,
        "TPR": t,
        "FPR": f,
        "LR+": t / f,
        "precision": p * t / (p * t + (1 - p) * f),
        "MCC": several["MCC"],
        "kappa": several["kappa"],
        "AC1": several["AC1"],
        "alpha of three": several["alpha of three"],
        "AC1 of three": several["AC1 of three"],
        "Rogan-Gladen": p,
        "rho of false accepts": 1 / (sum(FPR) + 1),
    }


def coefficients() -> dict[str, float]:
    """Exact values of the coefficients from the expected shares of all eight patterns of verdicts."""
    p, t, f = ACCURACY[0] / sum(ACCURACY), TPR[0] / sum(TPR), FPR[0] / sum(FPR)
    rows, weights = [], []
    for gold, a, b in itertools.product((1, 0), repeat=3):
        rate = t if gold else f
        rows.append((gold, a, b))
        weights.append((p if gold else 1 - p) * (rate if a else 1 - rate) * (rate if b else 1 - rate))
    shares, g, a, b = np.array(weights), *np.array(rows, float).T

    def table(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.array(
            [shares @ (x * y), shares @ (x * (1 - y)), shares @ ((1 - x) * y), shares @ ((1 - x) * (1 - y))]
        )

    # Two of three verdicts may be missing; pairs and shares then keep their expectations up to the missing's weights.
    keep = 0.95
    both, either = keep**2, 2 * keep * (1 - keep)
    agree = {pair: shares @ (x * y + (1 - x) * (1 - y)) for pair, x, y in (("ga", g, a), ("gb", g, b), ("ab", a, b))}
    raw_all = sum(agree.values()) / 3
    raw = (both * raw_all + either * agree["ga"]) / (both + either)
    q_all, q_pair, q_gold = (float(shares @ x) for x in ((g + a + b) / 3, (g + a) / 2, g))
    q = both * q_all + either * q_pair + (1 - keep) ** 2 * q_gold
    verdicts = both * 3 + either * 2
    called = (both * 3 * q_all + either * 2 * q_pair) / verdicts
    unequal = (both * 3 * (1 - raw_all) + either * 2 * (1 - agree["ga"])) / verdicts
    chance = 2 * q * (1 - q)
    return {
        "MCC": float(reward_quality.matthews(table(a, g) * 1.0)),
        "kappa": float(reward_quality.cohen_kappa(table(a, b))),
        "AC1": float(reward_quality.gwet_ac1(table(a, b))),
        "alpha of three": float(1 - unequal / (2 * called * (1 - called))),
        "AC1 of three": float((raw - chance) / (1 - chance)),
    }


@pytest.mark.parametrize("problems", [60, 250])
def test_intervals_of_clustered_samples_cover_what_they_say(problems: int, capsys: pytest.CaptureFixture[str]) -> None:
    random, truth = np.random.default_rng((17, problems)), truths()
    held = dict.fromkeys(truth, 0)
    for _ in range(ROUNDS):
        for name, interval in found_in(random, problems).items():
            assert interval is not None
            held[name] += interval.low <= truth[name] <= interval.high
    coverage = {name: count / ROUNDS for name, count in held.items()}
    _show(capsys, f"{problems} problems x {SAMPLES} samples", coverage)
    # An intraclass correlation of few problems is the one whose resamples lean: 92 % of 60 problems.
    low = {"rho of false accepts": 0.91 if problems < 100 else 0.93}
    assert not {name: share for name, share in coverage.items() if not low.get(name, 0.93) <= share <= 0.97}


def between_seeds(problems: int, crossed: bool) -> Callable[[np.random.Generator], tuple[Counts, float]]:
    """Counts of five replicates whose accuracy varies by 0.05 between seeds; and 0.5, the recipe's true accuracy."""

    def draw(random: np.random.Generator) -> tuple[Counts, float]:
        seed = random.normal(0, 0.05, (5, 1))
        deviation = random.uniform(-0.3, 0.3, (1 if crossed else 5, problems))
        correct = random.binomial(SAMPLES, np.clip(0.5 + seed + deviation, 0, 1))
        return Counts(np.broadcast_to(correct, (5, problems)), np.full((5, problems), SAMPLES)), 0.5

    return draw


@pytest.mark.parametrize("problems", [20, 200])
def test_intervals_over_seeds_cover_the_recipes_accuracy(problems: int, capsys: pytest.CaptureFixture[str]) -> None:
    random, held, blind = np.random.default_rng(problems), {"crossed": 0, "nested": 0}, {"crossed": 0, "nested": 0}
    estimate = {"crossed": replicates.crossed, "nested": replicates.nested}
    between: dict[str, list[float]] = {"crossed": [], "nested": []}
    for name in held:
        draw = between_seeds(problems, name == "crossed")
        for _ in range(ROUNDS):
            counts, truth = draw(random)
            interval = estimate[name](counts)
            assert interval is not None
            held[name] += interval.both.low <= truth <= interval.both.high
            blind[name] += interval.problems.low <= truth <= interval.problems.high
            between[name].append(interval.between)
    coverage = {name: count / ROUNDS for name, count in held.items()}
    _show(capsys, f"5 seeds x {problems} problems, both", coverage)
    _show(capsys, "  the same, clustered by problem alone", {name: count / ROUNDS for name, count in blind.items()})
    for name, share in coverage.items():
        assert 0.93 <= share <= 0.97
        # Floored at 0, so that the mean of few problems' variances is above the truth.
        assert np.mean(between[name]) == pytest.approx(0.05**2, rel=0.25 if problems < 100 else 0.1)
        assert blind[name] / ROUNDS < share


def _show(capsys: pytest.CaptureFixture[str], title: str, coverage: dict[str, float]) -> None:
    with capsys.disabled():
        print(f"\n{title}: " + ", ".join(f"{name} {100 * share:.1f}" for name, share in coverage.items()))


@pytest.mark.parametrize(("problems", "seeds"), [(60, 0.0), (60, 0.05), (250, 0.05)])
def test_residuals_over_seeds_and_problems_cover_a_law_that_holds(
    problems: int, seeds: float, capsys: pytest.CaptureFixture[str]
) -> None:
    """Gold and arm move by `eta` of what each has to gain, each replicate by its own chance; base and eta are measured.

    Blind: a t interval over the replicates, with eta and the base as they were measured.
    """
    random, held, blind, eta, ideal = np.random.default_rng((problems, 3)), 0, 0, 0.5, 0.8
    for _ in range(ROUNDS // 2):
        start = random.beta(*ACCURACY, problems)
        moved = [eta * (end - start) + random.normal(0, seeds, (5, 1)) for end in (1.0, ideal)]
        base = random.binomial(SAMPLES, start)
        gold, arm = (random.binomial(SAMPLES, np.clip(start + step, 0, 1)) for step in moved)
        drawn = [
            np.vstack([c.sum(axis=-1, keepdims=True).T, estimates.resampled(c.T)]).T for c in (base[None], gold, arm)
        ]
        p, a, b = (each / (problems * SAMPLES) for each in drawn)
        kappa = (a - p) / (1 - p)
        residual = b - p - kappa * (ideal - p)
        both = replicates.of_both(float(residual[:, 0].mean()), residual, problems)
        held += both.low <= 0 <= both.high
        alone = estimates.t_mean((b - p - kappa.mean(axis=0) * (ideal - p))[:, 0])
        blind += alone.low <= 0 <= alone.high
    coverage = {"both": held / (ROUNDS // 2), "over seeds alone": blind / (ROUNDS // 2)}
    _show(capsys, f"residual of 5 seeds x {problems} problems, spread {seeds}", coverage)
    assert coverage["both"] >= 0.93
    assert coverage["over seeds alone"] < coverage["both"]
