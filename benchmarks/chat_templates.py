"""Prompts as trainers store them -> the question that the user asked.

Takes a text with the control words of a chat template, or a list of messages; gives the last turn of the user as plain
text, and the text of a response. The templates of ChatML (Qwen and others), Llama 2 and 3, Gemma, Mistral, Phi, Zephyr,
DeepSeek and GLM are known, and the bare words `user`, `assistant` that are left where special tokens were removed
while a prompt was decoded, as verl and SkyRL do. A prompt without a template is the question. Depends on nothing.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from typing import Any

USER_ROLES = ("user", "human")
POLICY_ROLES = ("assistant", "model", "gpt", "ai")
_ROLE = rf"(?P<role>system|developer|tool|{'|'.join((*USER_ROLES, *POLICY_ROLES))})"
# How a turn begins -> how it ends, one pair a template. The patterns hold no repeated groups that could backtrack.
_TURNS = tuple(
    (re.compile(start), re.compile(end))
    for start, end in (
        (rf"<\|im_start\|>{_ROLE}\n", r"<\|im_end\|>"),
        (rf"<\|start_header_id\|>{_ROLE}<\|end_header_id\|>\n*", r"<\|eot_id\|>"),
        (rf"<start_of_turn>{_ROLE}\n", r"<end_of_turn>"),
        (rf"<\|turn>{_ROLE}\n", r"<turn\|>"),
        (rf"<\|{_ROLE}\|>\n?", r"<\|end\|>|<\|endoftext\|>|</s>"),
        (r"<｜(?P<role>User|Assistant)｜>", r"<｜end▁of▁sentence｜>"),
        (rf"(?:\A|\n){_ROLE}\n", r"(?!)"),
    )
)
_BEGINNINGS = ("<bos>", "<s>", "<|begin_of_text|>", "<|endoftext|>", "<｜begin▁of▁sentence｜>", "[gMASK]", "<sop>")
_ENDINGS = (
    "<|im_end|>",
    "<|eot_id|>",
    "<end_of_turn>",
    "<turn|>",
    "<eos>",
    "</s>",
    "<|endoftext|>",
    "<|end|>",
    "<pad>",
)


def plain_question(prompt: Any) -> str | None:
    """The last turn of the user; None where the value is neither a text nor a list of messages, or holds no such turn.

    Args:
        prompt: A text, with or without a chat template, or messages in OpenAI's form.
    """
    if isinstance(prompt, str):
        return _question_in(prompt)
    messages = as_messages(prompt)
    if not messages:
        return None
    of_user = [plain_text(message.get("content")) for message in messages if message.get("role") in USER_ROLES]
    return of_user[-1] if of_user else None


def plain_response(completion: Any) -> str | None:
    """What the policy wrote: a text without control tokens at its end, or the last turn of the policy in messages.

    None where the value is neither, or holds no such turn.
    """
    if isinstance(completion, str):
        return without_ending(completion)
    messages = as_messages(completion)
    written = [plain_text(message.get("content")) for message in messages or () if message.get("role") in POLICY_ROLES]
    return written[-1] if written else None


def without_ending(text: str) -> str:
    """The text without the control tokens that end a turn; white space is left where none stands behind it."""
    end = len(text)
    while True:
        place = end
        while place and text[place - 1].isspace():
            place -= 1
        words = [word for word in _ENDINGS if text.endswith(word, 0, place)]
        if not words:
            return text[:end]
        end = place - max(map(len, words))


def as_messages(value: Any) -> Sequence[Mapping[str, Any]] | None:
    """The value as messages, each an object with a role; None where it is something else, or empty."""
    if not isinstance(value, list | tuple) or not value:
        return None
    return value if all(isinstance(each, Mapping) and "role" in each for each in value) else None


def plain_text(content: Any) -> str:
    """The text of a message's content: a text, or parts of which those with a text count."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        texts = (
            part if isinstance(part, str) else part.get("text") for part in content if isinstance(part, str | dict)
        )
        return "".join(text for text in texts if isinstance(text, str))
    return ""


@functools.lru_cache(maxsize=4096)  # the samples of a problem follow each other
def _question_in(prompt: str) -> str:
    begin = 0
    while words := [word for word in _BEGINNINGS if prompt.startswith(word, begin)]:
        begin += max(map(len, words))
    text = prompt[begin:]
    for start, end in _TURNS:
        turns = list(start.finditer(text))
        # A turn of the policy must be open at the end: otherwise these words may stand in a question by chance.
        if len(turns) >= 2 and turns[-1]["role"].lower() in POLICY_ROLES:
            for turn, following in zip(reversed(turns[:-1]), reversed(turns[1:]), strict=True):
                if turn["role"].lower() in USER_ROLES:
                    body = text[turn.end() : following.start()]
                    closed = end.search(body)
                    return (body[: closed.start()] if closed else body).strip()
    before, closing, _ = text.rpartition("[/INST]")
    if closing and "[INST]" in before:
        turn = before.rpartition("[INST]")[2]
        return turn.rpartition("<</SYS>>")[2].strip()
    return text
