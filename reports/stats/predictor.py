"""The accuracy of a policy before it is trained, from the texts that it will be trained on: pure functions.

Takes shares; gives log-odds and shares. With p the accuracy of the base, k the precision of the texts that are kept and
d the precision of the distinct texts that the base wrote for the same problems:

    logit p' = logit p + KAPPA (k - d)

d is the neutral point: a policy that is trained on each text that it wrote, once, learns nothing about right and wrong.
Where copies of a text are kept, k is higher than d without any verifier, as right texts are written more often. The
samples of the next iteration come from the new policy, so that its kept texts are better by

    logit k_next = logit k + FOLLOWED (logit p' - logit p)

where FOLLOWED is large where copies are kept, since they follow the policy, and small where each text is kept once.

The form and the constants were chosen on three suites, and were tested on six others, whose predictions were on disk
before their policies were trained: docs/prediction.md. They hold for training that starts from the base each time.
Works element by element. NaN means that nothing can be predicted.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit, logit

from restem.reports.stats.estimates import Floats

KAPPA = 2.5
FOLLOWED_BY_COPIES = 0.5
FOLLOWED_BY_TEXTS = 0.13
ERROR = 0.22  # standard deviation of the prediction's own error, in log-odds
FREEDOM = 8.0  # degrees of freedom that this is worth


def gain(kept: ArrayLike, distinct: ArrayLike) -> Floats:
    """Change of the log-odds of accuracy by training on texts of this precision.

    Args:
        kept: Precision of the kept texts, k.
        distinct: Precision of the base's distinct texts, d.
    """
    return KAPPA * (np.asarray(kept, np.float64) - np.asarray(distinct))


def next_kept(kept: ArrayLike, gain: ArrayLike, *, copies: bool) -> Floats:
    """Precision of what the same verifier and rule keep of the new policy's samples.

    Args:
        kept: Precision of what it kept of the policy before.
        gain: The new policy's change of log-odds over the one before.
        copies: Whether equal texts are kept more than once.
    """
    followed = FOLLOWED_BY_COPIES if copies else FOLLOWED_BY_TEXTS
    return expit(logit(np.asarray(kept, np.float64)) + followed * np.asarray(gain))


def chain(kept: ArrayLike, distinct: ArrayLike, iterations: int, *, copies: bool) -> list[tuple[Floats, Floats]]:
    """Kept precision and change of log-odds over the base, for each iteration in turn.

    Training starts from the base in every iteration: the changes do not add up.
    """
    k, before, steps = np.asarray(kept, np.float64), 0.0, []
    for _ in range(iterations):
        change = gain(k, distinct)
        steps.append((k, change))
        k, before = next_kept(k, change - before, copies=copies), change
    return steps


def moved(accuracy: ArrayLike, change: ArrayLike) -> Floats:
    """The accuracy whose log-odds are higher by `change`."""
    return expit(logit(np.asarray(accuracy, np.float64)) + np.asarray(change))
