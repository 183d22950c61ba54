"""Proxy reward against gold accuracy over best-of-k, as a table.

Takes what analysis/over_optimisation.py gives; gives a Table.
"""

from __future__ import annotations

from collections.abc import Sequence

from restem.harness.names import BASE
from restem.reports.analysis.over_optimisation import Curve
from restem.reports.tables.format import difference, estimate
from restem.reports.tables.table import CLUSTERED, Column, Table


def over_optimisation(curves: Sequence[Curve]) -> Table:
    """A row a verifier and checkpoint, with k = 1 and the largest k."""
    return Table.of(
        curves,
        [
            Column("verifier", "Verifier", lambda c: c.verifier, names=True),
            Column("checkpoint", "Samples of", policy_name, names=True),
            Column("proxy@1", "Proxy, k = 1, %", lambda c: estimate(c.proxy[1])),
            Column("gold@1", "Gold, k = 1, %", lambda c: estimate(c.gold[1])),
            Column("most", "Largest k", lambda c: str(c.most)),
            Column("proxy", "Proxy, largest k, %", lambda c: estimate(c.proxy[c.most])),
            Column("gold", "Gold, largest k, %", lambda c: estimate(c.gold[c.most])),
            Column("parted", "Proxy − gold, largest k less k = 1, points", lambda c: difference(c.parted)),
        ],
        id="over_optimisation",
        title="Proxy reward and gold over best-of-k",
        note=(
            "Read the last column: with an interval above 0 the reward of the pick grows faster with k than its "
            "correctness does; where gold falls as well, that is over-optimisation. Of k samples of a problem the "
            "verifier picks the one that it rewards most, ties evenly, expected over all subsets. Proxy: its own "
            "reward of the pick (its score where it grades). Gold: the gold's. Samples that both decided, problems "
            "weighed alike, those alone that have as many samples as the largest k, which 80 % have. Of these seeds. "
            f"{CLUSTERED}"
        ),
    )


def policy_name(curve: Curve) -> str:
    """`judge/2`: the arm and iteration; `base`."""
    return f"{curve.arm}/{curve.iteration}" if curve.arm else BASE
