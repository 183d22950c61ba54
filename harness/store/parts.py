"""Parts of a run: the rows of one shard of its problems in a run folder of their own, and how a part is united with it.

Takes stores; gives rows in them, and counts. A row is known by its key: one that is already there is left as it is, and
one that says something else is an error, so uniting twice or in another order ends with the same rows. It does not
depend on verifiers or on how they are run.

A problem belongs to the shard that a hash of its question names. So the samples of a problem stay together, which
verifiers may compare with each other, and problems with the same question too, because a judge is asked once for both.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from operator import itemgetter
from typing import Any

from restem.harness.errors import ConfigError
from restem.harness.store import schema
from restem.harness.store.schema import Table
from restem.harness.store.store import UNANSWERED, Store

FACT = "part"  # the key of the fact that a part has and a run has not
_LISTED = "IN (SELECT value FROM json_each(?))"
# The columns that name a row, and those that two equal rows may differ in: clocks, and the port of a server.
_KEYS = {
    schema.VERDICT.name: ("sample", "verifier"),
    schema.PROBE_VERDICT.name: ("probe", "verifier"),
    schema.VERIFIER.name: ("fingerprint",),
    schema.JUDGE_CALL.name: ("request_sha256",),
}
_MAY_DIFFER = {
    schema.VERDICT.name: ("seconds", "tokens", "cost_usd"),
    schema.PROBE_VERDICT.name: ("seconds", "tokens", "cost_usd"),
    schema.VERIFIER.name: ("settings",),
}
_OF_A_PROBLEM = (schema.PROBLEM, schema.SAMPLE, schema.PROBE)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Shard:
    """One of `count` shards of a run's problems; the first has index 1."""

    index: int
    count: int

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


def shard_of(question: str, count: int) -> Shard:
    """The shard that the problems with this question belong to; the same in every process and on every machine."""
    number = int.from_bytes(hashlib.sha256(question.encode()).digest()[:8])
    return Shard(index=number % count + 1, count=count)


def add_slice(part: Store, run: Store, shard: Shard, judges: Collection[str]) -> None:
    """Gives a part the rows of its shard that it lacks: problems, samples, probes and all verdicts on these.

    Args:
        part: The part, which may be empty.
        run: The run.
        shard: Its shard.
        judges: Names of judges whose stored calls the part gets too, of all shards: a call does not say its problem.

    Raises:
        ConfigError: A row of the part is not the run's.
    """
    facts = {key: value for key, value in run.run().items() if not key.startswith(UNANSWERED)}
    part.put_run(facts)
    problems = json.dumps([p.id for p in run.problems() if shard_of(p.question, shard.count) == shard])
    asked = json.dumps([fingerprint for fingerprint, (name, _) in run.verifiers().items() if name in judges])
    of_problems = f"SELECT id FROM {{}} WHERE problem {_LISTED}"
    conditions: Sequence[tuple[Table, str, tuple[str, ...]]] = (
        (schema.CHECKPOINT, "TRUE", ()),
        (schema.PROBLEM, f"id {_LISTED}", (problems,)),
        (schema.SAMPLE, f"problem {_LISTED}", (problems,)),
        (schema.PROBE, f"problem {_LISTED}", (problems,)),
        (schema.VERIFIER, "TRUE", ()),
        (schema.VERDICT, f"sample IN ({of_problems.format('sample')})", (problems,)),
        (schema.PROBE_VERDICT, f"probe IN ({of_problems.format('probe')})", (problems,)),
        (schema.JUDGE_CALL, f"verifier {_LISTED}", (asked,)),
    )
    with part.transaction():
        for table, condition, parameters in conditions:
            for chunk in run.chunks(table, condition, *parameters):
                part.add_rows(table, _compared(part, table, chunk, f"{part.folder}: not a part of {run.folder}").new)


@dataclasses.dataclass(frozen=True, kw_only=True)
class United:
    """What uniting a part with a run did.

    Attributes:
        new: Verifier (fingerprint) -> its verdicts on samples that the run did not have.
        known: The same of those that it had.
        new_calls: Verifier -> its new judge calls.
        paid_twice: (verifier, prompt tokens, completion tokens) of each call whose request the run has too, with a
            reply of another time.
    """

    new: Counter[str] = dataclasses.field(default_factory=Counter)
    known: Counter[str] = dataclasses.field(default_factory=Counter)
    new_calls: Counter[str] = dataclasses.field(default_factory=Counter)
    paid_twice: list[tuple[str, int, int]] = dataclasses.field(default_factory=list)


def unite(run: Store, part: Store) -> United:
    """Adds a part's verifiers, verdicts and judge calls to a run, in a transaction that the caller holds.

    Raises:
        ConfigError: The part is of another run or has another verifier of a known name, or a verdict differs.
    """
    _check_same_rows(run, part)
    _check_verifiers(run, part)
    united, problem = United(), f"{part.folder}: conflicts with {run.folder}"
    for table in (schema.VERIFIER, schema.VERDICT, schema.PROBE_VERDICT, schema.JUDGE_CALL):
        verifier = list(table.columns).index("fingerprint" if table is schema.VERIFIER else "verifier")
        for chunk in part.chunks(table):
            compared = _compared(run, table, chunk, problem)
            run.add_rows(table, compared.new)
            if table is schema.VERDICT:
                united.new.update(row[verifier] for row in compared.new)
                united.known.update(row[verifier] for row in compared.known)
            elif table is schema.JUDGE_CALL:
                united.new_calls.update(row[verifier] for row in compared.new)
                calls = (dict(zip(table.columns, row, strict=True)) for row in compared.differing)
                united.paid_twice.extend((c["verifier"], c["prompt_tokens"], c["completion_tokens"]) for c in calls)
    return united


def missing_shards(run: Store, verifier: str, split: str | None, count: int) -> list[Shard]:
    """The shards with a sample that a verifier (fingerprint) has no verdict on, all of a split or of all splits."""
    sql = (
        "SELECT DISTINCT p.question FROM sample s JOIN problem p ON p.id = s.problem WHERE (? IS NULL OR p.split = ?)"
        " AND NOT EXISTS (SELECT 1 FROM verdict v WHERE v.sample = s.id AND v.verifier = ?)"
    )
    missing = {shard_of(question, count) for (question,) in run.query(sql, (split, split, verifier))}
    return sorted(missing, key=lambda shard: shard.index)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Compared:
    """Rows that a store lacks, those that it has, and calls that it has with another reply, time or cost."""

    new: list[tuple[Any, ...]]
    known: list[tuple[Any, ...]]
    differing: list[tuple[Any, ...]]


def _compared(into: Store, table: Table, chunk: Sequence[tuple[Any, ...]], place: str) -> _Compared:
    """Rows compared with those of the same keys in a store.

    Raises:
        ConfigError: A row says something else than the stored one. Judge calls may differ: a server may have been asked
            the same twice.
    """
    key = _key(table)
    compared = _Compared(new=[], known=[], differing=[])
    stored = {key(row): row for row in _stored(into, table, chunk)}
    for row in chunk:
        if (other := stored.get(key(row))) is None:
            compared.new.append(row)
        elif other == row or not (names := _differences(table, row, other)):
            compared.known.append(row)
        elif table is schema.JUDGE_CALL:
            compared.differing.append(row)
        else:
            raise ConfigError(f"{place}: {_told(table, row, other, names)}; nothing added")
    return compared


def _key(table: Table) -> Any:
    columns = list(table.columns)
    return itemgetter(*(columns.index(name) for name in _KEYS.get(table.name, ("id",))))


def _stored(store: Store, table: Table, chunk: Sequence[tuple[Any, ...]]) -> Iterable[tuple[Any, ...]]:
    """The rows of a store whose first column of the key is that of some row of the chunk."""
    first = _KEYS.get(table.name, ("id",))[0]
    place = list(table.columns).index(first)
    names = json.dumps(list({row[place] for row in chunk}))
    return (row for rows in store.chunks(table, f"{first} {_LISTED}", names) for row in rows)


def _differences(table: Table, row: tuple[Any, ...], other: tuple[Any, ...]) -> list[str]:
    """The columns in which two rows of one key say something else."""
    pairs = zip(table.columns, row, other, strict=True)
    return [name for name, a, b in pairs if a != b and name not in _MAY_DIFFER.get(table.name, ())]


def _told(table: Table, row: tuple[Any, ...], other: tuple[Any, ...], names: Sequence[str]) -> str:
    """Which row it is, with what stands here and there in the first column that differs."""
    here, there = (dict(zip(table.columns, values, strict=True)) for values in (row, other))
    key = " of ".join(str(here[name]) for name in _KEYS.get(table.name, ("id",)))
    found, expected = (f"{each[names[0]]!r:.60}" for each in (here, there))
    return f"{table.name.replace('_', ' ')} {key}: {names[0]} is {found}, stored is {expected}"


def _check_same_rows(run: Store, part: Store) -> None:
    """Checks that the run has the problems, samples and probes that the part's verdicts are about.

    Raises:
        ConfigError: It lacks one, or has another one.
    """
    for table in _OF_A_PROBLEM:
        for chunk in part.chunks(table):
            if new := _compared(run, table, chunk, f"{part.folder}: not a part of {run.folder}").new:
                raise ConfigError(
                    f"{part.folder}: not a part of {run.folder}, which has no {table.name} {new[0][0]}; nothing added"
                )


def _check_verifiers(run: Store, part: Store) -> None:
    """Checks that no verifier of the part has the name of another one in the run.

    Raises:
        ConfigError: One has: its options, its model or the program's version differ.
    """
    known = run.run().get("verifiers", {})
    for name, fingerprint in part.run().get("verifiers", {}).items():
        if known.get(name, fingerprint) != fingerprint:
            raise ConfigError(
                f"{part.folder}: verifier {name} is {fingerprint}, in {run.folder} it is {known[name]}: other options, "
                "another model or another version; verify all shards alike, nothing added"
            )
