"""Lets the writers of NeMo-RL, SkyRL, AReaL, open-instruct, tinker-cookbook and tunix write small files of rollouts.

    uv pip install -p ENV torch numpy pandas transformers ray aiofiles colorlog absl-py etils protobuf tinker
    ENV/bin/python tests/perf/doors_trainers.py write FOLDER NAME=CHECKOUT...
    python -m tests.perf.doors_trainers compare FOLDER

`write` runs beside a checkout (or an unpacked wheel) of each project and calls the project's own function on real
values; NAME is one of the functions below. These projects import their whole training stack with the file that holds
the function, so modules that are not installed are replaced by empty ones; the functions called do not use them.
`compare` runs where restem is installed and compares every reward in run.db with the one that was handed to the writer.
"""

from __future__ import annotations

import asyncio
import importlib.abc
import importlib.machinery
import importlib.util
import json
import sys
import types
from pathlib import Path
from unittest.mock import MagicMock

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.perf.doors_trl import letter_tokenizer

QUESTIONS = [("What is 3 + 4?", "7"), ("What is 2 * 3?", "6")]
ROLLOUTS = [
    (*QUESTIONS[0], "3 + 4 = 7, so the answer is 7.", 1.0),
    (*QUESTIONS[0], "It is 8.", 0.0),
    (*QUESTIONS[1], "The answer is 6.", 1.0),
    (*QUESTIONS[1], "2 * 3 is 5.", 0.0),
]


class EmptyModules(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds the modules that a checkout imports and that are not installed, and gives empty ones."""

    def __init__(self, checkouts):
        self.checkouts = tuple(str(Path(checkout).absolute()) for checkout in checkouts)

    def find_spec(self, name, path=None, target=None):
        frame = sys._getframe(1)
        while "importlib" in frame.f_code.co_filename:
            frame = frame.f_back
        if frame.f_code.co_filename.startswith(self.checkouts) or (isinstance(path, list) and not path):
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
        return None

    def create_module(self, spec):
        module = MagicMock(name=spec.name)
        module.__path__, module.__spec__, module.__name__ = [], spec, spec.name
        return module

    def exec_module(self, module):
        pass


def prompt_of(question: str) -> str:
    messages = [{"role": "user", "content": question}]
    return letter_tokenizer().apply_chat_template(messages, tokenize=False, add_generation_prompt=True)


def nemo_rl(folder: Path) -> None:
    """train_data_step3.jsonl and val_data_step3.jsonl, through flat messages as algorithms/grpo.py makes them."""
    import torch
    from nemo_rl.data.llm_message_utils import batched_message_log_to_flat_message, get_keys_from_message_log
    from nemo_rl.utils.logger import Logger

    tokenizer = letter_tokenizer()
    logs = [
        [
            {"role": role, "content": text, "token_ids": torch.tensor(tokenizer(text)["input_ids"])}
            for role, text in (
                ("user", prompt_of(question)),
                ("assistant", response),
                ("environment", "Environment: correct" if reward else "Environment: incorrect"),
            )
        ]
        for question, _, response, reward in ROLLOUTS
    ]
    rewards = torch.tensor([reward for *_, reward in ROLLOUTS])
    flat, lengths = batched_message_log_to_flat_message(logs, pad_value_dict={"token_ids": tokenizer.pad_token_id})
    train = {"content": flat["content"], "rewards": rewards.tolist(), "input_lengths": lengths.tolist()}
    train["token_ids"] = flat["token_ids"].tolist()
    writer = types.SimpleNamespace(base_log_dir=str(folder))
    Logger.log_batched_dict_as_jsonl(writer, train, "train_data_step3.jsonl")
    shown = [get_keys_from_message_log(log, ["role", "content"]) for log in logs]
    Logger.log_batched_dict_as_jsonl(writer, {"content": shown, "rewards": rewards.tolist()}, "val_data_step3.jsonl")


def skyrl(folder: Path) -> None:
    """dumped_evals/global_step_40_evals/*.jsonl."""
    import typing

    import typing_extensions

    typing.TypedDict = typing_extensions.TypedDict  # SkyRL wants Python 3.12
    from skyrl.train.utils.trainer_utils import dump_per_dataset_eval_results

    tokenizer = letter_tokenizer()
    place = folder / "dumped_evals" / "global_step_40_evals"
    place.mkdir(parents=True)
    responses = [tokenizer(response + "<|im_end|>")["input_ids"] for _, _, response, _ in ROLLOUTS]
    outputs = {
        "prompt_token_ids": [tokenizer(prompt_of(question))["input_ids"] for question, *_ in ROLLOUTS],
        "response_ids": responses,
        "rewards": [[0.0] * (len(ids) - 1) + [row[3]] for ids, row in zip(responses, ROLLOUTS, strict=True)],
        "stop_reasons": ["stop"] * len(ROLLOUTS),
    }
    extras = [
        {"data_source": "openai/gsm8k", "reward_spec": {"method": "rule", "ground_truth": gold}}
        for _, gold, *_ in ROLLOUTS
    ]
    dump_per_dataset_eval_results(
        place,
        tokenizer,
        outputs,
        [extra["data_source"] for extra in extras],
        ["gsm8k"] * len(ROLLOUTS),
        extras,
        {"eval/all/avg_score": 0.5},
    )


def areal(folder: Path) -> None:
    """2/TASK.jsonl: two calls of the writer, each a group of two."""
    import torch
    from areal.infra.workflow_executor import WorkflowExecutor

    tokenizer = letter_tokenizer()
    executor = object.__new__(WorkflowExecutor)
    executor._get_dump_dir, executor._get_tokenizer = lambda is_eval: str(folder), lambda: tokenizer
    for task in range(len(QUESTIONS)):
        rows = ROLLOUTS[2 * task : 2 * task + 2]
        prompts = [tokenizer(prompt_of(question))["input_ids"] for question, *_ in rows]
        ids = [p + tokenizer(row[2] + "<|im_end|>")["input_ids"] for p, row in zip(prompts, rows, strict=True)]
        width = max(map(len, ids))
        trajectory = {
            "input_ids": torch.tensor([each + [0] * (width - len(each)) for each in ids]),
            "attention_mask": torch.tensor([[1] * len(each) + [0] * (width - len(each)) for each in ids]),
            "loss_mask": torch.tensor(
                [
                    [0] * len(p) + [1] * (len(e) - len(p)) + [0] * (width - len(e))
                    for p, e in zip(prompts, ids, strict=True)
                ]
            ),
            "rewards": torch.tensor([row[3] for row in rows]),
            "versions": torch.tensor([[1] * (width - 1) + [2]] * 2),
        }
        asyncio.run(executor._dump_trajectory(trajectory, task, False))


def open_instruct(folder: Path) -> None:
    """run_rollouts_000000.jsonl, whose texts are token ids."""
    import numpy
    from open_instruct.rl_utils import _save_rollouts

    tokenizer = letter_tokenizer()
    batch = types.SimpleNamespace(
        queries=[tokenizer(prompt_of(question))["input_ids"] for question, *_ in ROLLOUTS],
        ground_truths=[tokenizer(gold)["input_ids"] for _, gold, *_ in ROLLOUTS],
        datasets=["gsm8k"] * len(ROLLOUTS),
        scores=[10.0 * reward for *_, reward in ROLLOUTS],
    )
    result = types.SimpleNamespace(
        responses=[tokenizer(response)["input_ids"] for _, _, response, _ in ROLLOUTS],
        finish_reasons=["stop"] * len(ROLLOUTS),
        request_info=None,
        logprobs=None,
    )
    _save_rollouts(str(folder), "run", 4, batch, result, numpy.zeros(len(ROLLOUTS)), 2, 0)


def tinker(folder: Path) -> None:
    """trajectories.jsonl of a benchmark; train_rollout_summaries.jsonl with and without text in the logs of a step."""
    from tinker_cookbook.eval.benchmarks._types import StoredTrajectory, StoredTurn
    from tinker_cookbook.rl.rollout_logging import serialize_rollout_summaries

    stored = [
        StoredTrajectory(
            idx=number,
            benchmark="gsm8k",
            example_id=f"gsm8k-{question}",
            turns=[StoredTurn(role="user", content=question), StoredTurn(role="assistant", content=response)],
            reward=reward,
            metrics={"correct": reward},
            logs={"expected": gold},
            error="TimeoutError: sampling" if number == 3 else None,
        ).to_dict()
        for number, (question, gold, response, reward) in enumerate(ROLLOUTS)
    ]
    (folder / "trajectories.jsonl").write_text("".join(json.dumps(row) + "\n" for row in stored))

    def group(rows, is_logged):
        steps = [
            types.SimpleNamespace(
                ob=types.SimpleNamespace(length=20),
                ac=types.SimpleNamespace(tokens=[1] * len(response)),
                reward=reward,
                episode_done=True,
                metrics={"format": 1.0, "correct": reward},
                logs={"question": question, "response": response, "expected": gold} if is_logged else {},
            )
            for question, gold, response, reward in rows
        ]
        ends = types.SimpleNamespace(length=0)
        return types.SimpleNamespace(
            trajectories_G=[types.SimpleNamespace(transitions=[step], final_ob=ends) for step in steps],
            final_rewards_G=[0.0] * len(rows),
            metrics_G=[{}] * len(rows),
            get_total_rewards=lambda: [row[3] for row in rows],
        )

    records = serialize_rollout_summaries(
        split="train",
        iteration=3,
        trajectory_groups_P=[group(ROLLOUTS[:2], True), group(ROLLOUTS[2:], False)],
        taglist_P=[["math"], ["math"]],
        sampling_client_steps_P=[3, 3],
    )
    (folder / "train_rollout_summaries.jsonl").write_text("".join(json.dumps(row) + "\n" for row in records))


def tunix(folder: Path) -> None:
    """trajectory_log_1.csv, with the dictionary that trajectory_collect_engine.py makes in its mode "Token"."""
    import numpy
    from tunix.utils import trajectory_logger

    rows = [
        {
            "conversation_text": [{"role": "user", "content": question}, {"role": "assistant", "content": response}],
            "prompt_tokens": numpy.array([1, 2, 3]),
            "conversation_tokens": numpy.array([4, 5]),
            "conversation_masks": numpy.array([1, 1]),
            "status": "SUCCEEDED",
            "trajectory_reward": reward,
            "env_time": {"reset": 0.0},
            "reward_time": {},
            "old_logprobs": numpy.array([-0.5, float("nan")]),
            "policy_version": 2,
            "original_input": {"prompts": question, "answer": gold, "group_id": number // 2},
            "group_id": number // 2,
        }
        for number, (question, gold, response, reward) in enumerate(ROLLOUTS)
    ]
    trajectory_logger.log_item(str(folder), rows[:3], "1")
    trajectory_logger.log_item(str(folder), rows[3:], "1")


def write(folder: Path, *checkouts: str) -> None:
    """FOLDER/NAME/..., one folder a project."""
    named = [each.partition("=")[::2] for each in checkouts]
    sys.meta_path.append(EmptyModules(checkout for _, checkout in named))
    for name, checkout in named:
        sys.path.insert(0, checkout)
        (folder / name).mkdir(parents=True, exist_ok=True)
        globals()[name](folder / name)


def compare(folder: Path) -> None:
    """Prints, for every project, the rewards that were imported beside those that were given to the writer."""
    from tests.perf.doors_trl import imported_run, rewards_of_run

    print("given", [reward for *_, reward in ROLLOUTS])
    for place in sorted(each for each in folder.iterdir() if each.is_dir()):
        with imported_run(place) as run:
            print(place.name, [raw for _, name, raw in rewards_of_run(run) if name.endswith((":reward", ":score"))])


if __name__ == "__main__":
    {"write": write, "compare": compare}[sys.argv[1]](Path(sys.argv[2]), *sys.argv[3:])
