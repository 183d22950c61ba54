"""One batch through TRL's own GRPOTrainer: its advantages, log-probabilities, loss and gradient, beside ours.

    uv venv -p 3.12 trl && uv pip install -p trl "trl==1.16.0" torch jinja2 sentencepiece protobuf
    python -m tests.perf.grpo_trl make FOLDER
    trl/bin/python tests/perf/grpo_trl.py compute FOLDER
    python -m tests.perf.grpo_trl compare FOLDER

`make` and `compare` run where restem is installed, `compute` where TRL is and imports nothing of ours. `make` writes
three Gemma 3 with random parameters as Hugging Face folders (the base, the policy that drew the responses, the trained
one) and two prompts with five responses each. `compute` gives TRL the responses by `rollout_func` and rewards by a
reward function; TRL computes the rest, in float64. FOLDER/trl.json is committed as tests/golden/grpo_trl.json, and
tests/test_harness_training_grpo.py compares our loss with it.
"""
# pyright: reportMissingImports=false

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

NAMES = ("base", "old", "new")
SETTINGS = {"clip": 0.2, "kl": 0.04, "temperature": 0.7}
# Of each response; None: it was not scored, which TRL leaves out of the mean, as we do.
REWARDS = [1.0, 0.0, 0.0, 1.0, 0.0, 0.25, 0.6, 0.0, 1.0, 0.75]
UNSCORED = [1.0, None, 0.0, 1.0, 0.0, None, 0.0, 0.0, None, 1.0]


def policies(folder: Path) -> dict[str, Any]:
    """The base, the policy that drew the responses, and the trained one, each a little apart from the last."""
    import jax

    from tests.gemma_folders import small_policy

    policy, rng = small_policy("gemma3", folder), np.random.default_rng(17)
    result = {}
    for name in NAMES:
        result[name] = policy
        moved = jax.tree.map(lambda leaf: leaf + rng.normal(0, 0.01, leaf.shape).astype(np.float32), policy.params)
        policy = dataclasses.replace(policy, params=moved)
    return result


def responses() -> tuple[list[list[int]], list[list[int]]]:
    """Prompts and responses of 3 to 9 tokens; those to a prompt share their first ones.

    Their lengths differ by less than the model's window: padding that can attend to nothing gives NaN in transformers.
    """
    rng = np.random.default_rng(5)
    prompts, completions = [], []
    for _ in range(2):
        prompt, line = rng.integers(5, 500, 7).tolist(), rng.integers(5, 500, 3).tolist()
        for more in rng.integers(0, 5, 5):
            prompts.append(prompt)
            completions.append(line[: rng.integers(1, 4)] + rng.integers(5, 500, 2 + more).tolist())
    return prompts, completions


def make(folder: Path) -> None:
    """FOLDER/base, /old and /new, and FOLDER/batch.json."""
    from restem.harness.weights.huggingface import save_hf

    folder.mkdir(parents=True)
    for name, policy in policies(folder).items():
        save_hf(policy, folder / name)
    prompts, completions = responses()
    (folder / "batch.json").write_text(json.dumps({"prompts": prompts, "completions": completions}))


def compute(folder: Path) -> None:
    """FOLDER/trl.json: what TRL makes of the batch."""
    import torch
    import transformers
    import trl
    from datasets import Dataset

    batch = json.loads((folder / "batch.json").read_text())
    count = len(batch["prompts"])
    rewards = list(REWARDS)

    def rollout(prompts, trainer):
        return {"prompt_ids": batch["prompts"], "completion_ids": batch["completions"], "logprobs": None}

    def load(name):
        return transformers.AutoModelForCausalLM.from_pretrained(
            folder / name, dtype=torch.float64, attn_implementation="eager"
        )

    trainer = trl.GRPOTrainer(
        model=load("old"),
        processing_class=transformers.AutoTokenizer.from_pretrained(folder / "old"),
        reward_funcs=[lambda completions, **_: list(rewards)],
        rollout_func=rollout,
        train_dataset=Dataset.from_list([{"prompt": "p"}]),
        args=trl.GRPOConfig(
            output_dir=str(folder / "out"),
            per_device_train_batch_size=count,
            num_generations=count // 2,
            num_iterations=2,  # so that TRL keeps the old log-probabilities
            max_completion_length=16,
            loss_type="bnpo",
            epsilon=SETTINGS["clip"],
            beta=SETTINGS["kl"],
            use_bias_correction_kl=False,  # as in the paper; by default TRL multiplies the penalty by the ratio
            temperature=SETTINGS["temperature"],
            report_to=[],
            use_cpu=True,
            bf16=False,
        ),
    )
    trainer.ref_model.load_state_dict(load("base").state_dict())
    trainer.model.train()
    rows = [{"prompt": f"prompt {index // (count // 2)}"} for index in range(count)]
    inputs = trainer._generate_and_score_completions(rows)
    trainer.model.load_state_dict(load("new").state_dict())
    trainer.current_gradient_accumulation_steps = 1
    loss = trainer._compute_loss(trainer.model, inputs)
    loss.backward()
    norms = {name: leaf.grad.norm().item() for name, leaf in trainer.model.named_parameters()}
    metrics = {
        name: values[-1] for name, values in trainer._metrics["train"].items() if "clip_ratio" in name or name == "kl"
    }
    rewards = list(UNSCORED)
    of_unscored = trainer._generate_and_score_completions(rows)["advantages"].tolist()
    lengths = [len(ids) for ids in batch["completions"]]
    result = {
        "versions": {"trl": trl.__version__, "torch": torch.__version__, "transformers": transformers.__version__},
        "made_by": "tests/perf/grpo_trl.py",
        "settings": SETTINGS,
        **batch,
        "rewards": REWARDS,
        "advantages": inputs["advantages"].tolist(),
        "unscored_rewards": UNSCORED,
        "unscored_advantages": of_unscored,
        **{
            key: [row[:length] for row, length in zip(inputs[field].tolist(), lengths, strict=True)]
            for key, field in (("old", "old_per_token_logps"), ("base", "ref_per_token_logps"))
        },
        "metrics": metrics,
        "loss": loss.item(),
        "gradient_norm": sum(norm**2 for norm in norms.values()) ** 0.5,
    }
    lines = (f" {json.dumps(key)}: {json.dumps(value)}" for key, value in result.items())
    (folder / "trl.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
    print(result["loss"], result["gradient_norm"], metrics, trainer.model.dtype, result["advantages"])


def ours(expected: dict[str, Any], folder: Path) -> tuple[float, float, Any]:
    """Our loss, the norm of its gradient and the batch, for what TRL computed."""
    import jax
    import optax

    from restem.harness.model.mesh import make_mesh
    from restem.harness.settings import TrainingConfig
    from restem.harness.training.example import Example
    from restem.harness.training.grpo import FromBase, Grpo, grpo_batch
    from restem.harness.training.loss import objective_sum

    of_name = policies(folder)
    examples = [
        Example(prompt_ids=tuple(p), response_ids=tuple(c), weight=a)
        for p, c, a in zip(expected["prompts"], expected["completions"], expected["advantages"], strict=True)
    ]
    objective = Grpo(**expected["settings"])
    training = TrainingConfig(row_length=48, rows=2)
    batch = grpo_batch(of_name["old"], examples, training, FromBase(loss=objective, base=of_name["base"]), make_mesh())
    new = of_name["new"]

    def loss(params: Any) -> Any:
        return objective_sum(objective, new.model, params, batch) / objective.total(batch)

    value, gradient = jax.jit(jax.value_and_grad(loss))(new.params)
    return float(value), float(optax.global_norm(gradient)), batch


def compare(folder: Path) -> None:
    """Prints TRL's loss and gradient norm beside ours."""
    expected = json.loads((folder / "trl.json").read_text())
    value, norm, _ = ours(expected, folder)
    for name, theirs, mine in (("loss", expected["loss"], value), ("norm", expected["gradient_norm"], norm)):
        print(f"{name}: TRL {theirs:.9f}, ours {mine:.9f}, apart {abs(theirs - mine):.1e}")


if __name__ == "__main__":
    {"make": make, "compute": compute, "compare": compare}[sys.argv[1]](Path(sys.argv[2]))
