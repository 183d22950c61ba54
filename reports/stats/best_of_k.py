"""Accuracy of best-of-k: a verifier picks one of k samples of a problem, and the gold says whether that one is correct.

Takes scores and gold outcomes of single samples; gives a value per problem. The oracle that picks a correct sample
whenever there is one has pass@k, and a vote has maj@k (`majority.py`); a verifier without information has pass@1.
Does not depend on runs or files.
"""

from __future__ import annotations

import numpy as np

from restem.reports.stats.estimates import Floats, Ints, ratio


def best_of_k(score: Floats, gold: Floats, problem: Ints, size: int, k: int) -> Floats:
    """Expected gold accuracy of the highest-scored of k samples of a problem, drawn without replacement.

    Exact over all subsets: the pick has at most score s in C(samples with at most s, k) of the C(n, k) subsets. Equal
    scores are picked from uniformly; an undecided sample (score NaN) only where all k are undecided.

    Args:
        score: What the verifier gives each sample; its outcomes where it has no finer score.
        gold: 1, 0, or NaN: such samples are left out, as in pass@k.
        problem: Each sample's problem, from 0 to `size` - 1.
        size: Problems.
        k: Samples to choose among.

    Returns:
        NaN for a problem with fewer than k samples that the gold decided.
    """
    known = ~np.isnan(gold)
    problem, truth = problem[known], gold[known]
    rank = np.where(np.isnan(score[known]), -np.inf, score[known])
    order = np.lexsort((rank, problem))
    problem, truth, rank = problem[order], truth[order], rank[order]
    samples = np.bincount(problem, minlength=size)
    start = np.concatenate([[0], np.cumsum(samples)])
    # A tie is a run of equal (problem, score); its bounds count the problem's samples below it, and up to it.
    first = np.flatnonzero(np.r_[True, (problem[1:] != problem[:-1]) | (rank[1:] != rank[:-1])][: len(rank)])
    last = np.append(first[1:], len(rank))
    of = problem[first]
    below, up_to = first - start[of], last - start[of]
    chosen = _within(up_to, samples[of], k) - _within(below, samples[of], k)
    accuracy = ratio(np.add.reduceat(truth, first), last - first) if len(first) else np.zeros(0)
    expected = np.bincount(of, chosen * accuracy, minlength=size)
    return np.where(samples >= k, expected, np.nan)


def _within(part: Ints, whole: Ints, k: int) -> Floats:
    """C(part, k) / C(whole, k): the share of subsets that lie in the part; 0 where the whole is smaller than k."""
    share = np.ones(len(part))
    for drawn in range(k):
        share = share * np.nan_to_num(ratio(np.maximum(part - drawn, 0), np.maximum(whole - drawn, 0)))
    return share
