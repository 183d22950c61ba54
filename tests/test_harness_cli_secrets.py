"""A key in a wrong place is refused before any work: it is not printed, and no file holds it."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from restem.harness.cli.main import main
from restem.verifiers.keys import without_keys

KEY = "sk-real0123456789abcdef"
BARE = "q7Zr2mXw91LkPt04VbNs"  # without a provider's form: the value of a variable that is named as a secret
SUITE = 'name = "s"\nseed = 1\niterations = 1\n[[arms]]\nname = "a"\nverifier = "judge"\n'
JUDGE = '[verifiers.judge]\nmodel = "m"\nbase_url = "http://127.0.0.1:9/v1"\n'
PLACES = {
    "prompt": JUDGE + 'prompt = "KEY"',
    "prices": JUDGE + 'prices = { "KEY" = [1, 2] }',
    "model": '[verifiers.judge]\nmodel = "KEY"',
    "base_url": '[verifiers.judge]\nmodel = "m"\nbase_url = "https://me:KEY@host/v1"',
    "api_key_env": JUDGE + 'api_key_env = "KEY"',
    "reasoning_effort": JUDGE + 'reasoning_effort = "KEY"',
    "extra_body": JUDGE + 'extra_body = { headers = { auth = ["KEY"] } }',
    "unknown option": JUDGE + '"KEY" = 1',
    "option of a wrong type": JUDGE + 'votes = "KEY"',
    "verifier": '[verifiers."KEY"]\ntype = "judge"',
    "reward's keyword": '[verifiers.nice]\ntype = "trl:x.py:f"\nkeywords = { api_key = "KEY" }',
    "unknown table": "[KEY]\na = 1",
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MY_API_KEY", BARE)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("key", [KEY, BARE], ids=["form", "variable"])
@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
def test_a_key_in_a_suite_is_neither_printed_nor_stored(tmp_path: Path, place: str, key: str) -> None:
    (tmp_path / "suite.toml").write_text(SUITE + place.replace("KEY", key))
    ended = CliRunner().invoke(main, ["run", "suite.toml", "--out", "out"])
    assert (ended.exit_code, key in ended.output, (tmp_path / "out").exists()) == (2, False, False)
    assert ended.output.startswith("restem: ")


@pytest.mark.parametrize(
    "arguments",
    [
        *(["--verifier", KEY], ["--verifier", "judge", "--set", f"verifiers.judge.prompt={KEY}"], [f"--{KEY}"], [KEY]),
        *(["--verifier", "judge", "--set", KEY], ["--verifier", "judge", "--set", f"verifiers.judge.{KEY}=1"]),
    ],
)
def test_a_key_on_the_command_line_is_not_printed(tmp_path: Path, arguments: list[str]) -> None:
    (tmp_path / "rows.jsonl").write_text('{"question": "1 + 1", "response": "2", "reference": "2"}\n')
    ended = CliRunner().invoke(main, ["verify", "--input", "rows.jsonl", "--output", "out.jsonl", *arguments])
    assert (ended.exit_code, KEY in ended.output, (tmp_path / "out.jsonl").exists()) == (2, False, False)


def test_a_long_value_is_printed_shortened(tmp_path: Path) -> None:
    (tmp_path / "suite.toml").write_text(SUITE + JUDGE + f'prompt = "{"x/" * 1000}"')
    ended = CliRunner().invoke(main, ["run", "suite.toml", "--out", "out"])
    assert (ended.exit_code, len(ended.output) < 700) == (2, True)


@pytest.mark.parametrize(
    "text", ["task-12345678", "skating", "claude-sonnet-4-5-20250929", "none", "hf_tokenizer_of_a_model"]
)
def test_ordinary_words_are_no_keys(text: str) -> None:
    assert without_keys(text) == text
