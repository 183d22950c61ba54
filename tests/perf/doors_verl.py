"""Scores answers with verl's own NaiveRewardManager, lets verl's own trainers write them, imports, and compares.

    uv venv -p 3.11 verl && uv pip install -p verl "verl[verl-core,math]==0.9.1" torch
    verl/bin/python tests/perf/doors_verl.py write FOLDER
    python -m tests.perf.doors_verl compare FOLDER

`write` runs where verl is installed and imports nothing of ours. No model is trained: a fixed list of answers stands
for the policy's. The rewards come from NaiveRewardManager with verl's `default_compute_score` (`math_dapo`: 1 or -1
with `acc` and `pred`), the files from `RayPPOTrainer._log_rollout_data` (legacy trainer),
`PPOTrainerSync._dump_generations` (v1) and the last lines of `main_generation_server`. `compare` runs where restem is
installed: every score in run.db against the score that verl computed.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.perf.doors_trl import letter_tokenizer

PROBLEMS = [("What is 3 + 4?", "7"), ("What is 2 * 3?", "6"), ("How much is 1 / 2 + 1 / 4?", "3/4")]
ANSWERS = {
    "7": ["3 + 4 = 7\nAnswer: 7", "Answer: 8", "I add them.\nAnswer: $\\boxed{7}$", "no idea"],
    "6": ["Answer: 6", "2 * 3 = 6", "Answer: 5\nAnswer: 6", "Answer: six"],
    "3/4": ["Answer: \\frac{3}{4}", "Answer: 3/4", "Answer: 0.75", "Answer: 1/4"],
}
TURNS = [PROBLEMS, [*reversed(PROBLEMS)]]  # one list of problems a training step


def batch_of(tokenizer, problems):
    """A DataProto as verl's rollout gives it: prompts padded on the left, responses on the right, texts beside them."""
    import numpy as np
    import torch
    from verl import DataProto

    pad = tokenizer.pad_token_id
    rows = [(q, a, response) for q, a in problems for response in ANSWERS[a]]
    prompts = [
        tokenizer(
            tokenizer.apply_chat_template([{"role": "user", "content": q}], tokenize=False, add_generation_prompt=True),
            add_special_tokens=False,
        )["input_ids"]
        for q, _, _ in rows
    ]
    responses = [tokenizer(r)["input_ids"] + [tokenizer.eos_token_id] for _, _, r in rows]
    long, wide = max(map(len, prompts)), max(map(len, responses))
    left = torch.tensor([[pad] * (long - len(ids)) + ids for ids in prompts])
    right = torch.tensor([ids + [pad] * (wide - len(ids)) for ids in responses])
    whole = torch.cat([left, right], dim=1)
    tensors = {"prompts": left, "responses": right, "attention_mask": (whole != pad).long()}
    texts = {
        "reward_model": np.array([{"style": "rule", "ground_truth": a} for _, a, _ in rows], dtype=object),
        "data_source": np.array(["math_dapo"] * len(rows), dtype=object),
        "extra_info": np.array([{"index": i} for i in range(len(rows))], dtype=object),
        "request_id": np.array([f"request-{i}" for i in range(len(rows))], dtype=object),
    }
    return DataProto.from_dict(tensors=tensors, non_tensors=texts)


def trainer_of(kind, tokenizer, step):
    """A trainer of which only the parts that write files are set up."""
    trainer = object.__new__(kind)
    trainer.tokenizer, trainer.global_steps = tokenizer, step
    trainer._init_dump_executor()
    return trainer


def write_step(step: int, problems, tokenizer, folder: Path) -> list[float]:
    """The files of one step in all dialects; the scores in the order of the rows."""
    from verl.trainer.ppo.ray_trainer import RayPPOTrainer
    from verl.trainer.ppo.v1.trainer_sync import PPOTrainerSync
    from verl.workers.reward_manager.naive import NaiveRewardManager

    batch = batch_of(tokenizer, problems)
    scored = NaiveRewardManager(tokenizer, num_examine=0)(batch, return_dict=True)
    batch.batch["token_level_scores"] = scored["reward_tensor"]
    extra = dict(scored["reward_extra_info"])
    scores = scored["reward_tensor"].sum(-1).tolist()
    legacy = trainer_of(RayPPOTrainer, tokenizer, step)
    legacy._log_rollout_data(batch, extra, defaultdict(float), str(folder / "legacy" / "rollouts"))
    inputs = tokenizer.batch_decode(batch.batch["prompts"], skip_special_tokens=True)
    outputs = tokenizer.batch_decode(batch.batch["responses"], skip_special_tokens=True)
    golds = [row["ground_truth"] for row in batch.non_tensor_batch["reward_model"]]
    written = {"inputs": inputs, "outputs": outputs, "gts": golds, "scores": scores}
    legacy._dump_generations(
        **written,
        reward_extra_infos_dict={"reward": scores} | {k: extra[k] for k in ("acc", "pred")},
        dump_path=str(folder / "legacy" / "validation"),
    )
    legacy._shutdown_dump_executor()
    names = {a: f"{step}f0c{number}" for number, (_, a) in enumerate(problems)}
    uids = [f"{names[a]}_{i}_0" for _, a in problems for i in range(len(ANSWERS[a]))]
    newer = trainer_of(PPOTrainerSync, tokenizer, step)
    newer._dump_generations(**written, reward_extra_infos_dict={"uid": uids}, dump_path=str(folder / "v1" / "rollouts"))
    newer._dump_generations(
        **written,
        reward_extra_infos_dict={"reward": scores, "acc": [*extra["acc"][:-1], None], "uid": uids},
        dump_path=str(folder / "v1" / "validation"),
    )
    newer._shutdown_dump_executor()
    return scores


def write_offline(folder: Path) -> None:
    """FOLDER/generation.parquet as the last lines of verl/trainer/main_generation_server.py write it."""
    import pandas as pd

    dataset = pd.DataFrame(
        {
            "prompt": [[{"role": "user", "content": q}] for q, _ in PROBLEMS],
            "data_source": ["math_dapo"] * len(PROBLEMS),
            "reward_model": [{"style": "rule", "ground_truth": a} for _, a in PROBLEMS],
            "extra_info": [{"index": i, "split": "test"} for i in range(len(PROBLEMS))],
        }
    )
    dataset["responses"] = [ANSWERS[a] for _, a in PROBLEMS]
    dataset.to_parquet(folder / "generation.parquet")


def write(folder: Path) -> None:
    """FOLDER/{legacy,v1}/{rollouts,validation}/STEP.jsonl, FOLDER/generation.parquet and FOLDER/scores.json."""
    import verl

    tokenizer = letter_tokenizer()
    scores = {step: write_step(step, problems, tokenizer, folder) for step, problems in enumerate(TURNS, 1)}
    write_offline(folder)
    (folder / "scores.json").write_text(json.dumps({"verl": verl.__version__, "scores": scores}))


def compare(folder: Path) -> None:
    """Prints, for every dump, how many rows came in and the largest distance of a score from verl's own."""
    from tests.perf.doors_trl import imported_run, rewards_of_run

    scores = json.loads((folder / "scores.json").read_text())["scores"]
    for dump in ("legacy/rollouts", "legacy/validation", "v1/rollouts", "v1/validation"):
        with imported_run(folder / dump) as run:
            read_back = rewards_of_run(run)
        for step, expected in scores.items():
            ours = [raw for at, name, raw in read_back if at == int(step) and name == "recorded:score"]
            furthest = max(abs(a - b) for a, b in zip(ours, expected, strict=True))
            print(f"{dump} step {step}: {len(ours)} rows, largest distance of a score {furthest:g}")


if __name__ == "__main__":
    {"write": write, "compare": compare}[sys.argv[1]](Path(sys.argv[2]))
