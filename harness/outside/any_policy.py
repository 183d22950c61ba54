"""Any policy of a run: one that our own network computes, or one that only other programs do. Loads neither.

A run uses what both have: `tokenizer`, `params_sha256`, `sha256`, `context_length`, `chat` and `with_prompt`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from restem.harness.model.policy import Policy
    from restem.harness.model.tokenizer import Tokenizer
    from restem.harness.outside.policy import OutsidePolicy
    from restem.harness.outside.tokenizer import OutsideTokenizer

AnyPolicy: TypeAlias = "Policy | OutsidePolicy"
AnyTokenizer: TypeAlias = "Tokenizer | OutsideTokenizer"
