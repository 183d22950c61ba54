"""Every adapter called by its framework's own code, on a CPU: `python tests/perf/doors_adapters.py NAME...`.

Prints a line a framework: name, version, what was called, what came out. Each runs in an environment that holds the
framework and the light install; a framework that is not there is named as such. Environments that were used:

    uv pip install -p trl      restem-harness trl==1.16.0                                    # trl
    uv pip install -p verl     restem-harness verl==0.9.1                                    # verl, verl_loop
    uv pip install -p verl     --no-deps openrlhf==0.11.2 areal==1.0.4                       # openrlhf, areal
    git clone https://github.com/THUDM/slime                                                 # slime: on PYTHONPATH
    uv pip install -p tunix    restem-harness[train] && uv pip install --no-deps google-tunix==0.1.7
    uv pip install -p vf       restem-harness verifiers==0.4.0                               # verifiers
    uv pip install -p vf_old   restem-harness verifiers==0.1.9                               # rubric
    uv pip install -p gym      restem-harness nemo-gym==0.7.0                                # nemo_gym, nemo_gym_http
    uv pip install -p evals    restem-harness inspect_ai==0.3.285 lm_eval==0.4.13            # inspect, lm_eval
    uv pip install -p light    restem-harness lighteval==0.13.0                              # lighteval
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
import json
import subprocess
import sys
import tempfile
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from restem.verifiers.adapters import recorded, reward_function

QUESTION = "Solve 2*x = 14 for x."
# Right, wrong, and a text that no verifier can decide; the last one is meant to make a comparison hang.
RESPONSES = ("So x = 7.", "So x = 8.", "I cannot say.", "x = 9**9**9**9**9")


def version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "from its repository"


def bare(*packages: str) -> None:
    """Lets modules of packages be imported without the packages' own `__init__`, which load whole engines."""
    for package in packages:
        module = types.ModuleType(package)
        parts = package.split(".")
        module.__path__ = [str(path) for root in sys.path if (path := Path(root, *parts)).is_dir()]
        if not module.__path__:
            raise ImportError(f"no {package}")
        sys.modules[package] = module


# -- Trainers ----------------------------------------------------------------------------------------------------------


def small_tokenizer() -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {"<pad>": 0, "<eos>": 1} | {c: i + 2 for i, c in enumerate(pre_tokenizers.ByteLevel.alphabet())}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges=[]))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>")
    fast.chat_template = (
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    return fast


def trl() -> tuple[str, str, Any]:
    import datasets
    from transformers import LlamaConfig, LlamaForCausalLM
    from trl import GRPOConfig, GRPOTrainer

    tokenizer = small_tokenizer()
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=16,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            num_key_value_heads=2,
            max_position_embeddings=256,
        )
    )
    rows = [
        {"prompt": [{"role": "user", "content": f"Solve 2*x = {2 * n} for x."}], "answer": str(n)} for n in range(8)
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        # A random model writes no answer, so `random` gives it rewards to learn from.
        names = ("sympy", "majority", "random")
        trainer = GRPOTrainer(
            model=model,
            reward_funcs=recorded([reward_function(name, "trl") for name in names], path),
            args=GRPOConfig(
                output_dir=folder,
                max_steps=2,
                per_device_train_batch_size=8,
                num_generations=4,
                max_completion_length=8,
                logging_steps=1,
                report_to=[],
                use_cpu=True,
                save_strategy="no",
            ),
            train_dataset=datasets.Dataset.from_list(rows),
            processing_class=tokenizer,
        )
        trainer.train()
        logged = [entry for entry in trainer.state.log_history if "reward" in entry]
        written = [json.loads(line) for line in path.read_text().splitlines()]
        means = [entry["rewards/random/mean"] for entry in logged]
        by_step = {step: [row["rewards"] for row in written if row["step"] == step] for step in (0, 1)}
        recorded_means = [sum(row["random"] for row in rows) / len(rows) for rows in by_step.values()]
        result = {
            "mean reward of random by step": means,
            "the same in the recorded rows": recorded_means,
            "rows": len(written),
            "null": sum(None in row["rewards"].values() for row in written),
            "first row": {key: written[0][key] for key in ("question", "references", "step", "rewards")},
        }
    return version("trl"), "GRPOTrainer.train(), 2 steps, reward_funcs of three verifiers, recorded", result


def verl_data(torch: Any, tokenizer: Any) -> Any:
    import numpy as np
    from tensordict import TensorDict
    from verl import DataProto

    prompt = tokenizer(QUESTION)["input_ids"]
    replies = [tokenizer(text)["input_ids"] for text in RESPONSES]
    length = max(map(len, replies))
    count = len(replies)
    responses = torch.tensor([reply + [0] * (length - len(reply)) for reply in replies])
    prompts = torch.tensor([prompt] * count)
    mask = torch.tensor([[1] * (len(prompt) + len(reply)) + [0] * (length - len(reply)) for reply in replies])
    return DataProto(
        batch=TensorDict({"prompts": prompts, "responses": responses, "attention_mask": mask}, batch_size=count),
        non_tensor_batch={
            "data_source": np.array(["mine"] * count, dtype=object),
            "reward_model": np.array([{"ground_truth": "7"}] * count, dtype=object),
            "extra_info": np.array([{"question": QUESTION, "index": i} for i in range(count)], dtype=object),
        },
    )


def verl() -> tuple[str, str, Any]:
    """verl's driver: one response at a time, with a time limit by a signal on the main thread."""
    import torch
    from verl.workers.reward_manager import BatchRewardManager, NaiveRewardManager

    tokenizer = small_tokenizer()
    one = NaiveRewardManager(tokenizer, 0, compute_score=reward_function("sympy", "verl"))
    given = one(verl_data(torch, tokenizer), return_dict=True)
    many = BatchRewardManager(tokenizer, 0, compute_score=reward_function("majority", "verl_batch"))
    groups = many(verl_data(torch, tokenizer), return_dict=True)
    result = {
        "rewards": given["reward_tensor"].sum(-1).tolist(),
        "extra": dict(given["reward_extra_info"]),
        "majority, whole batch": groups["reward_tensor"].sum(-1).tolist(),
    }
    return version("verl"), "NaiveRewardManager(...)(data), BatchRewardManager(...)(data)", result


def verl_loop() -> tuple[str, str, Any]:
    """verl's reward loop: the file and the name of a configuration, then threads of an event loop."""
    import torch
    from omegaconf import OmegaConf
    from verl.experimental.reward_loop.reward_manager.naive import NaiveRewardManager
    from verl.trainer.ppo.reward import get_custom_reward_fn

    tokenizer = small_tokenizer()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "my_reward.py"
        file.write_text(
            "from restem.verifiers.adapters import reward_function\ncompute_score = reward_function('sympy', 'verl')\n"
        )
        chosen = {"path": str(file), "name": "compute_score", "reward_kwargs": {}}
        function = get_custom_reward_fn(OmegaConf.create({"reward": {"custom_reward_function": chosen}}))

        async def run() -> list[Any]:
            manager = NaiveRewardManager(OmegaConf.create({}), tokenizer, function)
            data = verl_data(torch, tokenizer)
            return await asyncio.gather(*(manager.run_single(data[i : i + 1]) for i in range(len(data))))

        result = asyncio.run(run())
    return version("verl"), "get_custom_reward_fn(config), NaiveRewardManager.run_single of the reward loop", result


def openrlhf() -> tuple[str, str, Any]:
    from openrlhf.utils.agent import SingleTurnAgentExecutor

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "reward.py"
        file.write_text(
            "from restem.verifiers import adapters\nreward_func = adapters.reward_function('sympy', 'openrlhf')\n"
        )
        executor = SingleTurnAgentExecutor(remote_rm_url=str(file))
        prompt = f"<|im_start|>user\n{QUESTION}<|im_end|>\n<|im_start|>assistant\n"

        async def run() -> list[Any]:
            calls = (executor._fetch_rewards_via_func([f"{prompt}{r}<|im_end|>"], [prompt], ["7"]) for r in RESPONSES)
            return await asyncio.gather(*calls)

        result = [reply for (reply,) in asyncio.run(run())]
    return version("openrlhf"), "SingleTurnAgentExecutor(file)._fetch_rewards_via_func", result


def tunix() -> tuple[str, str, Any]:
    bare("tunix", "tunix.rl")
    from tunix.rl.algorithm_config import AlgorithmConfig
    from tunix.rl.reward_manager import SequenceRewardManager

    functions = [reward_function("sympy", "tunix"), reward_function("majority", "tunix")]
    manager = SequenceRewardManager(functions, AlgorithmConfig())
    given = manager(prompts=[QUESTION] * 4, completions=list(RESPONSES), answer=["7"] * 4)
    result = {"rewards": given["rewards"].tolist()}
    result |= {name: given["log_metrics"][f"rewards/{name}"][0].tolist() for name in ("sympy", "majority")}
    return version("google-tunix"), "SequenceRewardManager([...])(prompts, completions, answer=...)", result


def areal() -> tuple[str, str, Any]:
    bare("areal", "areal.api", "areal.utils")
    from areal.api.reward_api import AsyncRewardWrapper

    function = AsyncRewardWrapper(reward_function("sympy", "areal"), timeout_seconds=30)

    async def run() -> list[float]:
        calls = (function(QUESTION, response, [1], [2], answer="7", messages=None) for response in RESPONSES)
        return await asyncio.gather(*calls)

    result = asyncio.run(run())
    return (
        version("areal"),
        "AsyncRewardWrapper(...)(prompt, completion, ids, ids, answer=...), its process pool",
        result,
    )


def slime() -> tuple[str, str, Any]:
    from slime.rollout.rm_hub import async_rm, batched_async_rm
    from slime.utils.types import Sample

    module = types.ModuleType("my_slime_reward")
    module.reward = reward_function("sympy", "slime")  # type: ignore[attr-defined]
    sys.modules["my_slime_reward"] = module
    args = types.SimpleNamespace(custom_rm_path="my_slime_reward.reward", rm_type=None)
    samples = [Sample(index=i, group_index=0, prompt=QUESTION, response=r, label="7") for i, r in enumerate(RESPONSES)]

    async def run() -> dict[str, Any]:
        single = await asyncio.gather(*(async_rm(args, sample) for sample in samples))
        return {"one by one": single, "group": await batched_async_rm(args, samples)}

    return (
        version("slime"),
        "async_rm(args, sample), batched_async_rm(args, samples), --custom-rm-path",
        asyncio.run(run()),
    )


def slime_remote() -> tuple[str, str, Any]:
    """slime's `--rm-type remote_rm` against `restem serve --verifier`."""
    from slime.rollout.rm_hub import async_rm
    from slime.utils.types import Sample

    samples = [Sample(index=i, prompt=QUESTION, response=r, label="7") for i, r in enumerate(RESPONSES)]

    async def run(url: str) -> list[Any]:
        args = types.SimpleNamespace(custom_rm_path=None, rm_type="remote_rm", rm_url=url)
        return await asyncio.gather(*(async_rm(args, sample) for sample in samples))

    with server("sympy") as url:
        result = asyncio.run(run(f"{url}/reward"))
    return version("slime"), "async_rm(args, sample) with rm_type=remote_rm and restem serve --verifier", result


def verifiers() -> tuple[str, str, Any]:
    import verifiers.v1 as vf
    from verifiers.v1.graph import MessageNode
    from verifiers.v1.trace import AgentInfo, TraceTask

    correct = reward_function("sympy", "verifiers")

    class Data(vf.TaskData):
        answer: str = ""

    class Mine(vf.Task[Data]):
        @vf.reward(weight=1.0)
        async def correct(self, task: Data, trace: vf.Trace) -> Any:
            return await correct(task, trace)

    async def run() -> list[Any]:
        results: list[Any] = []
        for response in RESPONSES:
            data = Data(idx=0, prompt=QUESTION, answer="7")
            agent = AgentInfo(config=vf.AgentConfig())
            trace = vf.Trace(task=TraceTask(type="Mine", data=data), agent=agent)
            trace.nodes.append(MessageNode(parent=None, message=vf.UserMessage(content=QUESTION), sampled=False))
            trace.nodes.append(MessageNode(parent=0, message=vf.AssistantMessage(content=response), sampled=True))
            try:
                await Mine(data).score(trace)
                results.append({name: value and value.score for name, value in trace.rewards.items()})
            except vf.TaskError as error:
                results.append({**trace.rewards, "error": str(error)[:120]})
        return results

    return version("verifiers"), "vf.Task.score(trace) with a @vf.reward that calls it", asyncio.run(run())


def rubric() -> tuple[str, str, Any]:
    import verifiers as vf

    functions = vf.Rubric(funcs=[reward_function("sympy", "rubric")], weights=[1.0])
    groups = vf.Rubric(funcs=[reward_function("majority", "rubric_group")], weights=[1.0])

    def state(response: str) -> Any:
        return vf.State(
            prompt=[{"role": "user", "content": QUESTION}],
            completion=[{"role": "assistant", "content": response}],
            answer="7",
            task="mine",
            info={},
            trajectory=[],
            timing={"scoring_ms": 0.0, "total_ms": 0.0},
        )

    async def run() -> dict[str, Any]:
        states = [state(response) for response in RESPONSES]
        for each in states:
            await functions.score_rollout(each, contextlib.AsyncExitStack())
        together = [state(response) for response in ("x = 7", "x = 7", "x = 8")]
        await groups.score_group(together, contextlib.AsyncExitStack())
        return {"score_rollout": [s["metrics"] for s in states], "score_group": [s["metrics"] for s in together]}

    return version("verifiers"), "Rubric.score_rollout, Rubric.score_group", asyncio.run(run())


def gym_body(response: str) -> dict[str, Any]:
    part = {"type": "output_text", "text": response, "annotations": []}
    message = {"id": "m", "type": "message", "role": "assistant", "status": "completed", "content": [part]}
    return {
        "responses_create_params": {"input": [{"role": "user", "content": QUESTION}]},
        "response": {
            **{"id": "r", "created_at": 0.0, "model": "tiny", "object": "response", "output": [message]},
            **{"parallel_tool_calls": False, "tool_choice": "auto", "tools": []},
        },
        "expected_answer": "7",
    }


def nemo_gym() -> tuple[str, str, Any]:
    """A resources server of Gym's own class, its route called through its own application."""
    from fastapi.testclient import TestClient
    from nemo_gym.base_resources_server import (
        BaseResourcesServerConfig,
        BaseVerifyRequest,
        BaseVerifyResponse,
        SimpleResourcesServer,
    )
    from nemo_gym.server_utils import ServerClient
    from pydantic import ConfigDict

    correct = reward_function("sympy", "nemo_gym")

    class Request(BaseVerifyRequest):
        model_config = ConfigDict(extra="allow")

    class Reply(BaseVerifyResponse):
        model_config = ConfigDict(extra="allow")

    class Server(SimpleResourcesServer):
        async def verify(self, body: Request) -> Reply:
            return Reply(**await correct(body))

    # FastAPI reads the annotations by name.
    Server.verify.__annotations__ = {"body": Request, "return": Reply}
    config = BaseResourcesServerConfig(host="127.0.0.1", port=1, name="mine", entrypoint="app.py", domain="math")
    server = Server(config=config, server_client=ServerClient.model_construct())
    client = TestClient(server.setup_webserver())
    result = []
    for response in RESPONSES:
        reply = client.post("/verify", json=gym_body(response))
        result.append({key: reply.json().get(key) for key in ("reward", "extracted_answer", "_ng_failure_class")})
    return version("nemo-gym"), "SimpleResourcesServer, POST /verify", result


def nemo_gym_http() -> tuple[str, str, Any]:
    """Gym's simple agent, whose own code calls `restem serve --verifier` and reads the reply into its own class."""
    import aiohttp
    from responses_api_agents.simple_agent.app import SimpleAgentVerifyRequest, SimpleAgentVerifyResponse

    async def run(url: str) -> list[Any]:
        results = []
        async with aiohttp.ClientSession() as session:
            for response in RESPONSES:
                request = SimpleAgentVerifyRequest.model_validate(gym_body(response))
                async with session.post(f"{url}/verify", json=request.model_dump()) as reply:
                    reply.raise_for_status()
                    read = SimpleAgentVerifyResponse.model_validate(await reply.json()).model_dump()
                results.append({key: read.get(key) for key in ("reward", "extracted_answer", "_ng_failure_class")})
        return results

    with server("sympy") as url:
        result = asyncio.run(run(url))
    return version("nemo-gym"), "SimpleAgent's request and reply classes, POST to restem serve --verifier", result


# -- Evaluators --------------------------------------------------------------------------------------------------------


def inspect() -> tuple[str, str, Any]:
    from inspect_ai import Task, eval, score
    from inspect_ai.dataset import Sample
    from inspect_ai.model import ModelOutput, ModelUsage, get_model
    from inspect_ai.scorer import match

    outputs = [ModelOutput.from_content("mockllm/model", response) for response in RESPONSES]
    for output in outputs:  # otherwise the mock model counts tokens, with a file from the network
        output.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
    with tempfile.TemporaryDirectory() as folder:
        samples = [Sample(input=QUESTION, target="7", id=i) for i in range(len(RESPONSES))]
        model = get_model("mockllm/model", custom_outputs=outputs)
        (log,) = eval(Task(samples, scorer=match()), model=model, log_dir=folder, display="none", max_samples=1)
        scored = score(log, reward_function("sympy", "inspect"), action="append", display="none")
    values = [{name: each.value for name, each in sample.scores.items()} for sample in scored.samples]
    metrics = {
        each.name: {name: metric.value for name, metric in each.metrics.items()} for each in scored.results.scores
    }
    return (
        version("inspect_ai"),
        'score(log, reward_function("sympy", "inspect"))',
        {"scores": values, "metrics": metrics},
    )


def lm_eval() -> tuple[str, str, Any]:
    import datasets
    from lm_eval import simple_evaluate
    from lm_eval.api.model import LM
    from lm_eval.api.task import ConfigurableTask

    class Fixed(LM):
        def generate_until(self, requests: Any, disable_tqdm: bool = False) -> list[str]:
            return [RESPONSES[request.doc["id"]] for request in requests]

        def loglikelihood(self, requests: Any, disable_tqdm: bool = False) -> Any:
            raise NotImplementedError

        loglikelihood_rolling = loglikelihood

    rows = [{"id": i, "question": QUESTION, "answer": "7"} for i in range(len(RESPONSES))]
    task = ConfigurableTask(
        config={
            "task": "mine",
            "custom_dataset": lambda **_: {"test": datasets.Dataset.from_list(rows)},
            "test_split": "test",
            "output_type": "generate_until",
            "doc_to_text": "{{question}}",
            "doc_to_target": "{{answer}}",
            "process_results": reward_function("sympy", "lm_eval"),
            "filter_list": [
                {"name": "as_written", "filter": [{"function": "take_first"}]},
                {
                    "name": "answers",
                    "filter": [{"function": reward_function("sympy", "lm_eval_filter")}, {"function": "take_first"}],
                },
            ],
            "metric_list": [
                {"metric": name, "aggregation": "mean", "higher_is_better": True}
                for name in ("sympy", "sympy_undecided")
            ],
        }
    )
    given = simple_evaluate(Fixed(), tasks=[task], bootstrap_iters=0)
    samples = [(s["filter"], s["filtered_resps"][0], s.get("sympy")) for s in given["samples"]["mine"]]
    return (
        version("lm_eval"),
        "simple_evaluate, process_results and a filter",
        {"results": given["results"]["mine"], "samples": samples},
    )


def lighteval() -> tuple[str, str, Any]:
    from lighteval.models.model_output import ModelResponse
    from lighteval.tasks.requests import Doc

    metric = reward_function("sympy", "lighteval")
    doc = Doc(query=QUESTION, choices=["7"], gold_index=0)
    numbers = [metric.compute_sample(doc=doc, model_response=ModelResponse(text=[text])) for text in RESPONSES]
    name = metric.metric_name
    corpus = metric.get_corpus_aggregations()[name]([number[name] for number in numbers])
    return (
        version("lighteval"),
        "SampleLevelMetric.compute_sample, its corpus function",
        {"samples": numbers, "corpus": corpus},
    )


# -- The server --------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def server(*names: str) -> Iterator[str]:
    """The address of `restem serve --verifier NAME...` while the context is open."""
    command = [sys.executable, "-m", "restem.harness.cli", "serve", "--port", "0"]
    command += [part for name in names for part in ("--verifier", name)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        yield json.loads(child.stdout.readline())["base_url"]
    finally:
        child.terminate()
        child.wait()


ALL: tuple[Callable[[], tuple[str, str, Any]], ...] = (
    *(trl, verl, verl_loop, openrlhf, tunix, areal, slime, slime_remote, verifiers, rubric, nemo_gym, nemo_gym_http),
    *(inspect, lm_eval, lighteval),
)

if __name__ == "__main__":
    by_name = {each.__name__: each for each in ALL}
    for name in sys.argv[1:] or by_name:
        try:
            used, called, outcome = by_name[name]()
        except ImportError as missing:
            print(f"{name}: not in this environment ({missing})")
            continue
        print(f"{name} {used}: {called}\n  {json.dumps(outcome, default=str)}", flush=True)
