"""Exported tokenizers: the `tokenizer.json` of a vocabulary of characters and the chat template give our ids."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st
from jinja2.sandbox import ImmutableSandboxedEnvironment

from restem.harness.assets.tokenizer import QUESTIONS, SOLUTIONS, TURNS, prompt_phrases
from restem.harness.model.architecture import ASSETS, Architecture
from restem.harness.model.policy import Policy
from restem.harness.model.tokenizer import Tokenizer
from restem.harness.serving.requests import chat_prompts
from restem.harness.weights.huggingface_tokenizer import tokenizer_files
from tests.gemma_folders import vocabulary
from tests.strategies import hostile_texts

OURS = Tokenizer(path=ASSETS / "tiny" / "tokenizer.model")
ARCHITECTURE = Architecture(vocab_size=OURS.vocab_size, little_endian=False)
POLICY = Policy(architecture=ARCHITECTURE, params={}, tokenizer=OURS)
FILES = tokenizer_files(OURS, ARCHITECTURE)
THEIRS = tokenizers.Tokenizer.from_str(json.dumps(FILES["tokenizer.json"]))
CONTROL = {OURS.piece(id) for id in (OURS.pad_id, OURS.eos_id, OURS.bos_id, OURS.unk_id)} | {*OURS.turn_markers}
# Fixed phrases beside each other, and characters that the vocabulary writes as bytes.
PHRASES = [*TURNS, *SOLUTIONS, *QUESTIONS, *prompt_phrases()]
phrases = st.lists(st.sampled_from([*PHRASES, " ", "-", "7", "é", "\u2581"])).map("".join)
texts = st.one_of(st.text(), phrases, hostile_texts).filter(lambda text: not any(piece in text for piece in CONTROL))


def is_unicode(text: str) -> bool:
    return not any(0xD800 <= ord(character) < 0xE000 for character in text)


@given(texts.filter(is_unicode))
def test_any_text_without_control_pieces_gets_our_ids(text: str) -> None:
    assert THEIRS.encode(text, add_special_tokens=False).ids == OURS.encode(text)
    assert THEIRS.encode(text).ids == [OURS.bos_id, *OURS.encode(text)]


@given(texts.filter(is_unicode))
def test_ids_are_decoded_to_our_text(text: str) -> None:
    assert THEIRS.decode(OURS.encode(text)) == OURS.decode(OURS.encode(text))


def test_the_vocabulary_has_as_many_tokens_as_the_model_has_rows() -> None:
    assert THEIRS.get_vocab_size(with_added_tokens=True) == OURS.vocab_size


def test_a_vocabulary_of_merges_is_left_to_transformers(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("merges") / "tokenizer.model"
    path.write_bytes(vocabulary())
    files = tokenizer_files(Tokenizer(path=path), Architecture(vocab_size=520))
    assert list(files) == ["tokenizer_config.json"]
    assert files["tokenizer_config.json"]["tokenizer_class"] == "GemmaTokenizer"


def rendered(
    messages: list[dict[str, str]],
    config: Mapping[str, Any] = FILES["tokenizer_config.json"],
    *,
    generation: bool = True,
) -> str:
    """A conversation as transformers renders it."""
    environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(config["chat_template"])
    tokens = {"bos_token": OURS.piece(OURS.bos_id), "eos_token": OURS.piece(OURS.eos_id)}
    return template.render(messages=messages, add_generation_prompt=generation, **tokens)


messages = st.builds(
    lambda role, content: {"role": role, "content": content},
    st.sampled_from(["system", "user", "assistant"]),
    texts.filter(is_unicode),
)


@given(st.lists(messages, min_size=1, max_size=5))
def test_the_chat_template_gives_the_ids_that_the_server_gives(messages: list[dict[str, str]]) -> None:
    ids = THEIRS.encode(rendered(messages), add_special_tokens=False).ids
    assert [ids] == chat_prompts(POLICY, {"messages": messages})[0]


EXAMPLES = ["Q: {question}\nA:", "{question}", 'Say "é\\n", then\t{{ x }} {# y #}:\n\n{question}\n{question} 😀 =']


@given(st.lists(messages, min_size=1, max_size=3), st.sampled_from(EXAMPLES))
def test_the_template_of_a_base_model_gives_the_ids_that_the_server_gives(
    messages: list[dict[str, str]], few_shot: str
) -> None:
    base = dataclasses.replace(POLICY, tokenizer=dataclasses.replace(OURS, few_shot=few_shot))
    config = tokenizer_files(base.tokenizer, ARCHITECTURE)["tokenizer_config.json"]
    ids = THEIRS.encode(rendered(messages, config), add_special_tokens=False).ids
    assert [ids] == chat_prompts(base, {"messages": messages})[0]


@given(texts.filter(is_unicode), texts.filter(is_unicode))
def test_a_trainer_renders_question_and_answer_as_the_ids_that_the_policy_is_trained_on(
    question: str, answer: str
) -> None:
    turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
    ids = THEIRS.encode(rendered(turns, generation=False), add_special_tokens=False).ids
    assert ids == [*OURS.encode_prompt(question), *OURS.encode_response(answer), *OURS.encode("\n")]


def test_a_trainer_puts_the_answer_behind_the_examples_of_a_base_model() -> None:
    tokenizer = dataclasses.replace(OURS, few_shot="Q: 1\nA: 2\n\nQ: {question}\nA:")
    config = tokenizer_files(tokenizer, ARCHITECTURE)["tokenizer_config.json"]
    turns = [{"role": "user", "content": "3"}, {"role": "assistant", "content": " 4"}]
    assert rendered(turns, config, generation=False) == "<s>Q: 1\nA: 2\n\nQ: 3\nA: 4</s>"
