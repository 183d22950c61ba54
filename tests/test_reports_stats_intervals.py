"""A small part of the grid of docs/intervals.md: how often 95 % intervals of rates and gains hold the truth."""

import math

import pytest

from tests.perf.coverage import RATE_NAMES, Cell, Cover, Gain, coverage_of_gain, coverage_of_rates

ROUNDS = 400
# The grid's figures lie between 93 and 98 %; three Monte Carlo errors more, as 22 figures are read here.
LEAST = 0.93 - 3 * math.sqrt(0.93 * 0.07 / ROUNDS)
MOST = 0.98 + 3 * math.sqrt(0.98 * 0.02 / ROUNDS)


def outside(covers: dict[str, Cover]) -> dict[str, float]:
    return {name: cover.share for name, cover in covers.items() if not LEAST <= cover.share <= MOST}


@pytest.mark.parametrize(
    "cell",
    [
        Cell(30, 0.5, 0.95, 0.10, 0.25),
        Cell(100, 0.5, 0.995, 0.03, 0.25),
        Cell(256, 0.9, 0.995, 0.03, 0.25),
        Cell(256, 0.5, 0.95, 0.27, 0.08),
    ],
)
def test_intervals_of_a_verifiers_rates_hold_the_truth(cell: Cell) -> None:
    covers = coverage_of_rates(cell, ROUNDS)
    assert tuple(covers) == RATE_NAMES
    assert not outside(covers)


@pytest.mark.parametrize("seeds", [1, 3])
def test_intervals_of_gains_hold_the_truth_where_seeds_differ(seeds: int) -> None:
    covers = coverage_of_gain(Gain(100, seeds, 0.04), ROUNDS)
    assert covers["gain"].share >= LEAST
    assert covers["by problem alone"].share < LEAST
