"""Servers that draw from a policy which no network of ours computes: whether they took its weights."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from restem.harness.engines import OpenAIEngine, Weights
from restem.harness.errors import EngineFailed
from restem.harness.outside.policy import open_outside
from restem.harness.sampling.engine import Response, SamplingTask
from restem.harness.settings import EngineConfig, SamplingConfig
from tests.engine_server import STOP, EngineServer
from tests.unigram_model import LARGEST, WEIGHTS, make, serve

QUESTIONS = ("Solve x = 1.", "Solve x = 2.")


@contextmanager
def serving(folder: Path, obey: Callable[[], bool] = lambda: True) -> Iterator[str]:
    server = serve(folder, 0, obey)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make(tmp_path / "model")


@pytest.fixture
def certain(tmp_path: Path) -> Path:
    """A model that always answers 7."""
    folder = make(tmp_path / "certain")
    frequencies = np.zeros(2 * LARGEST + 1)
    frequencies[LARGEST + 7] = 1
    save_file({"frequencies": frequencies}, folder / WEIGHTS)
    return folder


def engine(stack: ExitStack, folder: Path, address: str) -> tuple[OpenAIEngine, list[dict[str, Any]]]:
    events: list[dict[str, Any]] = []
    config = EngineConfig.model_validate({"base_urls": [address], "reload": "sglang", "retries": 0})
    return stack.enter_context(OpenAIEngine(config, folder, lambda _, **detail: events.append(detail))), events


def drawn(engine: OpenAIEngine, folder: Path) -> list[Response]:
    policy = open_outside(folder)
    prompts = [policy.tokenizer.encode_prompt(question) for question in QUESTIONS]
    keys = np.arange(16, dtype=np.uint32).reshape(2, 4, 2)
    task = SamplingTask(checkpoint="a/1", prompts=prompts, missing=range(2), keys=keys, config=SamplingConfig())
    weights = Weights(sha256=policy.params_sha256, place=folder, known=prompts, stop_ids=policy.tokenizer.stop_ids)
    return [response for _, responses in engine.sample(weights, task) for response in responses]


def test_a_server_that_loads_a_folder_draws_from_it_and_the_event_says_that_nothing_was_compared(
    folder: Path, certain: Path, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        address = stack.enter_context(serving(folder))
        asking, events = engine(stack, tmp_path, address)
        first, second = drawn(asking, folder), drawn(asking, certain)
    assert len({response.ids for response in first}) > 1
    assert {response.text for response in second} == {"7"}
    assert all(response.mean_logprob is not None for response in first)
    assert [event["compared_tokens"] for event in events] == [0, 0]
    assert [event["token_ids"] for event in events] == [True, True]
    assert (certain / WEIGHTS).is_file(), "a folder that is not the engine's own is never removed"


def test_a_server_that_says_what_it_said_under_other_weights_draws_nothing(
    folder: Path, certain: Path, tmp_path: Path
) -> None:
    with ExitStack() as stack:
        address = stack.enter_context(serving(folder, obey=lambda: False))
        asking, events = engine(stack, tmp_path, address)
        drawn(asking, folder)
        with pytest.raises(EngineFailed, match="it holds the old ones, or training changed nothing"):
            drawn(asking, certain)
    assert len(events) == 1


def test_the_same_weights_again_say_the_same(folder: Path, tmp_path: Path) -> None:
    with ExitStack() as stack:
        address = stack.enter_context(serving(folder, obey=lambda: False))
        asking, _ = engine(stack, tmp_path, address)
        assert drawn(asking, folder) == drawn(asking, folder)


def test_without_log_probabilities_equal_texts_prove_nothing_and_a_line_says_so(
    folder: Path, certain: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def silent(_: dict[str, Any], reply: dict[str, Any]) -> dict[str, Any]:
        return {"choices": [choice | {"logprobs": None} for choice in reply["choices"]]}

    with ExitStack() as stack, caplog.at_level(logging.WARNING):
        server = stack.enter_context(EngineServer())
        server.obeys, server.reply = False, silent
        asking, _ = engine(stack, tmp_path, server.address)
        for number, model in enumerate((folder, certain)):
            prompts = [[2, 10], [2, 20]]
            keys = np.zeros((2, 1, 2), np.uint32)
            task = SamplingTask(checkpoint="a", prompts=prompts, missing=range(2), keys=keys, config=SamplingConfig())
            weights = Weights(sha256=str(number), place=model, known=prompts, stop_ids=(STOP,))
            assert len(list(asking.sample(weights, task))) == 2
    (record,) = caplog.records
    assert "whether it holds the new ones is not known" in record.getMessage()
