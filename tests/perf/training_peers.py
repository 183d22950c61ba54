"""Trains the same architecture on the same examples with somebody else's trainer; training.py runs it in a child.

    python training_peers.py PEER JOB.json

`JOB.json` has `sets` (name -> `examples`: prompt and response ids, and `batch`: examples a step), `steps`, `warm`
(steps before the clock starts) and `shape`. One JSON line comes out: for each set the seconds of the timed steps, the
target tokens learnt in them, and the share of padding in what was computed. Each peer pads as it does best: Trainer to
the longest of a batch, with batches of like length or shuffled ones; tunix, which compiles for one shape, to the
longest of all.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Job = dict[str, Any]
LEARNING_RATE = 1e-3


class Clock:
    """Counts steps, and times those after the warm ones."""

    def __init__(self, warm: int) -> None:
        self.warm, self.batches = warm, []  # type: ignore[var-annotated]
        self.began = 0.0

    def step(self, number: int) -> None:
        if number == self.warm:
            self.began = time.perf_counter()

    def batch(self, targets: int, tokens: int, size: int) -> None:
        self.batches.append((targets, tokens, size))

    def result(self, steps: int) -> dict[str, float]:
        seconds = time.perf_counter() - self.began
        targets, tokens, size = (sum(column) for column in zip(*self.batches[self.warm : steps], strict=True))
        return {"seconds": seconds, "targets": targets, "padding": 1 - tokens / size}


def trainer(job: Job, by_length: bool = True, bf16: bool = False) -> dict[str, float]:
    """Transformers' Trainer on a Gemma of the same shape, with torch's fused attention."""
    import torch
    from transformers import GemmaConfig, GemmaForCausalLM, Trainer, TrainerCallback, TrainingArguments

    torch.set_num_threads(os.cpu_count() or 1)
    shape, clock = job["shape"], Clock(job["warm"])
    model = GemmaForCausalLM(
        GemmaConfig(
            vocab_size=shape["vocab_size"],
            hidden_size=shape["embed_dim"],
            intermediate_size=shape["hidden_dim"],
            num_hidden_layers=shape["num_layers"],
            num_attention_heads=shape["num_heads"],
            num_key_value_heads=shape["num_kv_heads"],
            head_dim=shape["head_dim"],
            pad_token_id=0,
            attn_implementation="sdpa",
        )
    )

    def collate(rows: list[dict[str, list[int]]]) -> dict[str, Any]:
        longest = max(len(row["input_ids"]) for row in rows)
        pad = lambda ids, fill: ids + [fill] * (longest - len(ids))  # noqa: E731
        targets = sum(label >= 0 for row in rows for label in row["labels"])
        clock.batch(targets, sum(len(row["input_ids"]) for row in rows), longest * len(rows))
        return {
            "input_ids": torch.tensor([pad(row["input_ids"], 0) for row in rows]),
            "labels": torch.tensor([pad(row["labels"], -100) for row in rows]),
            "attention_mask": torch.tensor([pad([1] * len(row["input_ids"]), 0) for row in rows]),
        }

    class Timer(TrainerCallback):
        def on_step_begin(self, args: Any, state: Any, control: Any, **others: Any) -> None:
            clock.step(state.global_step)

    data = [{"input_ids": p + r, "labels": [-100] * len(p) + r} for p, r in job["examples"]]
    settings: dict[str, Any] = {
        "per_device_train_batch_size": job["batch"],
        "max_steps": job["steps"],
        "learning_rate": LEARNING_RATE,
        "save_strategy": "no",
        "logging_strategy": "no",
        "report_to": "none",
        "use_cpu": True,
        "bf16": bf16,
        "dataloader_drop_last": True,
        "disable_tqdm": True,
    }
    if by_length:
        known = TrainingArguments.__dataclass_fields__
        if "train_sampling_strategy" in known:
            settings["train_sampling_strategy"] = "group_by_length"
        else:
            settings["group_by_length"] = True
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(output_dir=folder, **settings)
        Trainer(model=model, args=arguments, train_dataset=data, data_collator=collate, callbacks=[Timer()]).train()
    return clock.result(job["steps"])


def trainer_bf16(job: Job) -> dict[str, float]:
    """The same with products in bfloat16 (autocast)."""
    return trainer(job, bf16=True)


def trainer_shuffled(job: Job) -> dict[str, float]:
    """The same with its default, shuffled batches."""
    return trainer(job, by_length=False)


def tunix(job: Job) -> dict[str, float]:
    """tunix's PeftTrainer on its Gemma of the same shape, all parameters trained."""
    import jax
    import numpy as np
    import optax
    from flax import nnx
    from tunix.models.gemma import model as gemma
    from tunix.sft import peft_trainer, utils

    shape, clock = job["shape"], Clock(job["warm"])
    config = gemma.ModelConfig(
        num_layers=shape["num_layers"],
        num_embed=shape["vocab_size"],
        embed_dim=shape["embed_dim"],
        hidden_dim=shape["hidden_dim"],
        num_heads=shape["num_heads"],
        head_dim=shape["head_dim"],
        num_kv_heads=shape["num_kv_heads"],
        final_logit_softcap=None,
        use_post_attn_norm=False,
        use_post_ffw_norm=False,
        attention_types=(gemma.AttentionType.GLOBAL,) * shape["num_layers"],
    )
    model = gemma.Gemma(config, rngs=nnx.Rngs(0))
    longest = max(len(p) + len(r) for p, r in job["examples"])
    rng, batch = np.random.default_rng(0), job["batch"]

    def stream() -> Iterator[peft_trainer.TrainingInput]:
        for number in range(job["steps"]):
            clock.step(number)
            chosen = rng.choice(len(job["examples"]), batch, replace=False)
            tokens, mask = np.zeros((batch, longest), np.int32), np.zeros((batch, longest), bool)
            for row, index in enumerate(chosen):
                prompt, response = job["examples"][index]
                tokens[row, : len(prompt) + len(response)] = prompt + response
                mask[row, len(prompt) : len(prompt) + len(response)] = True
            clock.batch(int(mask.sum()), int((tokens > 0).sum()), tokens.size)
            yield peft_trainer.TrainingInput(input_tokens=tokens, input_mask=mask)

    def inputs(given: peft_trainer.TrainingInput) -> dict[str, Any]:
        real = given.input_tokens != 0
        return {
            "input_tokens": given.input_tokens,
            "input_mask": given.input_mask,
            "positions": utils.build_positions_from_mask(real),
            "attention_mask": utils.make_causal_attn_mask(real),
        }

    settings = peft_trainer.TrainingConfig(eval_every_n_steps=10**9, max_steps=job["steps"])
    training = peft_trainer.PeftTrainer(model, optax.adamw(LEARNING_RATE), settings).with_gen_model_input_fn(inputs)
    automatic = (jax.sharding.AxisType.Auto,) * 2
    with jax.make_mesh((1, 1), ("fsdp", "tp"), axis_types=automatic):
        training.train(stream())
    jax.block_until_ready(nnx.state(model))
    return clock.result(job["steps"])


PEERS: dict[str, Callable[[Job], dict[str, float]]] = {
    "trainer": trainer,
    "trainer_bf16": trainer_bf16,
    "trainer_shuffled": trainer_shuffled,
    "tunix": tunix,
}


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # progress bars are no answer
    peer, job = PEERS[sys.argv[1]], json.loads(Path(sys.argv[2]).read_text())
    print(json.dumps({name: peer(job | data) for name, data in job["sets"].items()}), file=answers, flush=True)


if __name__ == "__main__":
    main()
