"""The work of a whole run: its samples, and what its phases ask for, from which the time left is forecast.

Takes a suite and its problems; gives counts. It does not depend on rows, policies or JAX.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from restem.benchmarks.problem import Problem
from restem.harness.arms import ArmSettings
from restem.harness.config import Suite
from restem.harness.names import TESTS, verifiers_that_judge
from restem.harness.progress import VERIFYING, Forecast


def planned_samples(suite: Suite, problems: Mapping[str, Sequence[Problem]], *, until_base: bool = False) -> int:
    """The samples of all stages: the unit of progress. Those of the base, which arms share, are counted in each arm."""
    samples = suite.sampling
    test = _tested(problems) * samples.test_samples
    validation = len(problems["validation"]) * samples.validation_samples
    if until_base:
        return test + sum(_first_drawn(suite, problems, first) for first in suite.first_bases)
    total = test
    for arm in suite.arms:
        settings = suite.settings_of(arm)
        total += _first_drawn(suite, problems, settings.first)
        total += (settings.iterations - 1 + samples.train_at_end) * _train_samples(settings, problems)
        total += settings.iterations * (test + settings.training.checks * validation)
    return total


def forecast(
    suite: Suite, problems: Mapping[str, Sequence[Problem]], verifiers: Collection[str], asking: Collection[str] = ()
) -> Forecast:
    """The time left of a whole run, from the samples, training steps and verdicts that its phases ask for.

    Args:
        suite: With an arm for every replicate.
        problems: Split -> problems.
        verifiers: Names of all verifiers.
        asking: Names of those that ask a judge, and so do not judge samples of further test sets.
    """
    sampling, training = suite.sampling, suite.training
    test = len(problems["test"]) * sampling.test_samples
    further = _tested(problems) * sampling.test_samples - test
    validation = training.checks * len(problems["validation"]) * sampling.validation_samples
    all_settings = [suite.settings_of(arm) for arm in suite.arms]
    updates = sum(settings.iterations for settings in all_settings)
    # The samples of a base are shared by the arms of a replicate that sample it alike.
    drawn = sum(_first_drawn(suite, problems, first) for first in {settings.first for settings in all_settings})
    plan: Counter[str] = Counter({"sampling test": (1 + updates) * (test + further), "sampling train": drawn})
    plan["sampling validation"] += updates * validation
    for name in verifiers:
        plan[f"{VERIFYING}{name}"] += test
    plan[f"{VERIFYING}{suite.gold}"] += further
    for arm, settings in zip(suite.arms, all_settings, strict=True):
        later = (settings.iterations - 1) * _train_samples(settings, problems)
        at_end = _train_samples(settings, problems) if sampling.train_at_end else 0
        plan["sampling train"] += later + at_end
        plan[f"{VERIFYING}{suite.gold}"] += at_end
        for name in {suite.gold} | ({arm.verifier} - set(asking)):
            plan[f"{VERIFYING}{name}"] += settings.iterations * further
        plan["training"] += settings.iterations * settings.training.steps
        for name in verifiers_that_judge(verifiers, arm.verifier):
            plan[f"{VERIFYING}{name}"] += settings.iterations * test
        for name in {arm.verifier, suite.gold}:
            plan[f"{VERIFYING}{name}"] += settings.iterations * _train_samples(settings, problems)
        plan[f"{VERIFYING}{arm.verifier}"] += settings.iterations * validation
    # A step passes its tokens forwards and backwards, a sample passes about two thirds of its longest length.
    samples_a_step = 3 * training.rows * training.row_length * training.accumulate / (0.67 * sampling.max_new_tokens)
    return Forecast(plan, {"training": ("sampling test", samples_a_step)})


def _tested(problems: Mapping[str, Sequence[Problem]]) -> int:
    """The problems of all test sets."""
    return sum(len(items) for split, items in problems.items() if split == "test" or split.startswith(TESTS))


def _first_drawn(suite: Suite, problems: Mapping[str, Sequence[Problem]], first: str) -> int:
    """The training samples that are drawn from a base."""
    return _train_samples(suite.first_draws(first), problems)


def _train_samples(settings: ArmSettings, problems: Mapping[str, Sequence[Problem]]) -> int:
    """The training samples of an E-step."""
    return len(problems["train"][: settings.problems]) * settings.sampling.train_samples
