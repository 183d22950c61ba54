"""Prints how often the advice on each arm of a run is the same where its problems are drawn anew.

    python -m tests.perf.advice_flips RUN... [--resamples 200] [--seeds]

Each resample draws the run's problems with replacement, the same for all arms (with --seeds also its replicates), and
runs the product's own ranking, recommendation and headline on them. A verdict that such a draw changes is one that a
re-run may change. Asserts nothing; takes a second or so a resample.
"""

from __future__ import annotations

import sys
import time
from collections import Counter, defaultdict
from pathlib import Path

import click
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from restem.reports.analysis.answer import answer
from restem.reports.analysis.contest import arm_of
from restem.reports.analysis.findings import find
from restem.reports.analysis.ranking import rank
from restem.reports.analysis.recommendation import advise
from restem.reports.data.run import Run
from tests.perf.resampled_runs import brief_run, of_problems, of_seeds

HEADLINE, BEST = "(headline)", "(best arm)"
FAULT = " + "


def codes(run: Run) -> dict[str, str]:
    """Arm -> the code of its recommendation, with a fault where one is shown; the headline's code and the best arm."""
    findings = find(run, brief=True)
    ranking = rank(findings)
    verdict = answer(findings, ranking)
    found = {HEADLINE: str(verdict.code), BEST: arm_of(verdict.best).name if verdict.best else "none"}
    for advice in advise(findings, ranking):
        found[arm_of(advice.standing).name] = advice.code + (FAULT + advice.fault if advice.fault else "")
    return found


def resampled(run: Run, resamples: int, seeds: bool) -> dict[str, Counter[str]]:
    """Arm -> how often each code came."""
    random, counted = np.random.default_rng(20_260_101), defaultdict(Counter)
    replicates = int(run.suite.get("replicates", 1))
    for _ in range(resamples):
        again = of_seeds(run, random.integers(0, replicates, replicates).tolist()) if seeds and replicates > 1 else run
        for arm, code in codes(of_problems(again, random)).items():
            counted[arm][code] += 1
    return counted


@click.command()
@click.argument("folders", nargs=-1, required=True)
@click.option("--resamples", default=200, show_default=True)
@click.option("--seeds", is_flag=True, help="Draw the replicates with replacement as well.")
def main(folders: tuple[str, ...], resamples: int, seeds: bool) -> None:
    """Prints, for every arm, the share of resamples with the recommendation of the whole run, the share where the fault
    shown with it is the same as well, and which others came."""
    for folder in folders:
        run, started = brief_run(folder), time.perf_counter()
        whole, counted = codes(run), resampled(run, resamples, seeds)
        print(f"{folder}: {resamples} resamples of problems{' and seeds' if seeds else ''}", end=", ")
        print(f"{time.perf_counter() - started:.0f} s")
        for arm, code in whole.items():
            others = [f"{other} {n}" for other, n in counted[arm].most_common() if other != code]
            alike = sum(n for other, n in counted[arm].items() if other.split(FAULT)[0] == code.split(FAULT)[0])
            shares = f"{100 * alike / resamples:5.1f} {100 * counted[arm][code] / resamples:5.1f} %"
            print(f"  {arm:20} {shares}  {code}", *others, sep="  ", flush=True)


if __name__ == "__main__":
    main()
