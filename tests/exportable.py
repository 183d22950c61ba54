"""A policy with random parameters in the shape in which embedded policies can be exported, and its greedy responses."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from restem.harness.assets.tokenizer import train_tokenizer
from restem.harness.model.architecture import Architecture
from restem.harness.model.policy import Policy, init_params
from restem.harness.model.tokenizer import Tokenizer
from restem.harness.sampling.keys import sample_key
from restem.harness.sampling.sampler import Batching, Decoding, prompt_length, sample


def random_policy(folder: Path, **changes: object) -> Policy:
    """A Gemma 3 of the embedded policies' size with a vocabulary of characters, written into the folder."""
    train_tokenizer(folder / "tokenizer.model")
    tokenizer = Tokenizer(path=folder / "tokenizer.model")
    shape = {"post_norms": True, "global_rope_base": 1_000_000, **changes}
    architecture = Architecture(vocab_size=tokenizer.vocab_size, **shape)  # type: ignore[arg-type]
    rng = np.random.default_rng(0)

    def scaled(path: tuple[object, ...], leaf: jax.Array) -> jax.Array:
        # Layers that outweigh the embeddings: otherwise every greedy text repeats a single token.
        is_norm = "scale" in jax.tree_util.keystr(path)
        return jnp.asarray(rng.normal(1.5, 0.5, leaf.shape), jnp.float32) if is_norm else leaf

    params = jax.tree.map_with_path(scaled, init_params(architecture, jax.random.key(0)))
    return Policy(architecture=architecture, params=params, tokenizer=tokenizer)


def greedy(policy: Policy, prompts: Sequence[Sequence[int]], new_tokens: int) -> list[list[int]]:
    """The greedy responses of our sampler, without stop tokens, computed in float32."""
    decoding = Decoding(top_k=1, max_new_tokens=new_tokens, stop_ids=policy.tokenizer.stop_ids)
    batching = Batching(
        padded_length=prompt_length(prompts), context_length=policy.architecture.context_length, slots=64
    )
    keys = np.stack([sample_key(0, index)[None] for index in range(len(prompts))])
    responses: list[list[int]] = []
    for _, draws in sample(policy.model, policy.params, prompts, keys, decoding, batching):
        for (ids,), (length,) in zip(draws.ids.tolist(), draws.lengths.tolist(), strict=True):
            responses.append([id for id in ids[:length] if id not in policy.tokenizer.stop_ids])
    return responses
