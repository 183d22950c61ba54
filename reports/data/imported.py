"""An imported run as the analysis of our own runs can read it: all samples as one split, or one step as the base.

Takes a Run; gives a Run with the same samples and outcomes, whose places and problems are arranged in another way.
Nothing is read again, and nothing is computed. An imported run has samples of training steps on training and test
problems; the estimators ask for those of checkpoints on the split `test`, and a plan for those of `base` on `train`.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from restem.benchmarks.problem import Problem
from restem.harness.names import BASE
from restem.reports.data.run import Run
from restem.reports.stats.estimates import Ints

TEST, TRAIN = "test", "train"


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImportedSource:
    """What became of the rows of one file.

    Attributes:
        title: Of its format.
        imported: Samples.
        moved: Of these, how many have another index than in the file, where two rows had the same one.
        refused: Rows that are not imported.
        reasons: Why, and how often, commonest first.
    """

    name: str
    title: str
    imported: int
    moved: int
    refused: int
    reasons: tuple[tuple[str, int], ...]


def sources(facts: Mapping[str, Any]) -> list[ImportedSource]:
    """The files of an imported run, in the order of their names."""
    stored = [value for key, value in facts.items() if key.startswith("imported:")]
    return sorted(map(_source, stored), key=lambda source: source.name)


def _source(entry: Mapping[str, Any]) -> ImportedSource:
    refused = entry.get("refused") or {}
    return ImportedSource(
        name=str(entry.get("name", "")),
        title=str(entry.get("title") or entry.get("format") or ""),
        imported=int(entry.get("imported", 0)),
        moved=int(entry.get("moved", 0)),
        refused=sum(refused.values()),
        reasons=tuple(sorted(refused.items(), key=lambda item: (-item[1], item[0]))),
    )


def pooled(run: Run) -> Run:
    """The run with the problems of all splits as one split, `test`: each checkpoint's samples stand there together."""
    first: dict[str, int] = {}
    problems: list[Problem] = []
    for split, items in run.problems.items():
        first[split] = len(problems)
        problems += items
    problem, places = run.samples.problem.copy(), dict[tuple[str, str], Ints]()
    for (checkpoint, split), rows in run.places.items():
        problem[rows] += first[split]
        before = places.get((checkpoint, TEST), np.zeros(0, np.int64))
        places[checkpoint, TEST] = np.concatenate([before, rows])
    return dataclasses.replace(
        run,
        problems={TEST: tuple(problems)},
        samples=dataclasses.replace(run.samples, problem=problem),
        places=places,
        reasons=_pooled_reasons(run.reasons),
    )


def _pooled_reasons(
    reasons: Mapping[tuple[str, str, str], tuple[tuple[str, int], ...]],
) -> dict[tuple[str, str, str], tuple[tuple[str, int], ...]]:
    counted: dict[tuple[str, str, str], Counter[str]] = {}
    for (checkpoint, _, verifier), items in reasons.items():
        counted.setdefault((checkpoint, TEST, verifier), Counter()).update(dict(items))
    return {key: tuple(counter.most_common()) for key, counter in counted.items()}


def as_base(run: Run, checkpoint: str, split: str) -> Run:
    """The run with one checkpoint's samples of a split as those of the base on training problems, and no others."""
    rows = run.rows(checkpoint, split)
    there, position = np.unique(run.samples.problem[rows], return_inverse=True)
    problem = np.full(len(run.samples.id), -1)
    problem[rows] = position
    items = run.problems.get(split, ())
    return dataclasses.replace(
        run,
        checkpoints={BASE: dataclasses.replace(run.checkpoints[checkpoint], id=BASE, arm=None, iteration=0)},
        problems={TRAIN: tuple(items[place] for place in there.tolist())},
        samples=dataclasses.replace(run.samples, problem=problem),
        places={(BASE, TRAIN): rows},
        choices={},
    )


def as_arms(run: Run) -> Run:
    """The run with each series as an arm whose samples are of test problems: those of `test`, or else of `train`."""
    split = TEST if run.problems.get(TEST) else next(iter(run.problems), TEST)
    series = dict.fromkeys(c.arm for c in run.checkpoints.values() if c.arm)
    suite = {**run.suite, "arms": [{"name": name, "verifier": run.gold} for name in series]}
    return dataclasses.replace(
        run,
        facts={**run.facts, "suite": suite},
        problems={TEST: run.problems.get(split, ())},
        places={(checkpoint, TEST): rows for (checkpoint, part), rows in run.places.items() if part == split},
    )


def only(run: Run, ids: Collection[str]) -> Run:
    """The run with these test problems alone."""
    problems = run.problems.get(TEST, ())
    kept = np.array([problem.id in ids for problem in problems], bool)
    position = np.where(kept, np.cumsum(kept) - 1, -1)
    problem = run.samples.problem.copy()
    places: dict[tuple[str, str], Ints] = {}
    for place, rows in run.places.items():
        places[place] = rows[kept[problem[rows]]]
    for rows in run.places.values():
        problem[rows] = position[problem[rows]]
    return dataclasses.replace(
        run,
        problems={TEST: tuple(p for p, keep in zip(problems, kept, strict=True) if keep)},
        samples=dataclasses.replace(run.samples, problem=problem),
        places=places,
    )
