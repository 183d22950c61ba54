"""Small Gemmas in the formats of the official ones: architectures, a vocabulary, and folders as hubs give them."""

from __future__ import annotations

import dataclasses
import functools
import io
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
import sentencepiece

from restem.benchmarks import linear_1d
from restem.harness.model.architecture import Architecture
from restem.harness.model.policy import Params, Policy, param_shapes
from restem.harness.model.tokenizer import Tokenizer
from restem.harness.weights.registry import FAMILIES

PIECES = 512
_COMMON: dict[str, Any] = {"vocab_size": PIECES + 8, "hidden_dim": 96, "head_dim": 16}
# Windows shorter than a prompt, so that they matter; heads that share keys and heads that do not.
SMALL = {
    "gemma": Architecture(**FAMILIES["gemma"], **_COMMON, embed_dim=48, num_layers=2, num_heads=4, num_kv_heads=4),
    "gemma2": Architecture(
        **FAMILIES["gemma2"] | {"sliding_window": 7, "scale_by_embed": True},
        **_COMMON,
        embed_dim=80,
        num_layers=4,
        num_heads=4,
        num_kv_heads=2,
    ),
    "gemma3": Architecture(
        **FAMILIES["gemma3"] | {"sliding_window": 7, "global_rope_scale": 8.0},
        **_COMMON,
        embed_dim=64,
        num_layers=8,
        num_heads=4,
        num_kv_heads=1,
    ),
}


@functools.cache
def vocabulary(start: str = "<start_of_turn>", end: str = "<end_of_turn>") -> bytes:
    """A SentencePiece model with the special pieces of Gemma's, trained on problems."""
    model = io.BytesIO()
    texts = [problem.question for problem in linear_1d.problems(1, (3.0, 8.0), {"pretrain": 200})["pretrain"]]
    sentencepiece.SentencePieceTrainer.Train(
        sentence_iterator=iter([*texts, "user model Question Answer Solution check the final value"] * 2),
        model_writer=model,
        model_type="bpe",
        vocab_size=PIECES,
        hard_vocab_limit=False,
        byte_fallback=True,
        split_digits=True,
        normalization_rule_name="identity",
        add_dummy_prefix=False,
        remove_extra_whitespaces=False,
        user_defined_symbols=["<mask>", start, end, *("\n" * count for count in range(1, 5))],
        pad_id=0,
        eos_id=1,
        bos_id=2,
        unk_id=3,
        pad_piece="<pad>",
        eos_piece="<eos>",
        bos_piece="<bos>",
        minloglevel=2,
    )
    return model.getvalue()


def small_policy(family: str, folder: Path) -> Policy:
    """A fresh policy of a family's kind, its vocabulary in the folder; no leaf is zero, so that each one counts."""
    (folder / "tokenizer.model").write_bytes(vocabulary())
    rng = np.random.default_rng(3)
    params = jax.tree.map(
        lambda leaf: jnp.asarray(rng.normal(0.0, 0.2, leaf.shape), jnp.float32), param_shapes(SMALL[family])
    )
    return Policy(architecture=SMALL[family], params=params, tokenizer=Tokenizer(path=folder / "tokenizer.model"))


def write_orbax(tree: Params, folder: Path) -> None:
    """An Orbax checkpoint of any tree."""
    with ocp.StandardCheckpointer() as checkpointer:
        checkpointer.save(folder.absolute(), tree)
        checkpointer.wait_until_finished()


def flat(params: Params) -> Params:
    """The layout of the first releases: paths as keys, the feed-forward's matrices one level deeper."""
    result: Params = {}
    for path, leaf in jax.tree.leaves_with_path(params):
        *parents, last = [entry.key for entry in path]
        if "mlp" in parents:
            parents, last = [*parents, last], "w"
        result.setdefault("/".join(["transformer", *parents]), {})[last] = leaf
    return result


def stacked(params: Params, period: int) -> Params:
    """The layout of layers stacked by their place in the attention pattern."""
    rows: dict[tuple[str, str], list[Any]] = {}
    result: Params = {}
    for key, leaves in sorted(flat(params).items(), key=lambda item: _layer(item[0])):
        if "/layer_" in key:
            place = key.replace(f"layer_{_layer(key)}", f"stacked_layers/attention_type_{_layer(key) % period}")
            for name, leaf in leaves.items():
                rows.setdefault((place, name), []).append(leaf)
        else:
            result[key] = leaves
    for (path, name), layers in rows.items():
        result.setdefault(path, {})[name] = jnp.stack(layers)
    return result


def _layer(key: str) -> int:
    return int(key.partition("layer_")[2].partition("/")[0] or -1)


def other_shape(policy: Policy, **changes: Any) -> Architecture:
    """The policy's architecture with other fields."""
    return dataclasses.replace(policy.architecture, **changes)
