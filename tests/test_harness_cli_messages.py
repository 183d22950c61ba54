"""Errors on stderr: short, plain text, whatever stood in a file."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restem.harness.cli.messages import MAX_LINES, shortened
from restem.harness.config import load_suite
from restem.harness.errors import ConfigError


@given(st.text(max_size=40).flatmap(lambda text: st.integers(1, 400).map(lambda times: text * times)))
def test_any_message_is_at_most_a_few_short_lines_that_a_terminal_shows(message: str) -> None:
    shown = shortened(message)
    assert len(shown) < 1300
    assert shown.count("\n") <= MAX_LINES
    assert all(character == "\n" or character >= " " for character in shown)
    shown.encode()


def test_a_short_message_stays_as_it_is_and_a_long_one_keeps_its_remedy() -> None:
    assert shortened("restem: a.toml: seed: found 'é'\nb") == "restem: a.toml: seed: found 'é'\nb"
    assert shortened("no run: " + "x" * 3000 + "; give another --out").endswith("xx; give another --out")
    assert shortened("\n".join(["mistake"] * 20)).endswith("mistake\nand 12 more")
    assert shortened("\x1b[2J\ud800") == "\\x1b[2J\\ud800"


def test_a_name_of_emoji_is_shown_in_part() -> None:
    with pytest.raises(ConfigError) as raised:
        load_suite("linear_1d", ["benchmark.name=" + "\U0001f600" * 2000])
    assert 100 < len(shortened(str(raised.value))) < 700
