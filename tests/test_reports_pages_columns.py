"""Tables as text: columns for a terminal and pipes for Markdown, against tabulate's; what a narrow terminal shows."""

from hypothesis import given
from hypothesis import strategies as st
from tabulate import tabulate

from restem.reports.pages.columns import aligned, broken, fitted, interval_alone, piped, width_of
from restem.reports.pages.escape import markdown, visible
from restem.reports.tables.table import Cell, Column, Table

# What tables hold: escaped, no space at the ends (tabulate strips cells), wide characters and marks among the rest.
CELL = st.text(st.sampled_from("ab 19−%[,]é漢カ字\u0308ß~"), max_size=8).map(lambda text: visible(text.strip()))


@given(st.integers(1, 4).flatmap(lambda n: st.lists(st.lists(CELL.filter(bool), min_size=n, max_size=n), min_size=2)))
def test_columns_are_those_of_tabulate(lines: list[list[str]]) -> None:
    headers, *rows = lines
    theirs = tabulate(rows, headers=headers, tablefmt="simple", disable_numparse=True)
    assert aligned(headers, rows).splitlines() == [line.rstrip() for line in theirs.splitlines()]


def table(lines: list[list[str]]) -> Table:
    """The first line as headings, every second column one of names."""
    headings, *rows = lines
    columns = [
        Column(str(place), heading, lambda row, place=place: row[place], names=place % 2 == 0)
        for place, heading in enumerate(headings)
    ]
    return Table.of(rows, columns, id="t")


@given(st.integers(1, 4).flatmap(lambda n: st.lists(st.lists(CELL.filter(bool), min_size=n, max_size=n), min_size=1)))
def test_pipes_are_those_of_tabulate(lines: list[list[str]]) -> None:
    headers, *rows = ([markdown(cell) for cell in line] for line in lines)
    align = ["left" if place % 2 == 0 else "right" for place in range(len(headers))]
    theirs = tabulate(rows, headers, "pipe", disable_numparse=True, colalign=align if rows else None)
    assert piped(table(lines)) == theirs


def test_the_first_table_that_fits_is_shown_and_else_the_last_one_cut() -> None:
    wide = table([["arm", "accuracy"], ["sympy", "40.0"]]).changed(lambda cell: cell._replace(detail="[38.1, 41.9]"))
    narrow = wide.only(["0"])
    full = fitted([wide, narrow], 80)
    assert "accuracy" in full
    assert "accuracy" not in fitted([wide, narrow], max(map(len, full.splitlines())) - 1)
    assert {width_of(line) for line in fitted([wide, narrow], 3).splitlines()} == {3}


def test_words_behind_an_interval_go_and_words_alone_stay() -> None:
    assert interval_alone(Cell("40.0", "[38.1, 41.9] of 90.0 % decided")) == ("40.0", "[38.1, 41.9]")
    assert interval_alone(Cell("sympy", "gold")) == ("sympy", "gold")


WORDS = st.lists(st.text("ab", min_size=1, max_size=5), min_size=1, max_size=6).map(" ".join)


@given(st.lists(st.tuples(WORDS, st.text("19", min_size=1, max_size=4), WORDS), min_size=2), st.integers(18, 60))
def test_a_broken_cell_keeps_its_words_in_their_column(lines: list[tuple[str, str, str]], width: int) -> None:
    (*headings, _), *rows = ((first, number, last) for first, number, last in lines)
    shown = broken([table([[*headings, "c"], *map(list, rows)])], width).splitlines()
    assert max(map(len, shown)) <= width
    rule = next(line for line in shown if set(line) == {"-", " "})
    ends = [len(rule.split("  ")[0]) + 2]
    ends.append(ends[0] + len(rule.split("  ")[1]) + 2)
    below = shown[shown.index(rule) + 1 :]
    for column, (start, end) in enumerate(((0, ends[0]), (ends[0], ends[1]), (ends[1], None))):
        words = " ".join(line[start:end] for line in below).split()
        assert words == " ".join(row[column] for row in rows).split()
