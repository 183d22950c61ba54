"""Prints how often two seeds of one arm are told apart: a rule that claims 5 % should do so in about 5 of 100 pairs.

    python -m tests.perf.same_arm RUN...

Takes runs whose arms have several replicates. Each pair of replicates of one arm and iteration is treated as two arms
of one seed each, and compared by the product's own rule, with the spread between seeds that it supposes of such arms
(restem/reports/stats/seeds.py). Asserts nothing.
"""

from __future__ import annotations

import itertools
import sys
from collections import Counter
from pathlib import Path

import click

sys.path.insert(0, str(Path(__file__).parents[2]))

from restem.reports.analysis.contest import ALPHA, contest_of
from restem.reports.analysis.findings import find
from tests.perf.resampled_runs import brief_run


def pairs(folder: str) -> Counter[str]:
    """How many pairs there are, and how many the rule tells apart, shows to be equal, or a t by problem alone parts."""
    counted: Counter[str] = Counter()
    for (_, iteration), standing in find(brief_run(folder), brief=True).standings.items():
        for left, right in itertools.combinations(standing.replicates, 2):
            contest = contest_of(left, right, names=("left", "right"))
            if iteration and contest:
                by_problem = contest.difference.p_value < ALPHA
                counted += Counter(pairs=1, apart=contest.decided, equal=contest.equal, by_problem=by_problem)
    return counted


@click.command()
@click.argument("folders", nargs=-1, required=True)
def main(folders: tuple[str, ...]) -> None:
    """Prints a line a run, and one for all."""
    results = {folder: pairs(folder) for folder in folders}
    for name, found in {**results, "all": sum(results.values(), Counter[str]())}.items():
        share = f"{100 * found['apart'] / found['pairs']:.1f} %" if found["pairs"] else "none"
        print(
            f"{name}: {found['pairs']} pairs, told apart {found['apart']} ({share}), "
            f"equal {found['equal']}, by problem alone {found['by_problem']}"
        )


if __name__ == "__main__":
    main()
