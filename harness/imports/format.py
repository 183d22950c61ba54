"""The shape of an import format: its name, how it is recognised, and how its rollouts are read.

Takes a source; gives rollouts and refused rows. Does not depend on any format.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

from restem.benchmarks.json_lines import BadLine, JsonLine
from restem.harness.imports.rollout import Imported, Refused
from restem.harness.imports.sources import Source, without_value

Read: TypeAlias = Callable[["Source"], Iterator[Imported]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Format:
    """One format of rollouts.

    Attributes:
        name: What `--format` calls it.
        title: What it is, for people.
        recognises: Whether a source is of this format, by its first row and its name.
        read: The rollouts of a source, in its order.
        appends: Whether a source of it grows at its end alone and each row stands for itself, so that the reading of a
            longer file can go on where it stopped.
    """

    name: str
    title: str
    recognises: Callable[[Source], bool]
    read: Read
    appends: bool = False


def by_row(rollouts: Callable[[JsonLine], Iterable[Imported]]) -> Read:
    """Reads a source row by row; a row whose fields are not as expected is refused, with the reason."""

    def read(source: Source) -> Iterator[Imported]:
        for row in source.rows():
            if isinstance(row, Refused):
                yield row
                continue
            try:
                yield from rollouts(row)
            except BadLine as error:
                yield Refused(place=row.place, reason=without_value(error, row.place))

    return read
