"""Records as rows of run.db, and back.

Takes a record and gives a mapping from column to value, or the other way round. It does not depend on SQLite.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from types import NoneType
from typing import Any

from restem.benchmarks.problem import Problem
from restem.harness.store.records import Checkpoint, Sample
from restem.harness.store.schema import Table
from restem.verifiers.verdict import Outcome, Verdict

Row = Mapping[str, Any]
# The columns of table `problem` that hold JSON -> what a field is made from it by; an empty field is NULL.
_OBJECTS: Mapping[str, Callable[[Any], Any]] = {"data": dict, "alternatives": tuple, "strata": dict}
_CODES = {1: "B", 2: "H", 4: "I"}  # bytes of a token id -> type code of `array`


def packed_ids(ids: Sequence[int] | None) -> bytes | None:
    """Token ids as unsigned little-endian integers of 1, 2 or 4 bytes each: the smallest width that holds all of them.

    The width is not stored: it is the length of the bytes divided by the number of ids.
    """
    if ids is None:
        return None
    most = max(ids, default=0)
    values = array(_CODES[1 if most < 1 << 8 else 2 if most < 1 << 16 else 4], ids)
    if sys.byteorder == "big":
        values.byteswap()
    return values.tobytes()


def unpacked_ids(data: bytes | None, count: int | None) -> tuple[int, ...] | None:
    """The `count` token ids that `packed_ids` wrote; None where none are stored."""
    if data is None or count is None:
        return None
    values = array(_CODES[len(data) // count] if count else "B", data)
    if sys.byteorder == "big":
        values.byteswap()
    return tuple(values)


def sample_row(sample: Sample) -> Row:
    """The row of table `sample`."""
    row = {field.name: getattr(sample, field.name) for field in dataclasses.fields(sample)}
    return row | {"id": sample.id, "idx": row.pop("index"), "token_ids": packed_ids(sample.token_ids)}


def sample_of(row: Row) -> Sample:
    """The record of a row of table `sample`."""
    values = {key: value for key, value in row.items() if key not in ("id", "idx")}
    return Sample(**values | {"index": row["idx"], "token_ids": unpacked_ids(row["token_ids"], row["token_count"])})


def problem_row(problem: Problem, position: int) -> Row:
    """The row of table `problem`; an empty field of JSON is NULL."""
    row = {field.name: getattr(problem, field.name) for field in dataclasses.fields(problem)}
    as_json = {name: _json(row.get(name)) for name in _OBJECTS}
    return row | as_json | {"position": position}


def problem_of(row: Row) -> Problem:
    """The record of a row of table `problem`."""
    values = {key: value for key, value in row.items() if key != "position" and key not in _OBJECTS}
    values |= {name: make(json.loads(row[name])) for name, make in _OBJECTS.items() if row[name] is not None}
    return Problem(**values)


def _json(value: Any) -> str | None:
    return json.dumps(value, sort_keys=True) if value else None


def checkpoint_row(checkpoint: Checkpoint) -> Row:
    """The row of table `checkpoint`."""
    return dataclasses.asdict(checkpoint) | {"losses": json.dumps(checkpoint.losses)}


def checkpoint_of(row: Row) -> Checkpoint:
    """The record of a row of table `checkpoint`."""
    return Checkpoint(**{**row, "losses": tuple(json.loads(row["losses"]))})


def verdict_row(verifier: str, verdict: Verdict) -> Row:
    """The columns that the tables `verdict` and `probe_verdict` share; `verifier` is a fingerprint."""
    start, end = verdict.span or (None, None)
    return {
        "verifier": verifier,
        "outcome": verdict.outcome.value,
        "score": verdict.score,
        "answer": verdict.answer,
        "span_start": start,
        "span_end": end,
        "rule": verdict.rule,
        "reason": verdict.reason,
        "seconds": verdict.seconds,
        "tokens": verdict.tokens,
        "cost_usd": verdict.cost_usd,
        "raw_reward": verdict.raw_reward,
    }


def verdict_of(row: Row) -> Verdict:
    """The record of a row of `verdict` or `probe_verdict`."""
    start, end = row["span_start"], row["span_end"]
    return Verdict(
        outcome=Outcome(row["outcome"]),
        score=row["score"],
        answer=row["answer"],
        span=None if start is None else (start, end),
        rule=row["rule"],
        reason=row["reason"],
        seconds=row["seconds"],
        tokens=row["tokens"],
        cost_usd=row["cost_usd"],
        raw_reward=row["raw_reward"],
    )


def as_stored(table: Table, new: Iterable[Row]) -> list[tuple[Any, ...]]:
    """The values of rows as SQLite will give them back: a REAL column gives floats, and NULL for NaN."""
    columns = zip(*map(itemgetter(*table.columns), new), strict=True)
    pairs = zip(table.columns.values(), columns, strict=False)  # of no rows there are no columns
    return list(zip(*(_AS_STORED[kind.partition(" ")[0]](column) for kind, column in pairs), strict=True))


def _reals(values: Sequence[Any]) -> list[float | None]:
    return [None if value is None or value != value else float(value) + 0.0 for value in values]  # -0.0 is stored as 0


def _integers(values: Sequence[Any]) -> Sequence[int | None]:
    return values if set(map(type, values)) <= {int, NoneType} else [v if v is None else int(v) for v in values]


def _texts(values: Sequence[Any]) -> Sequence[str | None]:
    return values if set(map(type, values)) <= {str, NoneType} else [v if v is None else str(v) for v in values]


_AS_STORED: Mapping[str, Callable[[Sequence[Any]], Sequence[Any]]] = {
    "REAL": _reals,
    "INTEGER": _integers,
    "TEXT": _texts,
    "BLOB": lambda values: values,
}


def batched(samples: Sequence[Sample], size: int) -> Iterator[list[Sample]]:
    """Batches of about `size` samples; the samples of one problem are never split."""
    batch: list[Sample] = []
    for sample in samples:
        if len(batch) >= size and sample.problem != batch[-1].problem:
            yield batch
            batch = []
        batch.append(sample)
    if batch:
        yield batch
