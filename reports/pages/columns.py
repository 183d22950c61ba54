"""A Table as text: in aligned columns for a terminal, there with or without broken cells, with pipes for Markdown.

Takes Tables; gives texts in which no cell can break the layout. Written here and not with tabulate, which `restem show`
would wait for longer than for the run that it shows.
"""

from __future__ import annotations

import itertools
import textwrap
import unicodedata
from collections.abc import Iterable, Sequence

from restem.reports.pages.escape import markdown, visible
from restem.reports.tables.table import Cell, Table

LONGEST = 60  # characters of a cell
LONGEST_BROKEN = 200  # of one that is broken between words
LONGEST_WORD = 16  # characters of a word that no broken cell breaks


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


def broken(variants: Sequence[Table], width: int) -> str:
    """The first of the variants that fits into this many columns of a terminal, with long cells broken between words.

    A cell's detail stands below its text. Columns of names alone become narrower than what they hold, the widest first.
    Where no variant fits, the last one with its lines cut.
    """
    texts = [_broken(table, width) for table in variants]
    chosen = next((text for text in texts if max(map(width_of, text.splitlines())) <= width), texts[-1])
    return "\n".join(cut(line, width) for line in chosen.splitlines())


def wrapped(lines: Sequence[str], columns: int) -> list[str]:
    """The lines broken between words where they are longer than this many columns."""
    return [part for line in lines for part in textwrap.wrap(line, columns) or [""]]


def _broken(table: Table, width: int) -> str:
    """The table in columns, as narrow as the width asks for and the cells allow."""
    headings = [visible(heading, LONGEST) for heading in table.headings]
    cells = [[_parts(cell) for cell in row.values()] for row in table.rows]
    columns = [
        [*heading.split(), *(part for row in cells for part in row[place])] for place, heading in enumerate(headings)
    ]
    widths = [max(map(width_of, lines)) for lines in columns]
    least = [min(LONGEST_WORD, max(width_of(word) for line in lines for word in line.split())) for lines in columns]
    wide = {place for place, column in enumerate(table.columns) if column.names and widths[place] > least[place]}
    while sum(widths) + 2 * (len(widths) - 1) > width and wide:
        widest = max(wide, key=lambda place: widths[place])
        widths[widest] -= 1
        if widths[widest] == least[widest]:
            wide.remove(widest)
    rows = [_lines([[heading] for heading in headings], widths), ["  ".join("-" * part for part in widths)]]
    return "\n".join(itertools.chain(*rows, *(_lines(row, widths) for row in cells)))


def _parts(cell: Cell) -> list[str]:
    """The cell's text and the detail below it."""
    return [visible(part, LONGEST_BROKEN) for part in (cell.text, cell._replace(text="").line.strip()) if part] or [""]


def _lines(cells: Iterable[Sequence[str]], widths: Sequence[int]) -> list[str]:
    """One row of a table as the lines of a terminal."""
    columns = [
        [line for part in parts for line in textwrap.wrap(part, width) or [""]]
        for parts, width in zip(cells, widths, strict=True)
    ]
    return [
        "  ".join(part + " " * (width - width_of(part)) for part, width in zip(line, widths, strict=True)).rstrip()
        for line in itertools.zip_longest(*columns, fillvalue="")
    ]


def interval_alone(cell: Cell) -> Cell:
    """The cell without the words behind its interval; any other detail stays."""
    interval, bracket, _ = cell.detail.partition("]")
    return cell._replace(detail=interval + bracket) if cell.detail.startswith("[") else cell


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
