"""Which samples of a run show most about its verifiers, and where each sample stands.

Takes a Run; gives arrays over its samples. Does not depend on the samples' texts or on pages.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from restem.harness.names import MARK, unmarked
from restem.reports.data.run import Run
from restem.reports.stats.estimates import Ints

LETTERS = "-cwu"
SPLITS = ("test", "train", "validation")
AGREEING = 10  # every tenth chosen sample is one on which the verifiers agree, as long as there are any

Codes = NDArray[np.int64]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Layout:
    """The place of every sample of the run, and its outcomes, as arrays over its rows.

    Attributes:
        verifiers: The gold first, then those it is compared with, then the controls, `steps` last.
        codes: A row a verifier: positions in LETTERS. A verifier with another seed in each replicate has one row: a
            replicate's samples are judged by that replicate's verifier, the base's test samples by the first.
        pattern: Number of the sample's column of `codes` among the distinct ones.
        places: (checkpoint, split), checkpoints in the run's order.
        place: Number in `places`; -1 where a sample has none.
        number: Place among the samples of its problem and checkpoint.
    """

    verifiers: tuple[str, ...]
    codes: Codes
    pattern: Ints
    places: tuple[tuple[str, str], ...]
    place: Ints
    number: Ints


def lay_out(run: Run) -> Layout:
    """The place of every sample, and its outcome by every verifier."""
    others = [name for name in run.compared if name in run.outcomes]
    known = [run.gold, *others, *([run.steps] if run.steps else [])]
    verifiers = tuple(dict.fromkeys(name for name in known if name in run.outcomes))
    size = len(run.samples.id)
    codes = np.zeros((len(verifiers), size), np.int64)
    pattern = np.zeros(size, np.int64)
    for row, name in zip(codes, verifiers, strict=True):
        for outcomes in (run.outcomes[replica] for replica in own_names(run, name)):
            free = row == 0
            row[free & outcomes.scored] = 3
            row[free & (outcomes.value == 1)] = 1
            row[free & (outcomes.value == 0)] = 2
        # Renumbered after each verifier: 4 to the power of the verifiers would overflow with 32 of them.
        pattern = np.unique(pattern * 4 + row, return_inverse=True)[1]
    places = sorted(run.places, key=lambda place: _place_order(run, *place))
    place, number = np.full(size, -1), np.zeros(size, np.int64)
    for index, key in enumerate(places):
        rows = run.places[key]
        place[rows] = index
        number[rows] = earlier(run.samples.problem[rows])
    return Layout(verifiers=verifiers, codes=codes, pattern=pattern, places=tuple(places), place=place, number=number)


def own_names(run: Run, name: str) -> tuple[str, ...]:
    """The names that a verifier has in the replicates of the suite, that of the first replicate first."""
    seeded = (other for other in run.outcomes if MARK in other and unmarked(other) == name)
    return name, *sorted(seeded, key=lambda other: int(other.partition(MARK)[2]))


def _place_order(run: Run, checkpoint: str, split: str) -> tuple[int | str, ...]:
    """The base first, then arm by arm in the suite's order."""
    stored = run.checkpoints.get(checkpoint)  # None for a candidate whose samples are stored before its row is
    arms = [None, *(arm.name for arm in run.arms)]
    arm = arms.index(stored.arm) if stored and stored.arm in arms else len(arms)
    iteration, steps = (stored.iteration, stored.steps) if stored else (0, 0)
    return arm, iteration, steps, checkpoint, SPLITS.index(split) if split in SPLITS else len(SPLITS), split


def earlier(groups: Ints) -> Ints:
    """For each element how many equal ones stand before it."""
    order = np.argsort(groups, kind="stable")
    ordered = groups[order]
    fresh = np.r_[True, ordered[1:] != ordered[:-1]] if len(groups) else np.zeros(0, bool)
    starts = np.flatnonzero(fresh)
    places = np.empty(len(groups), np.int64)
    places[order] = np.arange(len(groups)) - starts[np.cumsum(fresh) - 1]
    return places


def informative_rows(run: Run, layout: Layout, first: Sequence[int], most: int) -> Ints:
    """At most this many rows: `first`, then samples on which verifiers differ, mixed with some on which they agree.

    Rows are taken in turns (round-robin) over strata of verifier pair, outcomes, checkpoint and split, each in the
    order of sample ids; ids are hashes, so this is a fixed random order. Controls and `steps` form no stratum: a
    control differs from every verifier for no reason, and `steps` judges the steps, not the answer. Samples of checks
    within an M-step come after those of all checkpoints that were kept.
    """
    unset = np.iinfo(np.int64).max
    turn = np.full(len(layout.place), unset)  # in which round a row is taken
    codes = [layout.codes[layout.verifiers.index(name)] for name in informed_verifiers(run) if name in layout.verifiers]
    for a, b in itertools.combinations(codes, 2):
        rows = np.flatnonzero((a != b) & (a > 0) & (b > 0) & (layout.place >= 0))
        turn[rows] = np.minimum(turn[rows], earlier((layout.place[rows] * 4 + a[rows]) * 4 + b[rows]))
    kinds = [run.checkpoints[c].kind if c in run.checkpoints else "candidate" for c, _ in layout.places]
    check = np.array([kind == "candidate" for kind in kinds], bool)[layout.place] if kinds else np.zeros(0, bool)
    differ, agree = np.flatnonzero(turn < unset), np.flatnonzero((turn == unset) & (layout.place >= 0))
    differ = differ[np.lexsort((differ, turn[differ], check[differ]))]
    turns = earlier(layout.place[agree] * (layout.pattern.max(initial=0) + 1) + layout.pattern[agree])
    agree = agree[np.lexsort((agree, turns, check[agree]))]
    order = np.r_[np.arange(len(differ)) * AGREEING / (AGREEING - 1), np.arange(len(agree)) * AGREEING + 0.5]
    rows = np.r_[differ, agree][np.argsort(order, kind="stable")]
    wanted = np.array([row for row in dict.fromkeys(first) if layout.place[row] >= 0], np.int64)
    return np.r_[wanted, rows[~np.isin(rows, wanted)]][:most]


def informed_verifiers(run: Run) -> tuple[str, ...]:
    """The verifiers that judge the final answer and carry information: the gold, and what it is compared with."""
    return (run.gold, *(name for name in run.compared if name not in run.controls))
