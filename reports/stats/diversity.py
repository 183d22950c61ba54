"""How much the samples of one problem differ: the share of distinct ones, and the entropy of what they say.

Takes a category for each sample (a text, or an answer) and its problem; gives a value per problem. Does not depend on
runs or files.
"""

from __future__ import annotations

import numpy as np

from restem.reports.stats.estimates import Floats, Ints, ratio


def distinct_share(category: Ints, problem: Ints, size: int) -> Floats:
    """Distinct categories per sample of each of `size` problems: 1 where all differ, 1 / n where all n are alike."""
    of, _ = _seen(category, problem)
    return ratio(np.bincount(of, minlength=size), np.bincount(problem, minlength=size))


def entropy(category: Ints, problem: Ints, size: int) -> Floats:
    """Entropy of each problem's categories in nats, corrected for the few samples; NaN without a sample.

    Miller and Madow's correction (Miller 1955, Information Theory in Psychology, 95): the entropy of the shares that
    were seen, plus (categories seen - 1) / (2 samples). It still is too low where nearly all samples differ.
    """
    of, count = _seen(category, problem)
    samples = np.bincount(problem, minlength=size)
    seen = np.bincount(of, minlength=size)
    surprise = np.bincount(of, count * np.log(count), minlength=size)
    with np.errstate(divide="ignore"):
        plain = np.log(samples) - ratio(surprise, samples)
    return np.where(samples > 0, plain + ratio(seen - 1, 2 * samples), np.nan)


def _seen(category: Ints, problem: Ints) -> tuple[Ints, Ints]:
    """Each category of each problem once: the problem, and how many of its samples have it."""
    width = int(category.max(initial=0)) + 1
    pairs, count = np.unique(problem * width + category, return_counts=True)
    return pairs // width, count
