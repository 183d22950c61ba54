"""Columns for a terminal, against tabulate's."""

from hypothesis import given
from hypothesis import strategies as st
from tabulate import tabulate

from restem.reports.pages.columns import aligned
from restem.reports.pages.escape import visible

# What tables hold: escaped, no space at the ends (tabulate strips cells), wide characters and marks among the rest.
CELL = st.text(st.sampled_from("ab 19−%[,]é漢カ字\u0308ß~"), max_size=8).map(lambda text: visible(text.strip()))


@given(st.integers(1, 4).flatmap(lambda n: st.lists(st.lists(CELL.filter(bool), min_size=n, max_size=n), min_size=2)))
def test_columns_are_those_of_tabulate(lines: list[list[str]]) -> None:
    headers, *rows = lines
    theirs = tabulate(rows, headers=headers, tablefmt="simple", disable_numparse=True)
    assert aligned(headers, rows).splitlines() == [line.rstrip() for line in theirs.splitlines()]
