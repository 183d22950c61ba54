"""A baseline, `NAME.gate.toml`: which verifiers are compared on which golden rows, and what is expected of them.

Takes TOML text; gives frozen models, and the same text with new `expected` tables. Everything else in the file keeps
its bytes, comments included. It does not depend on verifiers or statistics.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import pydantic
import tomlkit
from pydantic import Field
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import InlineTable, Table

from restem.harness.config_model import Model
from restem.harness.errors import ConfigError
from restem.harness.toml import parse_toml, read_toml


class Expected(Model):
    """A verifier's agreement with the labels when the baseline was written.

    Attributes:
        n: Labelled rows.
        agreement: Share of them on which the verifier's outcome is the label; undecided does not agree.
        interval: Its 95 % interval, rows clustered by problem.
        undecided: Share of the labelled rows that the verifier left undecided.
        ac1: Gwet's AC1 on the rows it decided; like kappa absent where it cannot be computed.
        kappa: Cohen's kappa on the same rows; to be read beside the prevalence.
        prevalence: Share of those rows that the labels, and that the verifier, call correct.
        rows: File -> how many rows it had and a digest of their ids, as `roll_call` writes it.
    """

    fingerprint: str | None = None
    n: int = Field(ge=0)
    agreement: float = Field(ge=0, le=1)
    interval: tuple[float, float] | None = None
    undecided: float | None = Field(default=None, ge=0, le=1)
    ac1: float | None = None
    kappa: float | None = None
    prevalence: tuple[float, float] | None = None
    rows: dict[str, Annotated[str, Field(pattern=r"^[0-9]{1,9}-[0-9a-f]{12}$")]] | None = None


class Entry(Model):
    """One verifier of a baseline; `pinned`: every row's outcome is golden (default: unless it asks a judge)."""

    pinned: bool | None = None
    margin: float | None = Field(default=None, ge=0, lt=1)
    expected: Expected | None = None


class Baseline(Model):
    """The contents of a `NAME.gate.toml`.

    Attributes:
        rows: Files of golden rows, relative to the baseline.
        confidence: Of the one-sided tests.
        margin: How far agreement may fall before it counts as worse; a verifier may have its own.
        verifiers: The verifiers that are compared.
        options: Verifier -> options, as `[verifiers.NAME]` of a suite holds them.
    """

    rows: tuple[str, ...] = Field(min_length=1)
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    margin: float = Field(default=0.01, ge=0, lt=1)
    verifiers: dict[str, Entry] = Field(default={})
    options: dict[str, dict[str, Any]] = Field(default={})

    def margin_of(self, verifier: str) -> float:
        """The verifier's own margin, or else that of the baseline."""
        margin = self.verifiers[verifier].margin
        return self.margin if margin is None else margin


def read_baseline(path: Path) -> Baseline:
    """The baseline of a file.

    Raises:
        ConfigError: Naming file, field and what is wrong with it.
    """
    return _validated(read_toml(path), path.name)


def _validated(data: Mapping[str, Any], name: str) -> Baseline:
    try:
        return Baseline.model_validate(data)
    except pydantic.ValidationError as error:
        places = ((".".join(map(str, item["loc"])), item) for item in error.errors())
        raise ConfigError(
            "\n".join(f"{name}: {place}: {item['msg']} (found {item['input']!r:.80})" for place, item in places)
        ) from None


def with_expected(text: str, expected: Mapping[str, Expected], name: str) -> str:
    """The baseline's text with new `expected` tables of these verifiers; all else keeps its bytes.

    Raises:
        ConfigError: The file spells its tables in a way that cannot be edited in place.
    """
    apart = ConfigError(f"{name}: give every verifier a [verifiers.NAME] table, so that its numbers can be written")
    try:
        document = tomlkit.parse(text)
    except TOMLKitError as error:  # it refuses some TOML that Python's reader takes
        raise ConfigError(f"{name}: not TOML that can be edited: {error!s:.200}") from None
    for verifier, values in expected.items():
        entry: Any = document["verifiers"][verifier]  # type: ignore[index]
        figures = values.model_dump(mode="json", exclude_none=True)
        if "expected" in entry:
            _change(entry["expected"], figures)
        elif isinstance(entry, InlineTable):
            entry["expected"] = figures
        elif isinstance(entry, Table):
            _add_table(entry, figures)
        else:
            raise apart
    edited = tomlkit.dumps(document)
    if text.count("\r\n") == text.count("\n") > 0:  # a file of Windows lines stays one
        edited = edited.replace("\r\n", "\n").replace("\n", "\r\n")
    written = _validated(parse_toml(edited, name), name).verifiers
    if any(verifier not in written or written[verifier].expected != values for verifier, values in expected.items()):
        raise apart
    return edited


def _change(table: Any, figures: Mapping[str, Any]) -> None:
    """Sets what differs, so that the lines of equal values stay as they are."""
    plain = table.unwrap()
    for key in plain.keys() - figures.keys():
        del table[key]
    for key, value in figures.items():
        if plain.get(key) != value:
            table[key] = _item(value)


def _add_table(entry: Table, figures: Mapping[str, Any]) -> None:
    """Adds the table `expected` below a verifier's own keys."""
    table = tomlkit.table()
    for key, value in figures.items():
        table.add(key, _item(value))
    # Blank lines and comments at the end belong to the table that follows in the file, so they move behind the new one.
    body, following = entry.value.body, []
    while body and body[-1][0] is None:
        following.insert(0, body.pop()[1])
    entry.add(tomlkit.nl())
    entry.add("expected", table)
    for item in following or [tomlkit.nl()]:
        table.add(item)


def _item(value: Any) -> Any:
    """The TOML item of a value; a mapping stays on one line."""
    if not isinstance(value, dict):
        return value
    inline = tomlkit.inline_table()
    inline.update(value)
    return inline
