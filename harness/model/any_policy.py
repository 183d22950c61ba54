"""What the loop needs of a policy, whoever computes it.

`harness.model.policy.Policy` is computed by our own network, `harness.outside.policy.OutsidePolicy` by other programs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol


class AnyTokenizer(Protocol):
    """Text <-> token ids, with the prompt of a run."""

    @property
    def stop_ids(self) -> Sequence[int]:
        """The tokens that end a response."""
        ...

    @property
    def few_shot(self) -> str | None:
        """The prompt of a base model."""
        ...

    @property
    def instruction(self) -> str | None:
        """A line that follows every question of a prompt."""
        ...

    def encode_prompt(self, question: str) -> list[int]:
        """Ids of a prompt, ready for the model's answer."""
        ...

    def encode_response(self, response: str) -> list[int]:
        """Ids of a response with its stop token."""
        ...

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids, without stop and other control ids."""
        ...

    def same_ids(self, other: object) -> bool:
        """Whether equal ids are equal texts in both, and the same ones end a response."""
        ...


class AnyPolicy(Protocol):
    """Weights with a tokenizer."""

    @property
    def tokenizer(self) -> AnyTokenizer:
        """With the prompt of the run."""
        ...

    @property
    def params_sha256(self) -> str:
        """The hash of the weights."""
        ...

    @property
    def sha256(self) -> str:
        """The hash of all that samples come from: weights, architecture, vocabulary and prompt."""
        ...

    @property
    def context_length(self) -> int:
        """Tokens of prompt and response together that it can see."""
        ...

    @property
    def chat(self) -> bool:
        """Whether it was tuned on turns; another one is shown examples."""
        ...
