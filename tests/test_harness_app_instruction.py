"""The instruction of a suite: in every prompt of the policy, kept by its checkpoints, absent from conversations."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restem.harness.app.base_policy import prompted
from restem.harness.config import Suite, load_suite
from restem.harness.model.architecture import ASSETS
from restem.harness.model.policy import Policy, load_policy, save_policy
from restem.harness.model.tokenizer import Tokenizer
from tests.small_policy import small_policy

BOX = "Put the answer into \\boxed{}."
BARE = Tokenizer(path=ASSETS / "tiny" / "tokenizer.model")
TEXTS = st.text(st.characters(codec="utf-8"))


def suite(*overrides: str) -> Suite:
    return load_suite("linear_1d", overrides)


def instructed(text: str | None) -> Policy:
    policy = small_policy()
    return dataclasses.replace(policy, tokenizer=dataclasses.replace(policy.tokenizer, instruction=text))


@given(TEXTS, TEXTS)
def test_a_prompt_is_that_of_the_question_with_the_instruction_below(question: str, instruction: str) -> None:
    tokenizer = dataclasses.replace(BARE, instruction=instruction)
    assert tokenizer.encode_prompt(question) == BARE.encode_prompt(f"{question}\n{instruction}")


def test_examples_hold_the_instruction_where_the_question_stands() -> None:
    tokenizer = dataclasses.replace(BARE, few_shot="Q: {question}\nA:", instruction=BOX)
    assert tokenizer.decode(tokenizer.encode_prompt("1 + 1?")) == f"Q: 1 + 1?\n{BOX}\nA:"


def test_a_conversation_has_no_instruction() -> None:
    turns = [("user", "Hello."), ("model", "Hello."), ("user", "1 + 1?")]
    assert dataclasses.replace(BARE, instruction=BOX).encode_chat(turns) == BARE.encode_chat(turns)


def test_a_policy_keeps_its_instruction_when_saved(tmp_path: Path) -> None:
    save_policy(instructed(BOX), tmp_path / "saved")
    assert load_policy(tmp_path / "saved").tokenizer.instruction == BOX


@pytest.mark.parametrize(
    ("of_suite", "of_base", "used", "recorded"),
    [
        (None, None, None, None),
        (BOX, None, BOX, BOX),
        (None, BOX, BOX, BOX),
        ("Be brief.", BOX, "Be brief.", "Be brief."),
        ("", BOX, None, ""),
    ],
)
def test_the_suites_instruction_is_used_before_the_checkpoints_and_recorded(
    of_suite: str | None, of_base: str | None, used: str | None, recorded: str | None
) -> None:
    asked = suite() if of_suite is None else suite(f"benchmark.instruction={of_suite}")
    resolved, policy = prompted(asked, instructed(of_base))
    assert policy.tokenizer.instruction == used
    assert resolved.benchmark.instruction == recorded
