"""What an imported run shows: its rewards over the steps, agreement, and what another verifier would have kept.

Takes a Run of imported rollouts; gives codes and numbers, computed as they are asked for. Holds no English.
"""

from __future__ import annotations

import dataclasses
import functools
import math

import numpy as np

from restem.harness.names import HUMAN, LABEL, RECORDED
from restem.reports.analysis import agreement_between_verifiers
from restem.reports.analysis.agreement_between_verifiers import VerifierPair
from restem.reports.analysis.findings import TEST, confusion
from restem.reports.analysis.reward_traces import SPLITS, Course, Trace, courses, trace_of
from restem.reports.data.imported import pooled
from restem.reports.data.run import Run
from restem.reports.stats import estimates, reward_quality
from restem.reports.stats.estimates import Estimate
from restem.reports.stats.reward_quality import ErrorRates

USUAL = ("reward", "score", "total_reward")  # what sources call the reward that trained the policy


@dataclasses.dataclass(frozen=True, kw_only=True)
class Kept:
    """What a filter by one verifier would have kept of all samples, beside the recorded reward.

    Attributes:
        judged: Samples that it and the reward were asked about.
        accepted: Of these, what it accepts.
        precision: Share of the accepted that the gold calls correct.
        shared: Share of what it accepts that the reward accepts as well.
        right_lost: Samples that are right by the gold, accepted by the reward and not by it.
        wrong_dropped: Samples that are wrong by the gold, accepted by the reward and not by it.
        right_added: Samples that are right by the gold, accepted by it and not by the reward.
        wrong_added: Samples that are wrong by the gold, accepted by it and not by the reward.
    """

    verifier: str
    judged: int
    accepted: int
    precision: Estimate
    shared: float
    right_lost: int
    wrong_dropped: int
    right_added: int
    wrong_added: int


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Imported:
    """What an imported run shows.

    Attributes:
        run: As it was read.
        whole: The same with the samples of all splits as one.
        gold: The gold, if it has decided any sample; else "".
        reward: The recorded reward that others are compared with: the one that its source most likely trained on.
    """

    run: Run
    whole: Run
    courses: tuple[Course, ...]
    gold: str
    reward: str | None

    @functools.cached_property
    def traces(self) -> tuple[Trace, ...]:
        """Of each course, every recorded reward and then every other verifier, controls left out."""
        return tuple(
            trace
            for course in self.courses
            for name in rewards(self.run)
            if (trace := trace_of(self.whole, course, name, self.gold))
        )

    @property
    def recorded(self) -> tuple[Trace, ...]:
        """The traces of recorded rewards; of all verifiers where none was recorded."""
        return tuple(t for t in self.traces if t.verifier.startswith(RECORDED)) or self.traces

    @functools.cached_property
    def overall(self) -> tuple[tuple[str, ErrorRates], ...]:
        """The recorded rewards (all verifiers where none was recorded) against the gold, on all samples together."""
        rows = np.concatenate([np.zeros(0, np.int64), *self.whole.places.values()])
        names = dict.fromkeys(trace.verifier for trace in self.recorded)
        tables = ((name, confusion(self.whole, rows, TEST, name)) for name in names)
        return tuple((name, reward_quality.error_rates(table)) for name, table in tables)

    @functools.cached_property
    def kept(self) -> tuple[Kept, ...]:
        """What each verifier would have kept; empty without a reward to compare with."""
        return tuple(_kept(self.whole, name, self.reward) for name in rewards(self.run)) if self.reward else ()

    @functools.cached_property
    def pairs(self) -> tuple[VerifierPair, ...]:
        """How far every two verifiers agree, controls left out."""
        return tuple(agreement_between_verifiers.pairs(self.whole))

    @property
    def reward_pairs(self) -> list[VerifierPair]:
        """The pairs of recorded rewards; all pairs where fewer than two rewards were recorded."""
        recorded = [p for p in self.pairs if p.left.startswith(RECORDED) and p.right.startswith(RECORDED)]
        return recorded or [*self.pairs]

    @property
    def opened(self) -> tuple[str, str] | None:
        """The two verifiers whose disagreements are looked at first: the gold and the reward, as far as there are."""
        first = self.gold or self.reward
        others = [name for name in (self.reward, *rewards(self.run)) if name and name != first]
        return (first, others[0]) if first and others else None

    @property
    def other_filter(self) -> Kept | None:
        """Of the verifiers whose kept samples are more precise than the reward's, the most precise; untested."""
        ours = next((item.precision.value for item in self.kept if item.verifier == self.reward), math.nan)
        known = [item for item in self.kept if item.precision.n and item.precision.value > ours]
        return max(known, key=lambda item: item.precision.value, default=None)


def imported(run: Run) -> Imported:
    """What an imported run shows, computed as it is asked for."""
    decided = run.gold in run.outcomes and not np.isnan(run.outcomes[run.gold].value).all()
    recorded = [name for name in rewards(run) if name.startswith(RECORDED)]
    recorded.sort(key=lambda name: -int((~np.isnan(run.outcomes[name].value)).sum()))
    usual = [RECORDED + name for name in USUAL if RECORDED + name in recorded]
    return Imported(
        run=run,
        whole=pooled(run),
        courses=tuple(courses(run)),
        gold=run.gold if decided else "",
        reward=next(iter([*usual, *recorded]), None),
    )


def rewards(run: Run) -> list[str]:
    """The verifiers that are followed over the steps: recorded rewards first; no gold, controls or persons."""
    names = [name for name in run.compared if name not in run.controls and name != LABEL and not name.startswith(HUMAN)]
    return sorted(names, key=lambda name: not name.startswith(RECORDED))


def imported_place(
    run: Run, checkpoint: str | None = None, split: str | None = None, fewest: int = 1
) -> tuple[str | None, str | None]:
    """The latest step of which a problem has so many samples, and its split, training rollouts first.

    Args:
        checkpoint: This step alone.
        split: This split alone.

    Returns:
        What was given, where no step is such.
    """
    for part in SPLITS if split is None else (split,):
        steps = [
            c
            for c in run.checkpoints.values()
            if checkpoint in (None, c.id) and _most_samples(run, c.id, part) >= fewest
        ]
        if steps:
            return max(steps, key=lambda c: (c.iteration, c.id)).id, part
    return checkpoint, split


def _most_samples(run: Run, checkpoint: str, split: str) -> int:
    rows = run.rows(checkpoint, split)
    return int(np.unique(run.samples.problem[rows], return_counts=True)[1].max()) if len(rows) else 0


def _kept(run: Run, verifier: str, reward: str) -> Kept:
    rows = np.concatenate([np.zeros(0, np.int64), *run.places.values()])
    rows = rows[run.asked(verifier, rows) & run.asked(reward, rows)]
    ours, theirs, gold = (run.outcome(name, rows) for name in (verifier, reward, run.gold))
    mine, recorded = ours == 1, theirs == 1
    counts = estimates.per_problem(np.where(mine, gold, np.nan), run.samples.problem[rows], run.size(TEST))
    return Kept(
        verifier=verifier,
        judged=len(rows),
        accepted=int(mine.sum()),
        precision=estimates.proportion(*counts),
        shared=float((mine & recorded).sum() / mine.sum()) if mine.any() else math.nan,
        right_lost=int((recorded & ~mine & (gold == 1)).sum()),
        wrong_dropped=int((recorded & ~mine & (gold == 0)).sum()),
        right_added=int((mine & ~recorded & (gold == 1)).sum()),
        wrong_added=int((mine & ~recorded & (gold == 0)).sum()),
    )
