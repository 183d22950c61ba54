"""Labels of few responses, as tables: the strata that they are drawn from, and the candidates' rates.

Takes a Population and Labelled; gives Tables.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from restem.reports.analysis.labels import Labelled, Population
from restem.reports.stats.estimates import Floats
from restem.reports.tables.format import difference, estimate, number
from restem.reports.tables.table import Column, Table

NAMED = 3  # verdicts of a pooled stratum that are named


def strata(responses: Population, labels: int) -> Table:
    """Each stratum: which verdicts it has, its responses, and those among the first so many to label."""
    records = zip(
        range(len(responses.strata.size)),
        responses.strata.size.tolist(),
        responses.drawn(labels).tolist(),
        responses.inclusion(labels).tolist(),
        strict=True,
    )
    return Table.of(
        records,
        [
            Column("stratum", "Stratum", lambda row: str(row[0] + 1)),
            Column("verdicts", "Verdicts", lambda row: _verdicts(responses, row[0]), names=True),
            Column("responses", "Responses", lambda row: str(row[1])),
            Column("drawn", "Drawn", lambda row: str(row[2])),
            Column("inclusion", "Inclusion, %", lambda row: number(row[3])),
        ],
        id="label-strata",
    )


def _verdicts(responses: Population, stratum: int) -> str:
    patterns = responses.strata.patterns[stratum]
    if len(patterns) > 1:
        return f"{len(patterns)} rarer patterns"
    return _words(responses.verifiers, patterns[0])


def _words(verifiers: tuple[str, ...], pattern: Floats) -> str:
    """Who accepts, or who does not, whichever is shorter; undecided verdicts are named apart."""
    accepting = [name for name, verdict in zip(verifiers, pattern, strict=True) if verdict == 1]
    refusing = [name for name, verdict in zip(verifiers, pattern, strict=True) if verdict == 0]
    undecided = [name for name, verdict in zip(verifiers, pattern, strict=True) if math.isnan(verdict)]
    word, names = (
        ("accepted", accepting) if 0 < len(accepting) <= len(refusing) or not refusing else ("refused", refusing)
    )
    parts = [f"{word} by {'all' if len(names) == len(verifiers) else _listed(names)}"] if names else []
    return "; ".join([*parts, *([f"undecided: {_listed(undecided)}"] if undecided else [])])


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= NAMED else f"{len(names)} verifiers"


def rates(result: Labelled) -> Table:
    """Each candidate's rates, from the weighted labels."""
    return Table.of(
        result.rates,
        [
            Column("verifier", "Verifier", lambda named: named[0], names=True),
            Column("tpr", "TPR, %", lambda named: estimate(named[1].tpr)),
            Column("fpr", "FPR, %", lambda named: estimate(named[1].fpr)),
            Column("likelihood_ratio", "LR+", lambda named: estimate(named[1].likelihood_ratio, 1, 1)),
            Column("youden", "J, points", lambda named: estimate(named[1].youden)),
            Column("precision", "Precision of accepted, %", lambda named: estimate(named[1].precision)),
        ],
        id="label-rates",
    )


def contests(result: Labelled) -> Table:
    """The candidate with the largest J against each other one."""
    return Table.of(
        result.contests,
        [
            Column("better", "Best by J", lambda contest: contest.better, names=True),
            Column("other", "Against", lambda contest: contest.other, names=True),
            Column("youden", "J more by, points", lambda contest: difference(contest.difference.youden)),
            Column("ratio", "LR+ times", lambda contest: estimate(contest.difference.likelihood_ratio, 2, 1)),
            Column("settled", "Settled", lambda contest: contest.settled, names=True),
            Column("needed", "Labels that settle it", lambda contest: str(contest.needed)),
        ],
        id="label-contests",
    )
