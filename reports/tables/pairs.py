"""Every arm against the base, and the pairs of arms that the verdict rests on, as a table.

Takes a Ranking; gives a Table.
"""

from __future__ import annotations

from restem.reports.analysis.contest import MARGIN
from restem.reports.analysis.ranking import Ranking
from restem.reports.stats.paired_tests import problems_needed
from restem.reports.stats.seeds import FREEDOM, SPREAD
from restem.reports.tables.format import DASH, difference, number, p_value
from restem.reports.tables.phrases import contest_words
from restem.reports.tables.table import CLUSTERED, Column, Table


def pairs(ranking: Ranking) -> Table:
    """Every arm against the base, and the pairs of arms that the verdict rests on."""
    ends = ranking.iterations
    after = f" after iteration {ends[0]}" if len(ends) == 1 else ""
    margin = f"{100 * MARGIN:.0f} points"
    return Table.of(
        (*ranking.gains, *ranking.contests),
        [
            Column("left", "Arm", lambda c: c.left, names=True),
            Column("right", "Against", lambda c: c.right, names=True),
            Column("difference", "Difference in gold accuracy, points", lambda c: difference(c.claim)),
            Column("alone", "These seeds alone, points", lambda c: difference(c.difference)),
            Column("flips", "Problems + / −", lambda c: f"{c.flips.gained} / {c.flips.lost}"),
            Column("p", "p (Holm)", lambda c: p_value(c.adjusted_p)),
            Column(
                "equivalence",
                f"p, apart by {margin} (TOST)",
                lambda c: p_value(c.equivalence.p_value) if c.equivalence.margin else DASH,
            ),
            Column("detectable", "Detectable effect, points", lambda c: number(c.claim.detectable)),
            Column("needed", f"Problems for {margin}", lambda c: number(problems_needed(c.difference, MARGIN), 0, 1)),
            Column("verdict", "Verdict", contest_words),
        ],
        id="pairs",
        title=f"Arms against the base and each other{after}",
        note=_note(ranking, margin),
    )


def _note(ranking: Ranking, margin: str) -> str:
    overall = ranking.overall
    return (
        "Differences, p and the detectable effect are of other seeds on other problems; the spread between seeds is "
        f"taken from this run's own and from earlier runs' ({100 * SPREAD:.0f} points, which count as {FREEDOM:.0f} "
        "seeds more). These seeds alone: by problem, without it. p is corrected in each family: all arms against the "
        "base; the best candidate against the others; every candidate against the best control arm, one-sided; the "
        "ceiling against every candidate"
        + ("; the ceiling against the other arms of the gold" if ranking.golds > 1 else "")
        + ". Equality comes first: a small TOST p says that the two are equal within "
        f"{margin}, whatever p is. Problems + / −: with a larger, and a smaller, share of correct. Detectable with "
        f"80 % power; problems for {margin}: as many find such a difference with that power, these seeds given. "
        f"All arms and the base at once, over problems: Cochran's Q {overall.statistic:.1f}, "
        f"df {overall.freedom}, p {p_value(overall.p_value)}. {CLUSTERED}"
    )
