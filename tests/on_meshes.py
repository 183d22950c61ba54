"""Samples and fits with meshes of eight forced CPU devices; a child process of test_harness_distributed_mesh.py.

Arguments: a policy folder, samples of each of five prompts, rows decoded together on a device, the top k of each
sampling, and meshes as DATAxMODEL. Stdout: one JSON line for each mesh.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path

import jax
import numpy as np

from restem.harness.model import mesh
from restem.harness.model.mesh import make_meshes, want_cpu_devices
from restem.harness.model.policy import load_policy
from restem.harness.sampling.keys import sample_key
from restem.harness.sampling.sampler import Batching, Decoding, Draws, sample
from restem.harness.settings import TrainingConfig
from restem.harness.training import m_step
from restem.harness.training.example import Example
from restem.harness.training.grpo import FromBase, Grpo

QUESTIONS = [f"Solve {a}*x = {3 * a} for x." for a in (2, 5, 11, 23, 41)]
ANSWERS = ["x = 3", "2*x = 6\nx = 6/2\nx = 3", "x = 1\nx = 3"]


def main(folder: Path, samples: int, slots: int, top_ks: str, *meshes_asked: str) -> None:
    want_cpu_devices(8)
    mesh.MIN_SHARDED_SIZE = 1  # the policy is small; this shards and gathers every leaf of it
    jax.config.update("jax_numpy_dtype_promotion", "strict")
    for asked in meshes_asked:
        meshes = make_meshes(*map(int, asked.split("x")))
        policy = load_policy(folder, meshes.local)
        prompts = [policy.tokenizer.encode_prompt(question) for question in QUESTIONS]
        keys = np.array([[sample_key(0, question, k) for k in range(samples)] for question in QUESTIONS])
        result: dict[str, object] = {"devices": len({*meshes.whole.devices.flat})}
        for top_k in top_ks.split(","):
            decoding = Decoding(top_k=int(top_k), max_new_tokens=24, stop_ids=policy.tokenizer.stop_ids)
            parts = sample(
                policy.model,
                policy.params,
                prompts,
                keys,
                decoding,
                Batching(padded_length=32, context_length=128, slots=slots),
                mesh=meshes.local,
            )
            draws = Draws(*map(np.concatenate, zip(*(draws for _, draws in parts), strict=True)))
            result[top_k] = {field: array.tolist() for field, array in draws._asdict().items()}
        examples = [
            Example(prompt_ids=tuple(prompt), response_ids=tuple(policy.tokenizer.encode_response(a)), weight=1.0 + i)
            for prompt in prompts
            for i, a in enumerate(ANSWERS)
        ]
        config = TrainingConfig(optimizer="sgd", learning_rate=0.05, steps=4, rows=3, row_length=80, accumulate=2)
        fitted = m_step.fit(policy, examples, config, 0, lambda step, params: None, meshes)
        signed = [dataclasses.replace(example, weight=example.weight - 2.1) for example in examples]
        grpo = FromBase(loss=Grpo(), base=policy)
        by_grpo = m_step.fit(policy, signed, config, 0, lambda step, params: None, meshes, grpo)
        result["losses"] = fitted.losses + by_grpo.losses
        trained = jax.tree.leaves([fitted.params, by_grpo.params])
        result["params"] = [np.asarray(leaf).ravel().tolist() for leaf in trained]
        print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:])
