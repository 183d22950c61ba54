"""A Table as text in aligned columns, for a terminal.

Takes Tables; gives texts whose control characters are written out. Written here and not with tabulate, which `restem
show` would wait for longer than for the run that it shows.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from restem.reports.pages.escape import visible
from restem.reports.tables.table import Cell, Table

LONGEST = 60  # characters of a cell


def plain(table: Table, keys: Sequence[str] = ()) -> str:
    """The table in columns; where keys are given, only the columns of these."""
    chosen = table.only(keys) if keys else table
    rows = [[visible(cell.line, LONGEST) for cell in row.values()] for row in chosen.rows]
    return aligned([visible(heading, LONGEST) for heading in chosen.headings], rows)


def fitted(table: Table, keys: Sequence[str], width: int, fewest: int = 3) -> str:
    """As many of the columns, from the left, as the width has room for.

    What stands behind an interval is dropped first, then the last columns. With the fewest columns lines are cut: a
    line that the terminal breaks would make the table unreadable and cost another line of the screen.
    """
    short = table.changed(_interval_alone)
    tried = [plain(table, keys), *(plain(short, keys[:count]) for count in range(len(keys), fewest - 1, -1))]
    fitting = next((text for text in tried if max(map(width_of, text.splitlines())) <= width), tried[-1])
    return "\n".join(cut(line, width) for line in fitting.splitlines())


def _interval_alone(cell: Cell) -> Cell:
    """The cell without the words behind its interval; any other detail stays."""
    interval, bracket, _ = cell.detail.partition("]")
    return cell._replace(detail=interval + bracket) if cell.detail.startswith("[") else cell


def aligned(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows below their headers, in columns as wide as a terminal shows them."""
    widths = [max([2 + width_of(head), *(width_of(row[place]) for row in rows)]) for place, head in enumerate(headers)]

    def line(cells: Sequence[str]) -> str:
        padded = (cell + " " * (width - width_of(cell)) for cell, width in zip(cells, widths, strict=True))
        return "  ".join(padded).rstrip()

    return "\n".join([line(headers), "  ".join("-" * width for width in widths), *map(line, rows)])


def width_of(text: str) -> int:
    """Cells that a terminal gives a text: two for an East Asian wide character, none for one that stands on another."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(unicodedata.category(character) in ("Mn", "Me") for character in text)


def cut(line: str, width: int) -> str:
    """The line's beginning, as much of it as fits into the width."""
    while width_of(line) > width:
        line = line[:-1]
    return line
