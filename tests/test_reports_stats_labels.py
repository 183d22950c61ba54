"""Labels of few responses: the order in which they are drawn, and what the labels say of all responses."""

from __future__ import annotations

import math

import numpy as np
import pytest

from restem.reports.stats import label_design, labelled_rates, reward_quality
from restem.reports.stats.estimates import Floats
from restem.reports.stats.label_design import FEWEST, Strata, importance, ordered, stratify
from restem.reports.stats.labelled_rates import LabelledSample

PROBLEMS, SAMPLES = 150, 8
RATES = ((0.93, 0.08), (0.85, 0.2))
ROUNDS = 100


def population(seed: int = 0, rates: tuple[tuple[float, float], ...] = RATES) -> tuple[Floats, Floats]:
    """Verdicts and labels; problems differ in difficulty, and a verifier's errors lie together on some problems."""
    random = np.random.default_rng(seed)
    right = random.random((PROBLEMS, SAMPLES)) < random.beta(1, 1, (PROBLEMS, 1))
    verdicts = []
    for tpr, fpr in rates:
        chances = [random.beta(4 * rate + 1e-9, 4 * (1 - rate) + 1e-9, (PROBLEMS, 1)) for rate in (tpr, fpr)]
        verdicts.append(random.random(right.shape) < np.where(right, *chances))
    return np.array(verdicts, float).reshape(len(rates), -1), right.ravel().astype(float)


def drawn(verdicts: Floats, label: Floats, strata: Strata, order: Floats, labels: int) -> LabelledSample:
    chosen = order[:labels]
    return LabelledSample(
        verdicts=verdicts[:, chosen], label=label[chosen], stratum=strata.of[chosen], size=strata.size
    )


def order_of(verdicts: Floats, strata: Strata, seed: int) -> Floats:
    return ordered(strata, importance(verdicts, strata), np.random.default_rng(seed).random(verdicts.shape[1]))


def test_a_common_pattern_of_verdicts_is_a_stratum_and_every_response_is_in_one() -> None:
    verdicts, _ = population()
    strata = stratify(verdicts)
    assert strata.size.sum() == verdicts.shape[1]
    assert [np.bincount(strata.of)[h] for h in range(len(strata.size))] == strata.size.tolist()
    for pattern in strata.patterns:
        assert len(pattern) == 1
    assert len(strata.size) == 4


@pytest.mark.parametrize("verifiers", [1, 2, 5, 9])
def test_rare_patterns_are_pooled_so_that_few_labels_reach_every_stratum(verifiers: int) -> None:
    random = np.random.default_rng(verifiers)
    verdicts = random.choice([0.0, 1.0, np.nan], (verifiers, 900), p=[0.45, 0.5, 0.05])
    strata = stratify(verdicts)
    assert strata.fewest <= FEWEST * (label_design.MOST + label_design.POOLS)
    assert strata.size.min() >= label_design.SMALLEST * 900


def test_the_order_holds_every_response_once_and_begins_with_two_of_every_stratum() -> None:
    verdicts, _ = population()
    strata = stratify(verdicts)
    order = order_of(verdicts, strata, 1)
    assert sorted(order.tolist()) == [*range(verdicts.shape[1])]
    assert np.bincount(strata.of[order[: strata.fewest]]).tolist() == [FEWEST] * len(strata.size)


def test_a_beginning_of_the_order_is_allocated_as_neyman_says() -> None:
    verdicts, _ = population()
    strata = stratify(verdicts)
    weight = importance(verdicts, strata)
    taken = np.bincount(strata.of[order_of(verdicts, strata, 1)[:200]])
    assert taken == pytest.approx(200 * weight / weight.sum(), abs=1)


def test_every_response_of_a_stratum_is_as_likely_to_be_drawn() -> None:
    verdicts, _ = population()
    strata = stratify(verdicts)
    times = np.zeros(verdicts.shape[1])
    for seed in range(ROUNDS):
        times[order_of(verdicts, strata, seed)[:100]] += 1
    for h, size in enumerate(strata.size):
        share = np.bincount(strata.of[order_of(verdicts, strata, 0)[:100]])[h] / size
        chance = times[strata.of == h] / ROUNDS
        assert chance.mean() == pytest.approx(share)
        assert chance.std() == pytest.approx(math.sqrt(share * (1 - share) / ROUNDS), rel=0.3)


def test_labels_of_all_responses_give_the_rates_without_error() -> None:
    verdicts, label = population()
    verdicts[0, ::17] = np.nan
    strata = stratify(verdicts)
    everything = drawn(verdicts, label, strata, order_of(verdicts, strata, 3), len(label))
    for verifier, verdict in enumerate(verdicts):
        table = reward_quality.confusion(verdict, label, np.zeros(len(label), np.int64), 1)
        rates = labelled_rates.labelled_rates(everything, verifier)
        expected = reward_quality.reward_quality(table)
        for name in ("tpr", "fpr", "precision", "likelihood_ratio"):
            estimate = getattr(rates, name)
            assert estimate.value == pytest.approx(getattr(expected, name).value)
            assert estimate.low == pytest.approx(estimate.value) == pytest.approx(estimate.high)


def test_a_response_that_a_person_cannot_judge_counts_for_no_rate() -> None:
    verdicts, label = population()
    unclear = label.copy()
    unclear[::5] = np.nan
    strata = stratify(verdicts)
    order = order_of(verdicts, strata, 3)
    rates = labelled_rates.labelled_rates(drawn(verdicts, unclear, strata, order, len(label)), 0)
    assert rates.tpr.value == pytest.approx(verdicts[0, unclear == 1].mean())
    assert rates.fpr.value == pytest.approx(verdicts[0, unclear == 0].mean())


def test_no_error_among_the_labels_is_no_proof_of_none() -> None:
    verdicts, label = population(rates=((1.0, 0.0), (0.9, 0.1)))
    strata = stratify(verdicts)
    rates = labelled_rates.labelled_rates(drawn(verdicts, label, strata, order_of(verdicts, strata, 0), 60), 0)
    assert rates.fpr.value == rates.fpr.low == 0
    # The rule of three on the accepted responses that were labelled, as shares of the wrong ones.
    assert 0.03 < rates.fpr.high < 0.2
    assert math.isinf(rates.likelihood_ratio.high)
    assert 5 < rates.likelihood_ratio.low < 40


def test_a_verifier_does_not_differ_from_itself() -> None:
    verdicts, label = population()
    twice = np.vstack([verdicts, verdicts[:1]])
    strata = stratify(twice)
    sample = drawn(twice, label, strata, order_of(twice, strata, 0), 80)
    same = labelled_rates.rate_difference(sample, 0, 2)
    assert (same.youden.low, same.youden.value, same.youden.high) == (0, 0, 0)


@pytest.mark.parametrize("labels", [60, 150])
def test_few_labels_are_unbiased_and_their_intervals_cover(labels: int) -> None:
    verdicts, label = population(seed=4)
    strata = stratify(verdicts)
    everything = drawn(verdicts, label, strata, order_of(verdicts, strata, 0), len(label))
    names = ("tpr", "fpr", "precision", "youden", "likelihood_ratio")
    truth = {name: getattr(labelled_rates.labelled_rates(everything, 1), name).value for name in names}
    truth["difference"] = labelled_rates.rate_difference(everything, 0, 1).youden.value
    held, values = dict.fromkeys(truth, 0), {name: [] for name in truth}
    for seed in range(ROUNDS):
        sample = drawn(verdicts, label, strata, order_of(verdicts, strata, seed), labels)
        rates = labelled_rates.labelled_rates(sample, 1)
        estimates = {name: getattr(rates, name) for name in names}
        estimates["difference"] = labelled_rates.rate_difference(sample, 0, 1).youden
        for name, estimate in estimates.items():
            held[name] += estimate.low <= truth[name] <= estimate.high
            values[name].append(estimate.value)
    for name, count in held.items():
        assert count / ROUNDS >= 0.9, name
    for name in ("tpr", "fpr", "precision", "youden", "difference"):
        error = np.std(values[name]) / math.sqrt(ROUNDS)
        assert abs(np.mean(values[name]) - truth[name]) < 3 * error + 0.003, name


def test_strata_of_verdicts_take_fewer_labels_than_a_simple_random_sample() -> None:
    verdicts, label = population(seed=4)
    strata = stratify(verdicts)
    whole = Strata(of=np.zeros(len(label), np.int64), size=np.array([len(label)]), patterns=())
    spread = {}
    for name, design, weight in (("strata", strata, importance(verdicts, strata)), ("simple", whole, np.ones(1))):
        values = []
        for seed in range(80):
            order = ordered(design, weight, np.random.default_rng(seed).random(len(label)))
            sample = drawn(verdicts, label, design, order, 100)
            values.append([labelled_rates.labelled_rates(sample, 1).youden.value])
        spread[name] = np.var(values)
    assert spread["strata"] < spread["simple"] / 2


def test_the_forecast_of_labels_settles_four_of_five_samples() -> None:
    verdicts, label = population(seed=4)
    strata = stratify(verdicts)
    order = order_of(verdicts, strata, 0)
    everything = drawn(verdicts, label, strata, order, len(label))
    labels = labelled_rates.labels_needed(everything, 0, 1, strata.of[order])
    assert strata.fewest < labels < len(label) / 2
    settled = 0
    for seed in range(ROUNDS):
        sample = drawn(verdicts, label, strata, order_of(verdicts, strata, seed), labels)
        youden = labelled_rates.rate_difference(sample, 0, 1).youden
        settled += not youden.low <= 0 <= youden.high
    assert 0.65 <= settled / ROUNDS <= 0.95


def test_a_margin_within_which_verifiers_are_equal_takes_fewer_labels_than_to_tell_them_apart() -> None:
    verdicts, label = population(seed=7, rates=((0.9, 0.1), (0.9, 0.11)))
    strata = stratify(verdicts)
    order = order_of(verdicts, strata, 0)
    everything = drawn(verdicts, label, strata, order, len(label))
    needed = [labelled_rates.labels_needed(everything, 0, 1, strata.of[order], margin) for margin in (0, 0.05, 0.2)]
    assert needed == sorted(needed, reverse=True)
    assert needed[-1] < needed[0]
