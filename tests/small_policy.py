"""A policy that compiles in a moment and has learnt nothing, for tests of what surrounds it."""

from __future__ import annotations

from pathlib import Path

import jax

from restem.harness.model.architecture import ASSETS, Architecture
from restem.harness.model.policy import Policy, init_params, save_policy
from restem.harness.model.tokenizer import Tokenizer

ARCHITECTURE = Architecture(
    vocab_size=406, embed_dim=16, hidden_dim=32, num_layers=2, num_heads=2, head_dim=8, context_length=128
)


def small_policy(seed: int = 0) -> Policy:
    return Policy(
        architecture=ARCHITECTURE,
        params=init_params(ARCHITECTURE, jax.random.key(seed)),
        tokenizer=Tokenizer(path=ASSETS / "tiny" / "tokenizer.model"),
    )


def small_policy_folder(place: Path, seed: int = 0) -> Path:
    save_policy(small_policy(seed), place)
    return place
