"""maj@k: the chance that the commonest answer of k samples of a problem is the correct one.

Takes counts of answers; gives shares. Every subset of the samples is counted exactly. Does not depend on runs or files.
"""

from __future__ import annotations

import functools
import math

import numpy as np

from restem.reports.stats.estimates import Floats


@functools.lru_cache(maxsize=65536)
def majority_at(correct: int, wrong: tuple[int, ...], silent: int, ks: tuple[int, ...]) -> tuple[float, ...]:
    """The chance for each k, of k samples that are drawn without replacement.

    For each number m of correct votes it counts the subsets in which no wrong answer has more than m, as coefficients
    of a polynomial in (size, ties); a tie of t wrong answers counts 1 / (1 + t). Answers with fewer than m samples can
    neither win nor tie, so all of them are one factor.

    Args:
        correct: Samples with the correct answer.
        wrong: Samples with each wrong answer.
        silent: Samples that have no answer and cast no vote.
        ks: Subset sizes.

    Returns:
        NaN for a k above the number of samples.
    """
    total = correct + sum(wrong) + silent
    most = max((k for k in ks if k <= total), default=0)
    won = dict.fromkeys(ks, 0.0)
    for votes in range(1, min(correct, most) + 1):
        ways = _subsets(votes, most - votes, wrong, silent)
        shared = ways @ (1 / np.arange(1, ways.shape[1] + 1))
        for k in ks:
            if votes <= k <= total:
                won[k] += math.comb(correct, votes) * float(shared[k - votes])
    return tuple(won[k] / math.comb(total, k) if k <= total else math.nan for k in ks)


def _subsets(votes: int, most: int, wrong: tuple[int, ...], silent: int) -> Floats:
    """Subsets without a correct answer in which no wrong one has more votes than this, by size and number of ties."""
    rivals = [count for count in wrong if count >= votes]
    others = silent + sum(wrong) - sum(rivals)
    ways = np.zeros((most + 1, min(len(rivals), most // votes) + 1))
    ways[: min(others, most) + 1, 0] = [math.comb(others, size) for size in range(min(others, most) + 1)]
    for count in rivals:
        ways = _add_answer(ways, count, votes)
    return ways


def _add_answer(ways: Floats, count: int, most: int) -> Floats:
    """Subsets with one more wrong answer that gets at most `most` votes; getting exactly `most` is one more tie."""
    new = np.zeros_like(ways)
    for votes in range(min(count, most, len(ways) - 1) + 1):
        moved = math.comb(count, votes) * ways[: len(ways) - votes]
        if votes == most:
            new[votes:, 1:] += moved[:, :-1]
        else:
            new[votes:] += moved
    return new
