"""What a table is: named columns, and rows whose cells are found by a column's key.

Takes columns (a key, a heading and what a record shows there) and records; gives a Table of texts. Does not depend on
what the records are, nor on how a table is printed: Markdown, HTML and the terminal each escape the raw texts their own
way. Nothing looks a column up by its heading or its position, so both can change freely.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

T = TypeVar("T")
CLUSTERED = "Intervals: 95 %, clustered by problem."


class Cell(NamedTuple):
    """A text, and a smaller detail below it (nearly always the 95 % interval)."""

    text: str
    detail: str = ""

    @property
    def line(self) -> str:
        """Both on one line; a detail that is no interval is in parentheses."""
        detail = self.detail if not self.detail or self.detail.startswith("[") else f"({self.detail})"
        return f"{self.text} {detail}".rstrip()


Row = Mapping[str, Cell]


@dataclasses.dataclass(frozen=True)  # positional, so that a table's columns stand as a list of short lines
class Column(Generic[T]):
    """A column: the key that it is found by, its heading, and the cell (or plain text) of a record.

    Attributes:
        names: Whether it holds names, which are set to the left, and not numbers.
    """

    key: str
    heading: str
    cell: Callable[[T], Cell | str]
    _: dataclasses.KW_ONLY
    names: bool = False


@dataclasses.dataclass(frozen=True, kw_only=True)
class Table:
    """A titled table; each row maps every column's key to its cell, in the columns' order."""

    id: str
    title: str
    columns: tuple[Column[Any], ...]
    rows: tuple[Row, ...]
    note: str = ""

    @classmethod
    def of(
        cls, records: Iterable[T], columns: Iterable[Column[T] | None], *, id: str, title: str = "", note: str = ""
    ) -> Table:
        """A row for each record. Columns that are None are left out.

        Raises:
            ValueError: Two columns have the same key.
        """
        kept = tuple(column for column in columns if column)
        if len({column.key for column in kept}) < len(kept):
            raise ValueError(f"table {id}: two columns have one key: {[column.key for column in kept]}")
        rows = tuple({column.key: _as_cell(column.cell(record)) for column in kept} for record in records)
        return cls(id=id, title=title, columns=kept, rows=rows, note=note)

    @property
    def headings(self) -> list[str]:
        """The columns' headings."""
        return [column.heading for column in self.columns]

    def only(self, keys: Sequence[str]) -> Table:
        """The table with these columns alone, in this order.

        Raises:
            KeyError: There is no column of that key.
        """
        by_key = {column.key: column for column in self.columns}
        rows = tuple({key: row[key] for key in keys} for row in self.rows)
        return dataclasses.replace(self, columns=tuple(by_key[key] for key in keys), rows=rows)

    def after(self, rows: Iterable[Row]) -> Table:
        """The table with these rows, which have a cell for every column, before its own."""
        first = tuple({column.key: row[column.key] for column in self.columns} for row in rows)
        return dataclasses.replace(self, rows=(*first, *self.rows))

    def changed(self, change: Callable[[Cell], Cell]) -> Table:
        """The table with every cell changed."""
        rows = tuple({key: change(cell) for key, cell in row.items()} for row in self.rows)
        return dataclasses.replace(self, rows=rows)


def _as_cell(cell: Cell | str) -> Cell:
    return Cell(cell) if isinstance(cell, str) else cell
