"""Accuracy, gain and verifier rates by stratum: a row a module, a level, or another part of the problems.

Takes Findings; gives Tables. The parts are those that the problems name themselves (`Problem.strata`); problem_kinds.py
reads kinds from texts where they name none. Does not depend on benchmarks.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from restem.harness.names import BASE
from restem.reports.analysis.findings import TEST, Findings, Standing, confusion
from restem.reports.data.run import Bools, Run
from restem.reports.stats import estimates
from restem.reports.stats.estimates import Counts, Estimate, Ints
from restem.reports.stats.reward_quality import FALSE_ACCEPT, FALSE_REJECT, TRUE_ACCEPT, TRUE_REJECT
from restem.reports.tables.format import DASH, difference, estimate
from restem.reports.tables.table import CLUSTERED, Cell, Column, Table

MOST_PARTS = 80  # rows of one division; more than the 56 modules of mathematics_dataset


class Part(NamedTuple):
    """One part of a division, and which of the test problems belong to it."""

    division: str
    name: str
    mask: Bools


def parts(run: Run) -> list[Part]:
    """The parts of every division that puts the test problems into several, by name; the largest where there are many.

    Problems without a part in a division are its part of no name. A division that divides as an earlier one
    does is left out.
    """
    strata = [problem.strata for problem in run.problems.get(TEST, ())]
    kept: list[Part] = []
    known: set[tuple[int, ...]] = set()
    for division in sorted({name for each in strata for name in each}):
        names = [each.get(division, "") for each in strata]
        first = {name: place for place, name in reversed(list(enumerate(names)))}
        if (shape := tuple(first[name] for name in names)) in known:
            continue
        known.add(shape)
        sizes = Counter(names)
        largest = sorted(sizes, key=lambda name: (-sizes[name], name))[:MOST_PARTS] if len(sizes) > 1 else []
        kept += [Part(division, name, np.array([each == name for each in names], bool)) for name in sorted(largest)]
    return kept


def by_stratum(findings: Findings) -> Table:
    """A row a part: the base, and every arm after its last iteration."""
    lasts = [last for arm in findings.run.arms if (last := findings.last(arm))]
    shown, base = parts(findings.run), findings.base
    return Table.of(
        shown if base else [],
        [
            *_labels(shown),
            Column("base", "Base accuracy, %", lambda part: _accuracy(base, part)),
            *(column for last in lasts for column in _arm_columns(last, base)),
        ],
        id="strata",
        title="By stratum",
        note=(
            "Gold accuracy of each arm after its last iteration, and its gain over the base in points, paired by "
            f"problem. Many parts are looked at, without correction for that.{_left_out(findings.run)} {CLUSTERED}"
        ),
    )


def rates_by_stratum(findings: Findings) -> Table:
    """A row a part: TPR and FPR of every verifier that is no control on the base's samples."""
    run, shown = findings.run, parts(findings.run)
    rows = run.rows(BASE, TEST)
    verifiers = [name for name in run.compared if name not in run.controls and run.scored(name, rows)]
    return Table.of(
        shown if verifiers else [],
        [*_labels(shown), *(column for name in verifiers for column in _rate_columns(run, rows, name))],
        id="strata_rates",
        title="Verifier quality by stratum, on the base's test samples",
        note=f"Against the gold, on samples that both decided.{_left_out(run)} {CLUSTERED}",
    )


def _labels(shown: list[Part]) -> list[Column[Part] | None]:
    divisions = {part.division for part in shown}
    return [
        Column("division", "Division", lambda part: part.division, names=True) if len(divisions) > 1 else None,
        Column("part", "Part" if len(divisions) != 1 else divisions.pop(), _name, names=True),
        Column("problems", "Test problems", lambda part: str(int(part.mask.sum()))),
    ]


def _name(part: Part) -> str:
    return part.name or DASH


def _arm_columns(last: Standing, base: Standing | None) -> list[Column[Part]]:
    name = last.arm.name if last.arm else ""

    def gain(part: Part) -> Cell:
        return difference(estimates.paired(_counts(last, part), _counts(base, part)) if base else None)

    return [
        Column(f"accuracy:{name}", f"{name}: accuracy, %", lambda part: _accuracy(last, part)),
        Column(f"gain:{name}", f"{name}: gain, points", gain),
    ]


def _counts(standing: Standing, part: Part) -> Counts:
    return Counts(standing.counts.correct[part.mask], standing.counts.decided[part.mask])


def _accuracy(standing: Standing | None, part: Part) -> Cell:
    return estimate(estimates.proportion(*_counts(standing, part))) if standing else Cell(DASH)


def _rate_columns(run: Run, rows: Ints, verifier: str) -> list[Column[Part]]:
    counts = functools.cache(lambda: confusion(run, rows, TEST, verifier))

    def rate(accepted: int, rejected: int) -> Callable[[Part], Cell]:
        return lambda part: estimate(_rate(counts()[part.mask], accepted, rejected))

    return [
        Column(f"tpr:{verifier}", f"{verifier}: TPR, %", rate(TRUE_ACCEPT, FALSE_REJECT)),
        Column(f"fpr:{verifier}", f"{verifier}: FPR, %", rate(FALSE_ACCEPT, TRUE_REJECT)),
    ]


def _rate(table: Ints, accepted: int, rejected: int) -> Estimate:
    return estimates.proportion(table[:, accepted], table[:, accepted] + table[:, rejected])


def _left_out(run: Run) -> str:
    """A sentence about divisions with more parts than are shown."""
    counts: dict[str, set[str]] = {}
    for problem in run.problems.get(TEST, ()):
        for division, name in problem.strata.items():
            counts.setdefault(division, set()).add(name)
    cut = [f"{division}: {len(names)}" for division, names in sorted(counts.items()) if len(names) > MOST_PARTS]
    return f" Of divisions with more parts the {MOST_PARTS} largest are shown ({', '.join(cut)})." if cut else ""
