"""The question of a prompt as the policy sees it. Takes texts and gives a text; depends on no tokenizer."""

from __future__ import annotations

QUESTION = "{question}"  # the placeholder in a few-shot prompt


def prompt_text(question: str, instruction: str | None) -> str:
    """The question with the instruction, where there is one, on a line below."""
    return question if instruction is None else f"{question}\n{instruction}"
