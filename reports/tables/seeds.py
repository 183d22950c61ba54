"""Replicates of each arm as a table: their accuracies, and the two kinds of uncertainty of their mean apart.

Takes Findings; gives a Table.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from restem.reports.analysis.contest import crossed
from restem.reports.analysis.findings import Findings, Standing
from restem.reports.stats.seeds import Replicates
from restem.reports.tables.arms import arm_cell
from restem.reports.tables.format import DASH, estimate, number
from restem.reports.tables.table import Column, Table


class _Seeds(NamedTuple):
    """An arm after an iteration; None where its replicates cannot be compared."""

    standing: Standing
    spread: Replicates | None

    def accuracy(self, seed: int) -> str:
        """The accuracy of a replicate; a dash where there are fewer."""
        replicates = self.standing.replicates
        return number(replicates[seed].accuracy.value) if seed < len(replicates) else DASH

    @property
    def mean(self) -> str:
        return number(self.spread.seeds.value if self.spread else self.standing.accuracy.value)


def seeds_table(findings: Findings) -> Table:
    """Each replicate by itself, and the two kinds of uncertainty of their mean apart."""
    standings = [s for s in findings.standings.values() if s.iteration and s.replicates]
    most = max((len(s.replicates) for s in standings), default=0)
    return Table.of(
        [_Seeds(standing, crossed(standing)) for standing in standings],
        [
            Column("arm", "Arm", lambda r: arm_cell(r.standing.arm), names=True),
            Column("iteration", "Iteration", lambda r: str(r.standing.iteration)),
            *(Column(f"seed{seed}", f"Seed {seed}, %", lambda r, seed=seed: r.accuracy(seed)) for seed in range(most)),
            Column("mean", "Mean, %", lambda r: r.mean),
            Column("seeds", "Over seeds (t)", lambda r: estimate(r.spread.seeds).detail if r.spread else DASH),
            Column("problems", "By problem", lambda r: estimate(r.spread.problems).detail if r.spread else DASH),
            Column("both", "Both", lambda r: estimate(r.spread.both).detail if r.spread else DASH),
            Column(
                "between",
                "SD between seeds, points",
                lambda r: number(math.sqrt(r.spread.between)) if r.spread else DASH,
            ),
            Column(
                "within",
                "SD of seed × problem and sampling, points",
                lambda r: number(math.sqrt(r.spread.within)) if r.spread else DASH,
            ),
        ],
        id="seeds",
        title="Replicates: spread over seeds apart from sampling error",
        note=(
            "Gold accuracy on the test split of the same problems. Over seeds: what other seeds would give on these "
            "problems. By problem: what these seeds would give on other problems. Both: other seeds on other problems, "
            "the one for a claim about the recipe. The standard deviations take apart how the replicates' means "
            "differ: by seeds being better or worse on all problems alike; and by the rest, which is the finite number "
            "of test samples together with seeds being better on some problems and worse on others (these counts "
            "cannot separate the two)."
        ),
    )
