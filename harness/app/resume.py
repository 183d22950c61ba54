"""Whether a suite may go on with a stored run: which settings may differ from those it began with, and which may not.

Takes a suite and the facts of a run folder; gives the settings that differ, or one error that names them. The
classification itself stands beside the settings: `MayDiffer` in the metadata of the fields of harness/config.py and
verifiers/options.py, printed into docs/suite.md and docs/verifiers.md. Imports no JAX.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pydantic

from restem.benchmarks.problem import Problem
from restem.harness.config import Suite, parse_suite
from restem.harness.errors import ConfigError
from restem.harness.names import unmarked
from restem.harness.store.store import Store, stored_facts
from restem.verifiers import catalog
from restem.verifiers.option_types import may_differ

EVENT = "settings"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Change:
    """A setting that differs from the stored one.

    Attributes:
        key: Its dotted key.
        before: The stored value; None where there is none.
        now: The value of the suite at hand; None where there is none.
        allowed: Whether it may differ.
        longer: Whether the run has more to do because of it.
    """

    key: str
    before: Any
    now: Any
    allowed: bool
    longer: bool = False

    def __str__(self) -> str:
        return f"{self.key}: {self.before!r} now {self.now!r}"


def check_same(store: Store, suite: Suite, problems: Mapping[str, Sequence[Problem]]) -> None:
    """Checks that the folder's run has these problems, and this suite but for settings that may differ.

    Foreign verifiers have options of their own; for these their fingerprints are compared when they are built.

    Raises:
        ConfigError: Naming the settings that differ and may not, or the split whose problems differ.
    """
    refused = [change for change in changes(store, suite) if not change.allowed]
    if refused:
        listed = "; ".join(map(str, refused))
        raise ConfigError(
            f"{store.folder} holds a run of another suite: {listed}. Set the stored value again, or give another "
            "--out; docs/suite.md lists the settings that may differ"
        )
    for split, items in problems.items():
        stored = store.problems(split)
        if stored and stored != list(items):
            raise ConfigError(f"{store.folder}: the {split} problems are not those that this run began with")


def changes(store: Store, suite: Suite) -> list[Change]:
    """The settings in which the suite differs from the folder's run; none where the run has not begun."""
    stored = _stored_suite(store)
    return [] if stored is None else differing(stored, suite)


def differing(before: Suite, now: Suite) -> list[Change]:
    """The settings in which two suites differ, and the options of their verifiers."""
    return [*_changes(before, now), *_option_changes(before, now)]


def is_longer(store: Store, suite: Suite) -> bool:
    """Whether the suite has more to do than the folder's run."""
    return any(change.longer for change in changes(store, suite))


def store_settings(store: Store, suite: Suite) -> list[Change]:
    """Stores the suite at hand as the run's, and the settings that differ as an event; gives these."""
    found = changes(store, suite)
    if any(change.longer for change in found):
        # Before the suite: a process killed in between leaves a run that can still be extended.
        store.set_run("finished", False)
    if found:
        store.log(EVENT, changed=[{"key": change.key, "before": change.before, "now": change.now} for change in found])
        store.set_run("suite", suite.model_dump(mode="json"))
    return found


def check_fingerprints(store: Store, suite: Suite, fingerprints: Mapping[str, str]) -> None:
    """Checks that the verifiers are those that the folder's run began with, or none have begun.

    Raises:
        ConfigError: Naming the first that is another, and the options that differ.
    """
    stored = store.run().get("verifiers")
    for name, fingerprint in fingerprints.items():
        if stored is None or stored.get(name) == fingerprint:
            continue
        options = [change for change in changes(store, suite) if change.key.startswith(f"verifiers.{unmarked(name)}.")]
        reason = "; ".join(map(str, options)) or "its code, its prompt or a part of it is another"
        raise ConfigError(
            f"{store.folder}: verifier {name!r} is not the one that this run began with: found {fingerprint}, expected "
            f"{stored.get(name)} ({reason}). Give another --out, or the version of before"
        )


def has_begun(folder: Path) -> bool:
    """Whether a folder holds a run whose suite is recorded."""
    return "suite" in stored_facts(folder)


def _stored_suite(store: Store) -> Suite | None:
    """The suite of the folder's run. One of an earlier version lacks newer settings; it ran with their defaults."""
    stored = store.run().get("suite")
    return None if stored is None else parse_suite(stored, str(store.folder))


def _changes(before: pydantic.BaseModel, now: pydantic.BaseModel, place: str = "") -> Iterator[Change]:
    """The settings of two equal tables that differ, and those of the tables in them; not the options of verifiers."""
    for name, field in type(now).model_fields.items():
        key = f"{place}{name}"
        if key == "verifiers":
            continue
        values: tuple[Any, Any] = getattr(before, name), getattr(now, name)
        ours, theirs = map(_tables_in, values)
        if ours and ours.keys() == theirs.keys():
            for part in ours:
                yield from _changes(ours[part], theirs[part], f"{key}{part}.")
        elif values[0] != values[1]:
            mark = may_differ(field)
            allowed = mark is not None and (not mark.grows or (None not in values and values[1] > values[0]))
            longer = allowed and mark is not None and mark.grows
            yield Change(key=key, before=_plain(values[0]), now=_plain(values[1]), allowed=allowed, longer=longer)


def _tables_in(value: Any) -> dict[str, pydantic.BaseModel]:
    """The table that a value is, or the tables of a list or by name; each by what its key has after the setting's."""
    parts = {f".{name}": table for name, table in value.items()} if isinstance(value, dict) else {"": value}
    if isinstance(value, tuple):
        parts = {f".{number}": table for number, table in enumerate(value)}
    return parts if all(isinstance(table, pydantic.BaseModel) for table in parts.values()) else {}


def _plain(value: Any) -> Any:
    """A value as JSON holds it."""
    return pydantic.TypeAdapter(Any).dump_python(value, mode="json")


def _option_changes(before: Suite, now: Suite) -> Iterator[Change]:
    """The options of verifiers that differ; one that is not set has its default."""
    for name in dict.fromkeys([*before.verifiers, *now.verifiers]):
        tables = [suite.verifiers.get(name, {}) for suite in (before, now)]
        type_ = catalog.kind(name, (now if name in now.verifiers else before).verifiers)
        # A verifier of another package has options that are not known here; its fingerprint is compared instead.
        foreign = catalog.is_foreign(type_)
        fields = {} if foreign else catalog.options_of(type_).model_fields
        for option in dict.fromkeys([*tables[0], *tables[1]]):
            field = fields.get(option)
            default = name if option == "type" else None
            if field is not None:
                default = field.get_default(call_default_factory=True, validated_data={})
            values = [_plain(table.get(option, default)) for table in tables]
            if values[0] != values[1]:
                allowed = may_differ(field) is not None if field is not None else foreign and option != "type"
                yield Change(key=f"verifiers.{name}.{option}", before=values[0], now=values[1], allowed=allowed)
