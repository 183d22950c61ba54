"""The tokenizer's files of a Hugging Face folder: `tokenizer_config.json` and, where it is needed, `tokenizer.json`.

Takes a tokenizer and an architecture; gives the files' contents. Does not depend on tensors or on Hugging Face's
packages.

transformers converts a SentencePiece model by itself where its pieces are learnt merges (Gemma's). It has no conversion
for a model of characters (the embedded policies'): transformers 4 refuses one and transformers 5 drops its user-defined
pieces without a word. So for these the ready `tokenizer.json` is written: characters as a BPE without merges, bytes as
its fallback, and every user-defined piece as an added token. Both libraries take the longest such piece at each place.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from sentencepiece import sentencepiece_model_pb2

from restem.harness.model.architecture import Architecture
from restem.harness.model.prompt_text import QUESTION
from restem.harness.model.tokenizer import Tokenizer

_SPACE = "\u2581"  # how SentencePiece writes a space inside a piece
# Gemma has no system turn: as in `restem serve`, messages of one side after each other are one turn.
_TEMPLATE = (
    "{{ bos_token }}{% set last = namespace(role='') %}{% for message in messages %}"
    "{% set role = 'model' if message['role'] in ('assistant', 'model') else 'user' %}"
    "{% if role == last.role %}{{ '\\n' }}"
    "{% else %}{% if last.role %}{{ 'END\\n' }}{% endif %}{{ 'START' + role + '\\n' }}{% endif %}"
    "{{ message['content'] }}{% set last.role = role %}{% endfor %}"
    "{% if last.role %}{{ 'END\\n' }}{% endif %}"
    "{% if add_generation_prompt %}{{ 'STARTmodel\\n' }}{% endif %}"
)

FEW_SHOT_MARK = "{#- few-shot prompt of a base model #}"
# As in `restem serve`, all messages together are the question, and the model goes on after the examples. Without
# `add_generation_prompt` a last message of the assistant is its answer: trainers render their examples so.
_ASKED = (
    "{% set answered = not add_generation_prompt and messages[-1]['role'] in ('assistant', 'model') %}"
    "{% set asked = messages[:-1] if answered else messages %}"
)
_QUESTION = (
    "{% for message in asked %}{% if not loop.first %}{{ '\\n' }}{% endif %}{{ message['content'] }}{% endfor %}"
)
_ANSWER = "{% if answered %}{{ messages[-1]['content'] + eos_token }}{% endif %}"


# Protobuf makes the class when the module is imported.
_Model = sentencepiece_model_pb2.ModelProto  # pyright: ignore[reportAttributeAccessIssue]


class _Vocabulary(NamedTuple):
    """The pieces of a SentencePiece model in the order of their ids, and which of them are no learnt ones."""

    of_characters: bool
    pieces: list[str]
    control: set[str]
    user_defined: set[str]


def tokenizer_files(tokenizer: Tokenizer, architecture: Architecture) -> dict[str, dict[str, Any]]:
    """The contents of the tokenizer's JSON files, by file name."""
    vocabulary = _read(tokenizer.model_bytes)
    config = tokenizer_config(tokenizer, architecture)
    if not vocabulary.of_characters:
        return {"tokenizer_config.json": config | {"tokenizer_class": "GemmaTokenizer"}}
    config |= {"tokenizer_class": "PreTrainedTokenizerFast"}  # reads tokenizer.json as it is, in transformers 4 and 5
    return {"tokenizer_config.json": config, "tokenizer.json": _ready_tokenizer(vocabulary, tokenizer)}


def _read(content: bytes) -> _Vocabulary:
    """The vocabulary of a SentencePiece file."""
    model, kinds = _Model.FromString(content), _Model.SentencePiece
    return _Vocabulary(
        of_characters=model.trainer_spec.model_type == model.trainer_spec.CHAR,
        pieces=[piece.piece for piece in model.pieces],
        control={piece.piece for piece in model.pieces if piece.type in (kinds.CONTROL, kinds.UNKNOWN)},
        user_defined={piece.piece for piece in model.pieces if piece.type == kinds.USER_DEFINED},
    )


def tokenizer_config(tokenizer: Tokenizer, architecture: Architecture) -> dict[str, Any]:
    """The content of `tokenizer_config.json` without the class: special tokens, context and chat template."""
    start, end = tokenizer.turn_markers
    pieces = {"pad": tokenizer.pad_id, "eos": tokenizer.eos_id, "bos": tokenizer.bos_id, "unk": tokenizer.unk_id}
    config = {f"{kind}_token": tokenizer.piece(id) for kind, id in pieces.items()} | {
        "add_bos_token": True,
        "add_eos_token": False,
        "additional_special_tokens": [start, end],
        "clean_up_tokenization_spaces": False,
        "model_max_length": architecture.context_length,
        "sp_model_kwargs": {},
    }
    if tokenizer.few_shot is not None:
        config["chat_template"] = _few_shot_template(tokenizer.few_shot)
    elif architecture.chat:
        config["chat_template"] = _TEMPLATE.replace("START", start).replace("END", end)
    return config


def _few_shot_template(text: str) -> str:
    literals = (json.dumps(part, ensure_ascii=False) for part in text.split(QUESTION))  # Jinja has JSON's escapes
    examples = _QUESTION.join("{{ " + literal + " }}" for literal in literals)
    return FEW_SHOT_MARK + _ASKED + "{{ bos_token }}" + examples + _ANSWER


def _ready_tokenizer(vocabulary: _Vocabulary, tokenizer: Tokenizer) -> dict[str, Any]:
    """The content of `tokenizer.json` (huggingface/tokenizers) for a vocabulary of characters."""
    special = vocabulary.control | {*tokenizer.turn_markers}
    added = [
        {
            "id": id,
            "content": piece,
            "single_word": False,
            "lstrip": False,
            "rstrip": False,
            # A special token is matched in the text as it is, another one after spaces have been replaced.
            "normalized": piece not in special,
            "special": piece in special,
        }
        for id, piece in enumerate(vocabulary.pieces)
        if piece in special | vocabulary.user_defined
    ]
    bos = {"id": vocabulary.pieces[tokenizer.bos_id], "type_id": 0}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": _SPACE},
        "pre_tokenizer": None,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": bos}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [
                {"SpecialToken": bos},
                {"Sequence": {"id": "A", "type_id": 0}},
                {"Sequence": {"id": "B", "type_id": 0}},
            ],
            "special_tokens": {bos["id"]: {"id": bos["id"], "ids": [tokenizer.bos_id], "tokens": [bos["id"]]}},
        },
        "decoder": {
            "type": "Sequence",
            "decoders": [
                {"type": "Replace", "pattern": {"String": _SPACE}, "content": " "},
                {"type": "ByteFallback"},
                {"type": "Fuse"},
            ],
        },
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": vocabulary.pieces[tokenizer.unk_id],
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": True,
            "byte_fallback": True,
            "ignore_merges": False,
            "vocab": {piece: id for id, piece in enumerate(vocabulary.pieces)},
            "merges": [],
        },
    }
