"""The rewards of rows as each framework's own caller gives them; runs in the framework's environment.

`PYTHON tests/perf/doors_foreign_calls.py FRAMEWORK < rows.json` prints a JSON list of numbers (null for none).
`tests/perf/doors_foreign.py` runs it and compares. The functions below are also the custom reward functions that it
names, so that both sides call the same file. It imports nothing of this project.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import re
import sys
from types import SimpleNamespace
from typing import Any

ROWS = list[dict[str, Any]]


# -- Custom functions, as their projects' examples write them ----------------------------------------------------------


def open_r1_format(completions, **kwargs):
    """TRL: a format reward after open-r1."""
    return [1.0 if re.match(r"^<think>\n.*?\n</think>", c[0]["content"], re.DOTALL) else 0.0 for c in completions]


def compute_score(data_source, solution_str, ground_truth, extra_info=None):
    """verl: a dict with a graded score."""
    found = re.findall(r"\\boxed\{([^{}]*)\}", solution_str)
    right = bool(found) and found[-1].strip() == ground_truth
    return {"score": 1.0 if right else (0.1 if found else 0.0), "acc": right, "pred": found[-1] if found else None}


def reward_func(queries, prompts, labels):
    """OpenRLHF: tensors, after `examples/python/reward_func.py`."""
    import torch

    pairs = zip(queries, labels, strict=True)
    rewards = torch.tensor([float(f"\\boxed{{{label}}}" in query) for query, label in pairs])
    return {"rewards": rewards, "scores": rewards, "extra_logs": {"dummy_scores": rewards}}


def boxed_answer(completion, answer):
    """verifiers before 0.4: a function of a rubric."""
    return float(f"\\boxed{{{answer}}}" in completion[-1]["content"])


def brief(completion):
    return 1.0 / (1 + len(completion[-1]["content"]))


def rubric():
    import verifiers as vf

    return vf.Rubric(funcs=[boxed_answer, brief], weights=[1.0, 0.2])


# -- The frameworks' own callers ---------------------------------------------------------------------------------------


def _grpo(rows: ROWS, functions: list[Any]) -> list[list[float | None]]:
    """`GRPOTrainer._calculate_rewards`, on an object that has what the method reads."""
    import torch
    from trl import GRPOTrainer

    trainer = SimpleNamespace(
        accelerator=SimpleNamespace(device="cpu", is_main_process=False),
        reward_funcs=functions,
        reward_processing_classes=[None] * len(functions),
        reward_func_names=[f.__name__ for f in functions],
        state=SimpleNamespace(global_step=0),
        environments=None,
        args=SimpleNamespace(report_to=[]),
        model=SimpleNamespace(training=False),
        _log_completion_extra=lambda *a: None,
        _log_metric=lambda *a: None,
        _step=0,
    )
    from trl.trainer import grpo_trainer

    grpo_trainer.gather = lambda x: x
    inputs = [{"prompt": [{"role": "user", "content": r["question"]}], "solution": r["reference"]} for r in rows]
    completions = [[{"role": "assistant", "content": r["response"]}] for r in rows]
    rewards = GRPOTrainer._calculate_rewards(
        trainer, inputs, [i["prompt"] for i in inputs], completions, [[0] for _ in rows]
    )
    assert isinstance(rewards, torch.Tensor)
    return [[None if math.isnan(x) else x for x in column] for column in rewards.T.tolist()]


def trl(rows: ROWS) -> dict[str, list[float | None]]:
    from trl.rewards import accuracy_reward, think_format_reward

    functions = [accuracy_reward, think_format_reward, open_r1_format]
    return dict(zip((f.__name__ for f in functions), _grpo(rows, functions), strict=True))


def verl(rows: ROWS) -> dict[str, list[float | None]]:
    """`NaiveRewardManager.run_single`, with a tokenizer of bytes."""
    import numpy as np
    import torch
    from verl import DataProto
    from verl.experimental.reward_loop.reward_manager.naive import NaiveRewardManager
    from verl.utils.reward_score import default_compute_score

    tokenizer = SimpleNamespace(decode=lambda ids, skip_special_tokens: bytes(ids.tolist()).decode("utf-8", "replace"))

    async def scored(compute: Any) -> list[float | None]:
        manager = NaiveRewardManager.__new__(NaiveRewardManager)
        manager.tokenizer, manager.compute_score = tokenizer, compute
        manager.is_async_reward_score = asyncio.iscoroutinefunction(compute)
        manager.reward_router_address = manager.reward_model_tokenizer = None
        manager.loop = asyncio.get_running_loop()
        numbers: list[float | None] = []
        for row in rows:
            ids = torch.tensor([list(row["response"].encode())], dtype=torch.long)
            data = DataProto.from_dict(
                tensors={"responses": ids, "attention_mask": torch.ones_like(ids)},
                non_tensors={
                    "data_source": np.array(["openai/gsm8k"], object),
                    "reward_model": np.array([{"ground_truth": row["reference"]}], object),
                    "extra_info": np.array([{}], object),
                },
            )
            numbers.append(float((await manager.run_single(data))["reward_score"]))
        return numbers

    return {f.__name__: asyncio.run(scored(f)) for f in (default_compute_score, compute_score)}


def openrlhf(rows: ROWS) -> dict[str, list[float | None]]:
    """`SingleTurnAgentExecutor._fetch_rewards_via_func`."""
    from openrlhf.utils.agent import SingleTurnAgentExecutor

    executor = SingleTurnAgentExecutor.__new__(SingleTurnAgentExecutor)
    executor.reward_func = reward_func

    async def scored() -> list[float | None]:
        numbers = []
        for row in rows:
            query = row["question"] + row["response"]
            (info,) = await executor._fetch_rewards_via_func([query], [row["question"]], [row["reference"]])
            numbers.append(info["rewards"].item())
        return numbers

    return {"reward_func": asyncio.run(scored())}


SCORERS = {"match": {}, "includes": {}, "answer": {"pattern": "line"}, "exact": {}, "f1": {}}


def inspect(rows: ROWS) -> dict[str, list[float | None]]:
    """`inspect_ai.eval` of a task whose solver gives the stored responses: a mock model would fetch a tokenizer."""
    import inspect_ai
    from inspect_ai import scorer
    from inspect_ai.dataset import Sample
    from inspect_ai.model import ModelOutput
    from inspect_ai.solver import solver

    @solver
    def stored() -> Any:
        async def solve(state: Any, generate: Any) -> Any:
            state.output = ModelOutput.from_content("stored", rows[int(state.sample_id) - 1]["response"])
            state.messages.append(state.output.message)
            return state

        return solve

    to_float = scorer.value_to_float()
    numbers: dict[str, list[float | None]] = {}
    for name, arguments in SCORERS.items():
        task = inspect_ai.Task(
            dataset=[Sample(input=r["question"], target=r["reference"], id=n) for n, r in enumerate(rows, 1)],
            solver=stored(),
            scorer=getattr(scorer, name)(**arguments),
        )
        (log,) = inspect_ai.eval(
            task,
            model="mockllm/model",
            display="none",
            log_dir=os.environ["DOORS_LOGS"],
        )
        assert log.samples is not None
        scores = {int(s.id): score.value for s in log.samples for score in (s.scores or {}).values()}
        numbers[name] = [to_float(scores[n]) if n in scores else None for n in range(1, len(rows) + 1)]
    return numbers


def rubrics(rows: ROWS) -> dict[str, list[float | None]]:
    """`Rubric.score_rollout` of verifiers before 0.4, and its MathRubric."""
    import verifiers as vf

    async def scored(of: Any) -> list[float | None]:
        numbers = []
        for row in rows:
            state = vf.State(
                prompt=[{"role": "user", "content": row["question"]}],
                completion=[{"role": "assistant", "content": row["response"]}],
                answer=row["reference"],
                task="default",
                info={},
                trajectory=[],
            )
            await of.score_rollout(state)
            numbers.append(state["reward"])
        return numbers

    return {"rubric": asyncio.run(scored(rubric())), "MathRubric": asyncio.run(scored(vf.MathRubric()))}


def __getattr__(name: str) -> Any:
    """The task class `Sum`, which needs the package where it is asked for."""
    if name != "Sum":
        raise AttributeError(name)
    import verifiers.v1 as vf
    from verifiers.v1.utils.score import verify_boxed_math_answer

    class Data(vf.TaskData):
        answer: str

    class Sum(vf.Task[Data]):
        @vf.reward(weight=1.0)
        async def correct(self, trace: Any) -> float:
            return verify_boxed_math_answer(trace.last_reply, self.data.answer)

        @vf.reward(weight=0.2)
        async def brief(self, trace: Any) -> float:
            return 1.0 / (1 + len(trace.last_reply))

    return Sum


def tasks(rows: ROWS) -> dict[str, list[float | None]]:
    """The rewards of a task of verifiers 0.4, and its Math-Verify function, called one by one."""
    from verifiers.v1.utils.score import verify_boxed_math_answer

    right = [verify_boxed_math_answer(r["response"], r["reference"]) for r in rows]
    weighted = [
        a + 0.2 / (1 + len(r["response"].strip())) for a, r in zip(right, rows, strict=True)
    ]  # last_reply is stripped
    return {"Sum": weighted, "verify_boxed_math_answer": right}


def gym_server() -> Any:
    """NeMo Gym's resources server for mathematics, with Math-Verify alone."""
    from unittest.mock import MagicMock

    from nemo_gym.config_types import ModelServerRef
    from nemo_gym.openai_utils import NeMoGymResponseCreateParamsNonStreaming
    from nemo_gym.server_utils import ServerClient
    from resources_servers.math_with_judge.app import (
        LibraryJudgeMathResourcesServer,
        LibraryJudgeMathResourcesServerConfig,
    )

    config = LibraryJudgeMathResourcesServerConfig(
        host="127.0.0.1",
        port=0,
        entrypoint="",
        name="math",
        should_use_judge=False,
        judge_model_server=ModelServerRef(type="responses_api_models", name="none"),
        judge_responses_create_params=NeMoGymResponseCreateParamsNonStreaming(input=[]),
    )
    return LibraryJudgeMathResourcesServer(config=config, server_client=MagicMock(spec=ServerClient))


def gym(rows: ROWS) -> dict[str, list[float | None]]:
    """The server's own method, without HTTP."""

    async def scored() -> list[float | None]:
        server = gym_server()
        return [(await server._verify_answer(row["question"], row["reference"], row["response"]))[0] for row in rows]

    return {"verify": asyncio.run(scored())}


def serve_gym(port: int) -> None:
    import uvicorn

    uvicorn.run(gym_server().setup_webserver(), host="127.0.0.1", port=port, log_level="error")


if __name__ == "__main__":
    command = sys.argv[1]
    if command == "serve_gym":
        serve_gym(int(sys.argv[2]))
    else:
        print("NUMBERS " + json.dumps(globals()[command](json.load(sys.stdin))))
