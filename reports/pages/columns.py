"""A Table as text: in aligned columns for a terminal, with pipes for Markdown.

Takes Tables; gives texts in which no cell can break the layout. Written here and not with tabulate, which `restem show`
would wait for longer than for the run that it shows.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from restem.reports.pages.escape import markdown, visible
from restem.reports.tables.table import Cell, Table

LONGEST = 60  # characters of a cell


def plain(table: Table, keys: Sequence[str] = ()) -> str:
    """The table in columns; where keys are given, only the columns of these."""
    chosen = table.only(keys) if keys else table
    rows = [[visible(cell.line, LONGEST) for cell in row.values()] for row in chosen.rows]
    return aligned([visible(heading, LONGEST) for heading in chosen.headings], rows)


def fitted(variants: Sequence[Table], width: int) -> str:
    """The first of the variants that is no wider than this many columns of a terminal.

    Where none is, the last one with its lines cut: a line that the terminal breaks would make the table unreadable and
    cost another line of the screen.
    """
    texts = [plain(table) for table in variants]
    chosen = next((text for text in texts if max(map(width_of, text.splitlines())) <= width), texts[-1])
    return "\n".join(cut(line, width) for line in chosen.splitlines())


def interval_alone(cell: Cell) -> Cell:
    """The cell without the words behind its interval; any other detail stays."""
    interval, bracket, _ = cell.detail.partition("]")
    return cell._replace(detail=interval + bracket) if cell.detail.startswith("[") else cell


def without_interval(cell: Cell) -> Cell:
    """The cell without its interval and the words behind it; any other detail stays."""
    return cell._replace(detail="") if cell.detail.startswith("[") else cell


def piped(table: Table, limit: int = 400) -> str:
    """The table in Markdown, whose cells show at most this many characters; names to the left, numbers to the right."""
    rows = [[markdown(cell.line, limit).strip() for cell in row.values()] for row in table.rows]
    headings = [markdown(heading).strip() for heading in table.headings]
    widths = _widths(headings, rows)

    def line(cells: Sequence[str]) -> str:
        padded = (
            cell + gap if column.names or not rows else gap + cell
            for cell, width, column in zip(cells, widths, table.columns, strict=True)
            for gap in [" " * (width - width_of(cell))]
        )
        return f"| {' | '.join(padded)} |"

    rule = (
        "-" * (width + 2) if not rows else f":{'-' * (width + 1)}" if column.names else f"{'-' * (width + 1)}:"
        for width, column in zip(widths, table.columns, strict=True)
    )
    return "\n".join([line(headings), f"|{'|'.join(rule)}|", *map(line, rows)])


def _widths(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    return [max([2 + width_of(head), *(width_of(row[place]) for row in rows)]) for place, head in enumerate(headings)]


def aligned(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Rows below their headers, in columns as wide as a terminal shows them."""
    widths = _widths(headers, rows)

    def line(cells: Sequence[str]) -> str:
        padded = (cell + " " * (width - width_of(cell)) for cell, width in zip(cells, widths, strict=True))
        return "  ".join(padded).rstrip()

    return "\n".join([line(headers), "  ".join("-" * width for width in widths), *map(line, rows)])


def width_of(text: str) -> int:
    """Cells that a terminal gives a text: two for an East Asian wide character, none for a combining character."""
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    return len(text) + wide - sum(unicodedata.category(character) in ("Mn", "Me") for character in text)


def cut(line: str, width: int) -> str:
    """The line's beginning, as much of it as fits into the width."""
    while width_of(line) > width:
        line = line[:-1]
    return line
