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
    most = max((k for curve in curves for k in curve.proxy), default=2)
    return Table.of(
        curves,
        [
            Column("verifier", "Verifier", lambda c: c.verifier, names=True),
            Column("checkpoint", "Samples of", policy_name, names=True),
            *_at(1),
            *_at(most),
            Column("parted", f"Proxy − gold, k = {most} less k = 1, points", lambda c: difference(c.parted)),
        ],
        id="over_optimisation",
        title="Proxy reward and gold accuracy of the best of k",
        note=(
            "Read the last column: an interval above 0 says that picking harder by this verifier pays in its reward "
            "and not in correct answers (over-optimisation). Of k samples of a problem the verifier picks the one that "
            "it rewards most, ties evenly, expected over all subsets. Proxy: its own reward of the pick (its score "
            "where it grades). Gold: the gold's. Samples that both decided, problems weighed alike; the last column on "
            f"the problems that have {most} of them. {CLUSTERED}"
        ),
    )


def _at(k: int) -> tuple[Column[Curve], Column[Curve]]:
    """Proxy and gold at one k."""
    return (
        Column(f"proxy@{k}", f"Proxy, k = {k}, %", lambda c: estimate(c.proxy[k])),
        Column(f"gold@{k}", f"Gold, k = {k}, %", lambda c: estimate(c.gold[k])),
    )


def policy_name(curve: Curve) -> str:
    """`judge/2`: the arm and iteration; `base`."""
    return f"{curve.arm}/{curve.iteration}" if curve.arm else BASE
