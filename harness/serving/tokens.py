"""A vocabulary behind HTTP: the routes /tokenizer_info, /tokenize and /detokenize in vLLM's form.

Takes a policy and the JSON object of a body; gives the JSON of the reply. Does not depend on the server.

Here the names of special tokens in a text are these tokens, as in other servers, so that what a client has rendered
with the chat template becomes the ids of a chat. In the text of a prompt they are data.
"""

from __future__ import annotations

import re
from typing import Any

from restem.harness.model.policy import Policy
from restem.harness.model.tokenizer import Tokenizer
from restem.harness.serving import parameters, requests
from restem.harness.serving.errors import invalid
from restem.harness.weights.huggingface_tokenizer import tokenizer_config


def tokenizer_info(policy: Policy) -> dict[str, Any]:
    """The names of the special tokens, the chat template and the context, as in a `tokenizer_config.json`."""
    return {"tokenizer_class": "restem"} | tokenizer_config(policy.tokenizer, policy.architecture)


def tokenize(policy: Policy, body: dict[str, Any]) -> dict[str, Any]:
    """The ids of a text (`prompt`) or a chat (`messages`).

    Raises:
        BadRequest: The body holds neither.
    """
    if "messages" in body:
        (ids,), _ = requests.chat_prompts(policy, body)
    else:
        text = body.get("prompt")
        if not isinstance(text, str):
            raise invalid("prompt", "a text", text)
        start = [policy.tokenizer.bos_id] if parameters.flag(body, "add_special_tokens", True) else []
        ids = [*start, *encode(policy.tokenizer, text)]
    pieces = [policy.tokenizer.piece(id) for id in ids] if parameters.flag(body, "return_token_strs") else None
    return {
        "count": len(ids),
        "max_model_len": policy.architecture.context_length,
        "tokens": ids,
        "token_strs": pieces,
    }


def detokenize(policy: Policy, body: dict[str, Any]) -> dict[str, Any]:
    """The text of ids, special tokens by their names.

    Raises:
        BadRequest: `tokens` are no ids of the vocabulary.
    """
    ids = body.get("tokens")
    if ids == []:
        return {"prompt": ""}
    return {"prompt": decode(policy.tokenizer, requests.token_ids(policy, ids, "tokens"))}


def special_tokens(tokenizer: Tokenizer) -> dict[str, int]:
    """Name -> id of the tokens that stand for no text."""
    ids = (tokenizer.pad_id, tokenizer.eos_id, tokenizer.bos_id)
    start, end = tokenizer.turn_markers
    return {tokenizer.piece(id): id for id in ids} | {start: tokenizer.id(start), end: tokenizer.id(end)}


def encode(tokenizer: Tokenizer, text: str) -> list[int]:
    """The ids of a text in which the names of special tokens are these tokens."""
    special = special_tokens(tokenizer)
    parts = re.split(f"({'|'.join(map(re.escape, special))})", text)
    return [id for part in parts if part for id in ([special[part]] if part in special else tokenizer.encode(part))]


def decode(tokenizer: Tokenizer, ids: list[int]) -> str:
    """The text of ids in which special tokens stand by their names."""
    names = {id: name for name, id in special_tokens(tokenizer).items()}
    text, run = "", []
    for id in ids:
        if id in names:
            text, run = f"{text}{tokenizer.decode(run)}{names[id]}", []
        else:
            run.append(id)
    return text + tokenizer.decode(run)


def token_bytes(tokenizer: Tokenizer, id: int) -> bytes:
    """The bytes that a token stands for; those of its name where it stands for no text."""
    if id >= tokenizer.vocab_size:  # official embeddings have more rows than their vocabularies have pieces
        return b""
    piece = tokenizer.piece(id)
    if re.fullmatch(r"<0x[0-9A-F]{2}>", piece):
        return bytes.fromhex(piece[3:5])
    return piece.replace("\u2581", " ").encode()
