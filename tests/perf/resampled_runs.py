"""A run whose problems, or seeds, are drawn with replacement: what another run of the suite might have held.

Takes a Run read briefly and gives one of the same arms; the product's own analysis then runs on it. Every arm keeps
the same problems and seeds as every other, so that comparisons stay paired.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from restem.harness.names import BASE, MARK, replicate, unmarked
from restem.harness.store.store import Store
from restem.reports.data.read import read_run
from restem.reports.data.run import Outcomes, Run


def brief_run(folder: str) -> Run:
    """The run of a folder, without what verdicts on arms do not need."""
    with Store(Path(folder)) as store:
        return read_run(store, brief=True)


def of_problems(run: Run, random: np.random.Generator) -> Run:
    """The same run on problems drawn with replacement, in each split."""
    drawn = {split: random.integers(0, len(each), len(each)) for split, each in run.problems.items() if len(each)}
    taken, position, places, start = [], [], {}, 0
    for (checkpoint, split), rows in run.places.items():
        by_problem = np.argsort(run.samples.problem[rows], kind="stable")
        counts = np.bincount(run.samples.problem[rows], minlength=run.size(split))
        first = np.cumsum(counts) - counts
        chosen = [rows[by_problem[first[p] : first[p] + counts[p]]] for p in drawn[split]]
        taken += chosen
        position.append(np.repeat(np.arange(len(chosen)), counts[drawn[split]]))
        places[checkpoint, split] = np.arange(start, start + len(position[-1]))
        start += len(position[-1])
    kept = np.concatenate(taken)
    columns = {f.name: getattr(run.samples, f.name) for f in dataclasses.fields(run.samples)}
    columns = {name: values[kept] for name, values in columns.items() if len(values)}  # a brief run has few of them
    return dataclasses.replace(
        run,
        problems={split: tuple(run.problems[split][p] for p in places_of) for split, places_of in drawn.items()},
        samples=dataclasses.replace(run.samples, **columns | {"problem": np.concatenate(position)}),
        places=places,
        outcomes={n: Outcomes(value=o.value[kept], scored=o.scored[kept]) for n, o in run.outcomes.items()},
    )


def of_seeds(run: Run, picked: Sequence[int]) -> Run:
    """The same run whose replicate k is replicate picked[k], in all arms and verifiers."""
    checkpoints, places, outcomes = {}, dict(run.places), dict(run.outcomes)
    for new, old in enumerate(picked):
        for id, checkpoint in run.checkpoints.items():
            if _number(id) == old:
                record = dataclasses.replace(
                    checkpoint,
                    id=_renamed(id, new),
                    arm=_renamed(checkpoint.arm, new) if checkpoint.arm else None,
                    sampled_from=_renamed(checkpoint.sampled_from, new) if checkpoint.sampled_from else None,
                )
                checkpoints[record.id] = record
        for (id, split), rows in run.places.items():
            if _number(id) == old and (id, split) != (BASE, "test"):
                places[_renamed(id, new), split] = rows
        for name in {unmarked(name) for name in run.outcomes if MARK in name}:
            outcomes[replicate(name, new)] = run.outcomes[replicate(name, old)]
    return dataclasses.replace(run, checkpoints=checkpoints, places=places, outcomes=outcomes)


def _number(id: str) -> int:
    return int(id.partition("/")[0].partition(MARK)[2] or 0)


def _renamed(id: str, number: int) -> str:
    head, slash, rest = id.partition("/")
    return replicate(unmarked(head), number) + slash + rest
