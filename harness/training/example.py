"""What an M-step is trained on: token ids with weights. Loads no JAX."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class Example:
    """A response to train on, stop token included, and the weight (reward) of its tokens; below 0: to train away."""

    prompt_ids: tuple[int, ...]
    response_ids: tuple[int, ...]
    weight: float = 1.0
