"""Prints how often the intervals of a report hold the truth, on simulated runs: the table of docs/intervals.md.

    python -m tests.perf.coverage [--rounds 2000] [--part rates|gains] [--correlation 0.08 0.25]

Rates: 8 samples of each problem; a problem's chance of a correct answer, TPR and FPR are Betas over problems, so that
outcomes on one problem resemble each other. Gains: base and arm on the same problems, each seed's training adds its own
points. Takes minutes; needs no run. The estimators are the product's own, and a small part of the grid is a test.
"""

from __future__ import annotations

import itertools
import math
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from restem.reports.stats import estimates, seeds
from restem.reports.stats.estimates import Counts, Estimate
from restem.reports.stats.reward_quality import FALSE_ACCEPT, FALSE_REJECT, TRUE_ACCEPT, TRUE_REJECT
from restem.reports.stats.two_rates import likelihood_ratio, youden

SAMPLES = 8
PROBLEMS = (30, 100, 256)
RATES = ((0.95, 0.10), (0.995, 0.03), (0.95, 0.27))
ACCURACY = (0.5, 0.9)
OF_ACCURACY = 0.3  # correlation of two samples of a problem: problems differ in difficulty
RATE_NAMES = ("TPR", "FPR", "LR+", "J", "precision")


class Cell(NamedTuple):
    """One setting of the simulation of rates."""

    problems: int
    accuracy: float
    tpr: float
    fpr: float
    correlation: float


class Gain(NamedTuple):
    """One setting of the simulation of gains; `spread`: standard deviation of accuracy between seeds."""

    problems: int
    seeds: int
    spread: float


class Cover(NamedTuple):
    """How many intervals held the truth, out of those that there were, and their mean width (infinite: NaN)."""

    held: int
    rounds: int
    width: float

    @property
    def share(self) -> float:
        return self.held / self.rounds

    @property
    def error(self) -> float:
        """Monte Carlo standard error of the share."""
        return math.sqrt(self.share * (1 - self.share) / self.rounds)


def cells(correlations: tuple[float, ...]) -> Iterator[Cell]:
    for problems, accuracy, (tpr, fpr), correlation in itertools.product(PROBLEMS, ACCURACY, RATES, correlations):
        yield Cell(problems, accuracy, tpr, fpr, correlation)


def gains() -> Iterator[Gain]:
    for spread, count, problems in itertools.product((0.0, 0.04), (1, 3, 5), PROBLEMS):
        yield Gain(problems, count, spread)


def tables(random: np.random.Generator, cell: Cell, rounds: int) -> np.ndarray:
    """Confusion counts (rounds x problems x 4) of simulated verdicts."""
    shape = (rounds, cell.problems)
    right = random.binomial(SAMPLES, _beta(random, cell.accuracy, OF_ACCURACY, shape))
    accepted = random.binomial(right, _beta(random, cell.tpr, cell.correlation, shape))
    wrongly = random.binomial(SAMPLES - right, _beta(random, cell.fpr, cell.correlation, shape))
    columns = {TRUE_ACCEPT: accepted, FALSE_ACCEPT: wrongly, FALSE_REJECT: right - accepted}
    columns[TRUE_REJECT] = SAMPLES - right - wrongly
    return np.stack([columns[place] for place in range(4)], axis=-1)


def _beta(random: np.random.Generator, mean: float, correlation: float, shape: tuple[int, int]) -> np.ndarray:
    total = 1 / correlation - 1
    return random.beta(mean * total, (1 - mean) * total, shape)


def rates_of(table: np.ndarray) -> dict[str, Estimate]:
    """The estimates of one simulated run."""
    accepted, wrongly = table[:, TRUE_ACCEPT], table[:, FALSE_ACCEPT]
    right, wrong = accepted + table[:, FALSE_REJECT], wrongly + table[:, TRUE_REJECT]
    tpr, fpr = estimates.proportion(accepted, right), estimates.proportion(wrongly, wrong)
    sides = (accepted, right, tpr), (wrongly, wrong, fpr)
    precision = estimates.proportion(accepted, accepted + wrongly)
    figures = (tpr, fpr, likelihood_ratio(*sides), youden(*sides), precision)
    return dict(zip(RATE_NAMES, figures, strict=True))


def coverage_of_rates(cell: Cell, rounds: int) -> dict[str, Cover]:
    """Of each rate in one setting."""
    kept = cell.accuracy * cell.tpr
    precision = kept / (kept + (1 - cell.accuracy) * cell.fpr)
    values = (cell.tpr, cell.fpr, cell.tpr / cell.fpr, cell.tpr - cell.fpr, precision)
    random = np.random.default_rng([round(1000 * value) for value in cell])
    drawn = [rates_of(table) for table in tables(random, cell, rounds)]
    return {name: _cover([d[name] for d in drawn], truth) for name, truth in zip(RATE_NAMES, values, strict=True)}


def coverage_of_gain(setting: Gain, rounds: int) -> dict[str, Cover]:
    """Of the gain over the base: with the spread between seeds, as the report has it, and by problem alone."""
    random = np.random.default_rng([round(1000 * value) for value in setting])
    found: dict[str, list[Estimate | estimates.Difference]] = defaultdict(list)
    for _ in range(rounds):
        skill = random.uniform(0.2, 0.6, setting.problems)
        moved = 0.2 + random.normal(0, setting.spread, (setting.seeds, 1)) if setting.spread else 0.2
        base = random.binomial(SAMPLES, skill)
        arm = random.binomial(SAMPLES, np.clip(skill + moved, 0, 1), (setting.seeds, setting.problems))
        full = np.full(arm.shape, SAMPLES)
        paired = estimates.paired(Counts(arm.sum(axis=0), full.sum(axis=0)), Counts(base, full[0]))
        assert paired is not None
        crossed = seeds.crossed(Counts(arm, full)) if setting.seeds > 1 else None
        found["gain"].append(seeds.with_seeds(paired, [crossed]))
        found["by problem alone"].append(paired)
    return {name: _cover(intervals, 0.2) for name, intervals in found.items()}


def _cover(intervals: list[Estimate | estimates.Difference], truth: float) -> Cover:
    """Of the intervals that there are: a run without a wrong sample has no FPR."""
    known = [each for each in intervals if not math.isnan(each.low)]
    width = float(np.median([each.high - each.low for each in known]))
    return Cover(sum(each.low <= truth <= each.high for each in known), len(known), width)


def text(name: str, cover: Cover) -> str:
    """Coverage, its Monte Carlo error, and the width: in points, of LR+ as it is."""
    width = f"{cover.width:.1f}" if name == "LR+" else f"{100 * cover.width:.1f}"
    return f"{100 * cover.share:.1f} ± {100 * cover.error:.1f} ({width})"


@click.command()
@click.option("--rounds", default=2000, show_default=True)
@click.option("--part", type=click.Choice(["rates", "gains"]), multiple=True, default=["rates", "gains"])
@click.option("--correlation", type=float, multiple=True, default=[0.08, 0.25], show_default=True)
def main(rounds: int, part: tuple[str, ...], correlation: tuple[float, ...]) -> None:
    """Prints the coverage of 95 % intervals in percent, ± its Monte Carlo error, and in brackets the median width."""
    if "rates" in part:
        print("| problems | accuracy | TPR | FPR | correlation |", " | ".join(RATE_NAMES), "|")
        print("|" + "---|" * (5 + len(RATE_NAMES)))
        for cell in cells(correlation):
            covers = coverage_of_rates(cell, rounds)
            print("|", " | ".join(map(str, cell)), "|", " | ".join(text(*item) for item in covers.items()), "|")
    if "gains" in part:
        print("\n| problems | seeds | spread between seeds, points | gain | by problem alone |\n|---|---|---|---|---|")
        for setting in gains():
            covers = coverage_of_gain(setting, rounds)
            shown = f"| {setting.problems} | {setting.seeds} | {100 * setting.spread:.0f} |"
            print(shown, " | ".join(text(*item) for item in covers.items()), "|")


if __name__ == "__main__":
    main()
