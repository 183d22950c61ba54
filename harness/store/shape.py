"""Whether the rows of a run.db without seals are such as this program writes: types, JSON and references.

Takes an open SQLite connection; raises DamagedRun at the first row that is not. A run of an earlier schema version has
no seals (seals.py), so this is all that can be told of it: a value of the right type that has changed is not noticed.
SQLite itself does not keep the types that a column declares. Does not depend on the records.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from restem.benchmarks.problem import ATTACK, EQUIVALENCE
from restem.harness.errors import DamagedRun
from restem.harness.store import schema
from restem.verifiers.verdict import Outcome

_TYPES = {"TEXT": "text", "INTEGER": "integer", "REAL": "real", "BLOB": "blob"}
_JSON: Mapping[tuple[str, str], type] = {
    ("verifier", "settings"): dict,
    ("problem", "data"): dict,
    ("problem", "alternatives"): list,
    ("problem", "strata"): dict,
    ("checkpoint", "losses"): list,
    ("event", "detail"): dict,
}
_OUTCOMES = tuple(outcome.value for outcome in Outcome)
_WORDS: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("probe", "kind"): (ATTACK, EQUIVALENCE),
    ("verdict", "outcome"): _OUTCOMES,
    ("probe_verdict", "outcome"): _OUTCOMES,
}
Shape: TypeAlias = "type | tuple[type, ...] | list[Shape] | dict[str, Shape]"
_EACH = "*"  # in a dict, the shape of the values of all keys
_NUMBER = (int, float)
_RATES: Shape = {"tpr": _NUMBER, "fpr": _NUMBER, "negatives": _NUMBER}
_ARM: Shape = {
    **{"name": str, "verifier": str},
    **{"selection": {"rule": str, "weight": str, "cap": int, "dedupe": bool, **_RATES}},
}
_COUNTS: Shape = {_EACH: int}
_SOURCE: Shape = {
    **{"bytes": int, "sha256": str, "items": int, "series": str, "name": str, "format": str, "title": str},
    **{"imported": int, "moved": int, "refused": _COUNTS},
}
_NEVER_NULL = ("suite", "verifiers", "controls")
# What the facts that other code reads look like, where they are not null. Keys that are not named may hold anything.
_FACTS: Mapping[str, Shape] = {
    "suite": {
        **{"name": str, "gold": str, "seed": int, "iterations": int, "replicates": int, "policy": str},
        **{"arms": [_ARM], "scoring": [str], "verifiers": {_EACH: dict}},
        **{"benchmark": {"name": str, "path": str}, "training": dict},
        **{"sampling": {_EACH: (int, float, str), "test": {_EACH: _NUMBER}}, "tests": {_EACH: {"name": str}}},
    },
    "verifiers": {_EACH: str},
    "controls": [str],
    "judge": {"card": {_EACH: {_EACH: (*_NUMBER, str)}}},
    "versions": {_EACH: str},
    "chance_level": _NUMBER,
    "base_sha256": str,
    "imported_paths": [str],
    "sources": {_EACH: str},
    "without_solution": int,
    "unreadable_references": {"splits": {_EACH: [int]}, "first": [[str]]},
    "problem_file": dict,
}
_SOURCES = "imported:"  # how the keys of the facts about imported files begin


def check_shape(db: sqlite3.Connection, path: Path) -> None:
    """Checks all pages and rows of a file of an earlier version; takes about a second for 100,000 verdicts.

    Args:
        db: The connection.
        path: The file, as the message names it.

    Raises:
        DamagedRun: Naming the first table, column and value that are not as this program writes them.
    """
    version = schema.version_of(db)
    (state,) = db.execute("PRAGMA main.integrity_check(1)").fetchone()
    if state != "ok":  # such as an index that differs from its table
        raise _damaged(path, f"SQLite: {state!r:.100}")
    for table in schema.TABLES:
        if table.since <= version:
            columns = [name for name in table.columns if name not in table.absent(version)]
            _check_types(db, path, table, columns)
            _check_json(db, path, table, columns)
            _check_references(db, path, table, columns)
    for key, value in db.execute("SELECT key, value FROM main.run").fetchall():
        shape = _SOURCE if key.startswith(_SOURCES) else _FACTS.get(key)
        fact = _decoded(path, "run", key, value)
        if shape is None or (fact is None and key not in _NEVER_NULL):
            continue
        if problem := _misfit(fact, shape, key):
            raise _damaged(path, problem, "run")


def _check_types(db: sqlite3.Connection, path: Path, table: schema.Table, columns: list[str]) -> None:
    """One look at every row; the column and its value are looked up only where a row is wrong."""
    tests = {name: _wrong(table.name, name, table.columns[name]) for name in columns}
    rows = f"FROM main.{table.name} WHERE"
    if not db.execute(f"SELECT 1 {rows} {' OR '.join(tests.values())} LIMIT 1").fetchone():
        return
    for name, test in tests.items():
        if found := db.execute(f"SELECT {name} {rows} {test} LIMIT 1").fetchone():
            expected = table.columns[name].partition(" ")[0]
            raise _damaged(path, f"{name}: found {found[0]!r:.60}, expected {expected}", table.name)


def _wrong(table: str, name: str, declared: str) -> str:
    """The condition under which a value is not of its column's type, is infinite, or is none of the column's words."""
    kind = declared.partition(" ")[0]
    may_be_null = "NOT NULL" not in declared and "PRIMARY KEY" not in declared
    wrong = f"typeof({name}) != '{_TYPES[kind]}'" + (f" AND {name} IS NOT NULL" if may_be_null else "")
    if kind == "REAL":
        wrong = f"({wrong}) OR abs({name}) > 1e308"
    if known := _WORDS.get((table, name)):
        wrong += f" OR {name} NOT IN {known}"
    return f"({wrong})"


def _check_json(db: sqlite3.Connection, path: Path, table: schema.Table, columns: list[str]) -> None:
    for name in columns:
        if (kind := _JSON.get((table.name, name))) is None:
            continue
        for (text,) in db.execute(f"SELECT {name} FROM main.{table.name} WHERE {name} IS NOT NULL").fetchall():
            if not isinstance(_decoded(path, table.name, name, text), kind):
                expected = "an object" if kind is dict else "a list"
                raise _damaged(path, f"{name}: found {text!r:.60}, expected {expected}", table.name)


def _check_references(db: sqlite3.Connection, path: Path, table: schema.Table, columns: list[str]) -> None:
    for name in columns:
        if match := re.search(r"REFERENCES (\w+) \((\w+)\)", table.columns[name]):
            known = f"SELECT {match[2]} FROM main.{match[1]}"
            found = db.execute(f"SELECT {name} FROM main.{table.name} WHERE {name} NOT IN ({known}) LIMIT 1")
            if row := found.fetchone():
                raise _damaged(path, f"{name}: {row[0]!r:.60} is no {match[2]} of table {match[1]}", table.name)


def _decoded(path: Path, table: str, name: str, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise _damaged(path, f"{name}: found {text!r:.60}, expected JSON", table) from None


def _misfit(value: Any, shape: Shape, place: str) -> str | None:
    """Where a value has not its shape, or None; null fits every shape but the outermost."""
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            return f"{place}: found {value!r:.60}, expected an object"
        parts = [(key, part, shape.get(key, shape.get(_EACH))) for key, part in value.items()]
    elif isinstance(shape, list):
        if not isinstance(value, list):
            return f"{place}: found {value!r:.60}, expected a list"
        parts = [(number, part, shape[0]) for number, part in enumerate(value)]
    else:
        kinds = shape if isinstance(shape, tuple) else (shape,)
        return None if isinstance(value, kinds) else f"{place}: found {value!r:.60}, expected another type"
    inner = (_misfit(part, of, f"{place}.{key}") for key, part, of in parts if of is not None and part is not None)
    return next((problem for problem in inner if problem), None)


def _damaged(path: Path, problem: str, table: str = "") -> DamagedRun:
    place = f"table {table}: " if table else ""
    return DamagedRun(f"{path}: damaged: {place}{problem}; restore it from a copy, or make the run again")
