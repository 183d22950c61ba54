"""What `restem label` does: writes the responses to label into a file, and reads the labels back.

Takes a run folder and files of rows; gives rows and the labels' results. A row holds all that a person needs to judge a
response, and its place in the random order, so that every file is checked against the run it was drawn from. Nothing is
written into the run. Imports no JAX.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from restem.benchmarks.json_lines import JsonLine, read_json_lines
from restem.harness.errors import ConfigError
from restem.harness.names import HUMAN
from restem.harness.store.store import Store
from restem.reports.analysis.labels import Labelled, Population, labelled, population
from restem.reports.data.read import read_run
from restem.reports.data.run import Run

LABELS = {
    **dict.fromkeys(("correct", "right", "true", "1"), 1.0),
    **dict.fromkeys(("wrong", "false", "0"), 0.0),
    **dict.fromkeys(("undecided", "cannot tell"), math.nan),
}
EXPECTED = 'true, false, "correct", "wrong", null (cannot tell), or "" (not labelled yet)'
DIGITS = 6  # of a written inclusion probability


@dataclasses.dataclass(frozen=True, kw_only=True)
class Batch:
    """Responses that were drawn.

    Attributes:
        first: How many had been drawn before.
        last: How many are drawn now.
        text: The new ones, as JSON lines.
    """

    responses: Population
    first: int
    last: int
    text: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reading:
    """Labels that were read, and their results.

    Attributes:
        rows: Rows in the files.
        from_run: Labels that were taken from verdicts in the run, because the row has none.
    """

    responses: Population
    rows: int
    from_run: int
    result: Labelled


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Row:
    line: JsonLine
    place: int
    label: float | None


def draw(
    folder: Path,
    names: Sequence[str],
    count: int,
    *,
    seed: int | None = None,
    checkpoint: str | None = None,
    split: str | None = None,
    before: Sequence[Path] = (),
) -> Batch:
    """The next responses to label.

    Args:
        before: Files of earlier batches, whose candidates, seed, checkpoint and split are taken over.

    Raises:
        ConfigError: Nothing can be drawn, or an option contradicts the earlier batches.
    """
    with Store(folder) as store:
        run = read_run(store, brief=True)
        if before:
            responses, rows = _read(run, before)
            _check_options(responses, names, seed, checkpoint, split)
            first = max(row.place for row in rows)
        else:
            responses, first = (
                population(run, names, seed=seed or 0, checkpoint=checkpoint, split=split),
                0,
            )
        fewest, size = responses.strata.fewest, len(responses.order)
        last = min(first + count, size)
        if last < fewest:
            raise ConfigError(
                f"--count {count}: expected {fewest} at least: 2 of each of {len(responses.strata.size)} strata, "
                "the patterns of the candidates' verdicts"
            )
        return Batch(
            responses=responses,
            first=first,
            last=last,
            text="".join(
                json.dumps(row, ensure_ascii=False) + "\n" for row in _rows(store, run, responses, first, last)
            ),
        )


def _check_options(
    responses: Population, names: Sequence[str], seed: int | None, checkpoint: str | None, split: str | None
) -> None:
    given = {"--verifier": tuple(names) or None, "--seed": seed, "--checkpoint": checkpoint, "--split": split}
    there = (responses.verifiers, responses.seed, responses.checkpoint, responses.split)
    for (option, value), drawn in zip(given.items(), there, strict=True):
        if value is not None and value != drawn:
            raise ConfigError(f"{option}: found {value}, the earlier batch has {drawn}: leave the option out")


def _rows(store: Store, run: Run, responses: Population, first: int, last: int) -> Iterator[dict[str, Any]]:
    chosen = responses.order[first:last]
    ids = run.samples.id[responses.rows[chosen]].tolist()
    texts = store.responses(ids)
    inclusion = responses.inclusion(last)
    for place, (position, id) in enumerate(zip(chosen.tolist(), ids, strict=True), first + 1):
        problem = run.problems[responses.split][run.samples.problem[responses.rows[position]]]
        question, response = texts[id]
        stratum = int(responses.strata.of[position])
        yield {
            "id": str(id),  # a text, since a browser's numbers have 53 bits
            "label": "",
            "question": question,
            "response": response,
            "reference": problem.reference,
            "problem_id": problem.id,
            "verdicts": _verdicts(responses, position),
            "stratum": stratum + 1,
            "inclusion": round(float(inclusion[stratum]), DIGITS),
            "place": place,
            "drawn": last,
            "seed": responses.seed,
            "checkpoint": responses.checkpoint,
            "split": responses.split,
        }


def _verdicts(responses: Population, position: int) -> dict[str, str]:
    values = zip(responses.verifiers, responses.verdicts[:, position].tolist(), strict=True)
    return {name: "undecided" if math.isnan(v) else "correct" if v else "wrong" for name, v in values}


def read(folder: Path, files: Sequence[Path], by: str | None = None) -> Reading:
    """The labels of files of rows, and what they say.

    A row without a label takes that of the persons who marked its response in the run, where they agree.

    Args:
        by: The verifier of the run whose verdicts label the rows without a label, instead of the persons.

    Raises:
        ConfigError: A row is not one that was drawn from this run, or there are too few labels.
    """
    with Store(folder) as store:
        run = read_run(store, brief=True)
    responses, rows = _read(run, files)
    labels = {row.place - 1: row.label for row in rows if row.label is not None}
    blank = np.array([row.place - 1 for row in rows if row.label is None], np.int64)
    stored = _stored(run, responses.rows[responses.order[blank]], by)
    added = {int(place): value for place, value in zip(blank, stored, strict=True) if value is not None}
    return Reading(responses=responses, rows=len(rows), from_run=len(added), result=labelled(responses, labels | added))


def _stored(run: Run, rows: np.ndarray, by: str | None) -> list[float | None]:
    """The label of each sample by verdicts in the run; None where there is none, or where persons contradict."""
    names = [by] if by else [name for name in run.outcomes if name.startswith(HUMAN)]
    if by and by not in run.outcomes:
        raise ConfigError(f"--by {by}: no verdicts of it here, only of {', '.join(run.outcomes)}")
    values: list[set[float | None]] = [set() for _ in rows]
    for name in names:
        for place, (asked, value) in enumerate(zip(run.asked(name, rows), run.outcome(name, rows), strict=True)):
            if asked:
                values[place].add(None if math.isnan(value) else float(value))
    return [(math.nan if None in each else each.pop()) if len(each) == 1 else None for each in values]


def _read(run: Run, files: Sequence[Path]) -> tuple[Population, list[_Row]]:
    """The rows of files, checked against the run that they were drawn from."""
    lines = [line for file in files for line in read_json_lines(file, ConfigError)]
    if not lines:
        raise ConfigError(f"{', '.join(str(file) for file in files)}: no rows")
    responses = _population(run, lines[0])
    places = {str(id): n for n, id in enumerate(run.samples.id[responses.rows[responses.order]].tolist(), 1)}
    seen: dict[str, str] = {}
    rows: list[_Row] = []
    for line in lines:
        id = str(line.identifier("id"))
        if id in seen:
            raise ConfigError(f"{line.place}: id: {id} stands in {seen[id]} already")
        if id not in places:
            raise line.unexpected("id", "a response of this run that the candidates have judged")
        seen[id] = line.place
        rows.append(_Row(line=line, place=places[id], label=_label(line)))
        _check(line, responses, places[id])
    return responses, rows


def _population(run: Run, line: JsonLine) -> Population:
    """The population that a file's first row names."""
    seed = line.fields.get("seed")
    if not isinstance(seed, int):
        raise line.unexpected("seed", "a whole number, as `restem label --count` wrote it")
    names = tuple(line.json_object("verdicts"))
    if not names:
        raise line.unexpected("verdicts", "the candidates' verdicts, as `restem label --count` wrote them")
    return population(run, names, seed=seed, checkpoint=line.text("checkpoint"), split=line.text("split"))


def _check(line: JsonLine, responses: Population, place: int) -> None:
    """Refuses a row whose design is not the one it was drawn by."""
    position = int(responses.order[place - 1])
    stratum = int(responses.strata.of[position])
    last = line.fields.get("drawn")
    if not isinstance(last, int) or not place <= last <= len(responses.order):
        raise line.unexpected("drawn", f"a whole number from {place} to {len(responses.order)}")
    expected = {
        "verdicts": _verdicts(responses, position),
        "stratum": stratum + 1,
        "place": place,
        "inclusion": round(float(responses.inclusion(last)[stratum]), DIGITS),
        "seed": responses.seed,
        "checkpoint": responses.checkpoint,
        "split": responses.split,
    }
    for field, value in expected.items():
        if line.fields.get(field) != value:
            raise line.unexpected(field, f"{value!r}, as this run has it", 80)


def _label(line: JsonLine) -> float | None:
    """1, 0, NaN for a person who cannot tell, or None for a row that is not labelled yet."""
    label = line.fields.get("label", "")
    if label is None:
        return math.nan
    if isinstance(label, str) and not label.strip():
        return None
    text = str(label).strip().lower()
    if not isinstance(label, str | int) or text not in LABELS:
        raise line.unexpected("label", EXPECTED)
    return LABELS[text]
