"""Every arm against the base, and every pair of arms, as a table.

Takes a Ranking; gives a Table.
"""

from __future__ import annotations

from restem.reports.analysis.ranking import MARGIN, Ranking
from restem.reports.stats.paired_tests import problems_needed
from restem.reports.tables.format import difference, number, p_value
from restem.reports.tables.phrases import contest_words
from restem.reports.tables.table import CLUSTERED, Column, Table


def pairs(ranking: Ranking) -> Table:
    """Every arm against the base, and every pair of arms, at the last common iteration."""
    margin = f"{100 * MARGIN:.0f} points"
    contests = (*ranking.gains, *ranking.contests)
    replicated = any(contest.seeded for contest in contests)
    return Table.of(
        contests,
        [
            Column("left", "Arm", lambda c: c.left, names=True),
            Column("right", "Against", lambda c: c.right, names=True),
            Column("difference", "Difference in gold accuracy, points", lambda c: difference(c.difference)),
            Column("over_seeds", "Over seeds and problems, points", lambda c: difference(c.seeded))
            if replicated
            else None,
            Column("flips", "Problems + / −", lambda c: f"{c.flips.gained} / {c.flips.lost}"),
            Column("p", "p (Holm)", lambda c: p_value(c.adjusted_p)),
            Column("equivalence", f"p, apart by {margin} (TOST)", lambda c: p_value(c.equivalence.p_value)),
            Column("detectable", "Detectable effect, points", lambda c: number(c.claim.detectable)),
            Column("needed", f"Problems for {margin}", lambda c: number(problems_needed(c.difference, MARGIN), 0, 1)),
            Column("verdict", "Verdict", contest_words),
        ],
        id="pairs",
        title=f"Arms against the base and each other after iteration {ranking.iteration}",
        note=_note(ranking, margin, replicated),
    )


def _note(ranking: Ranking, margin: str, replicated: bool) -> str:
    seeds = (
        "Over seeds and problems: of other seeds on other problems, as the verdict, both p and the detectable effect "
        "are wherever a side has replicates. "
    )
    overall = ranking.overall
    return (
        f"Paired t over problems (McNemar's exact test where each has one sample); p corrected for all arms "
        f"against the base, and for all pairs. {seeds * replicated}Problems + / −: with a larger, and a "
        f"smaller, share of correct. TOST: a small p says that the two are equal within {margin}. Detectable with "
        f"80 % power; problems for {margin}: as many find such a difference with that power, these seeds given. "
        f"All of them and the base at once, over problems: Cochran's Q {overall.statistic:.1f}, "
        f"df {overall.freedom}, p {p_value(overall.p_value)}. {CLUSTERED}"
    )
