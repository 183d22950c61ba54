"""The engine against servers on loopback: weights, comparison, sharing out, lost servers, a command of its own."""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import numpy as np
import pydantic
import pytest

from restem.harness.engines import Fixture, OpenAIEngine, Weights
from restem.harness.engines.child import Child
from restem.harness.engines.parity import check
from restem.harness.engines.server import Server
from restem.harness.errors import ConfigError, EngineFailed
from restem.harness.sampling.engine import Response, SamplingTask
from restem.harness.settings import EngineConfig, SamplingConfig
from tests.engine_server import STOP, EngineServer, counted, logprobs

PROMPTS = [[2, 10 * number] for number in range(1, 9)]


class Engine:
    """An engine in a folder, and what it logged."""

    def __init__(self, folder: Path, stack: ExitStack, *servers: EngineServer, **settings: Any) -> None:
        addresses = [server.address for server in servers]
        config = EngineConfig.model_validate({"base_urls": addresses, "reload": "sglang", "retries": 1} | settings)
        self.events: list[dict[str, Any]] = []
        self.folder = folder
        self.engine = stack.enter_context(OpenAIEngine(config, folder, self._log))

    def _log(self, kind: str, **detail: Any) -> None:
        assert kind == "engine"
        self.events.append(json.loads(json.dumps(detail)))

    def draw(self, weights: int = 0, missing: range = range(8), samples: int = 3) -> dict[int, list[Response]]:
        drawn: dict[int, list[Response]] = {}
        for index, responses in self.engine.sample(weights_of(weights), task(missing, samples)):
            drawn[missing[index]] = list(responses)
        return drawn


def weights_of(number: int) -> Weights:
    def save(folder: Path) -> None:
        folder.mkdir(parents=True)
        (folder / "weights").write_text(str(number))

    return Weights(sha256=f"{number:064x}"[::-1], place=save, known=lambda: fixture_of(number), stop_ids=(STOP,))


def fixture_of(number: int) -> Fixture:
    greedy = [counted(prompt, number) for prompt in PROMPTS[:2]]
    texts = [" ".join(map(str, ids[:-1])) for ids in greedy]
    return Fixture(
        prompts=PROMPTS[:2],
        responses=greedy,
        texts=texts,
        stop_ids=(STOP,),
        logprobs=lambda ids: logprobs(ids, number),
    )


def task(missing: range, samples: int) -> SamplingTask:
    keys = np.arange(len(missing) * samples * 2, dtype=np.uint32).reshape(len(missing), samples, 2)
    return SamplingTask(checkpoint="a/1", prompts=PROMPTS, missing=missing, keys=keys, config=SamplingConfig())


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def server(stack: ExitStack) -> EngineServer:
    return stack.enter_context(EngineServer())


def expected(weights: int = 0, missing: range = range(8), samples: int = 3) -> dict[int, list[tuple[int, ...]]]:
    return {index: [tuple(counted(PROMPTS[index], weights))] * samples for index in missing}


def ids(drawn: dict[int, list[Response]]) -> dict[int, list[Any]]:
    return {index: [response.ids for response in responses] for index, responses in drawn.items()}


def test_every_prompt_gets_its_samples_with_the_ids_that_were_drawn(
    server: EngineServer, stack: ExitStack, tmp_path: Path
) -> None:
    drawn = Engine(tmp_path, stack, server).draw()
    assert ids(drawn) == expected()
    assert {response.finish_reason for responses in drawn.values() for response in responses} == {"stop"}


def test_a_request_has_the_settings_of_the_suite_and_a_seed_of_its_own(
    server: EngineServer, stack: ExitStack, tmp_path: Path
) -> None:
    Engine(tmp_path, stack, server).draw()
    asked = server.samples_asked
    assert len({body["seed"] for body in asked}) == len(asked) == 8
    names = ("n", "max_tokens", "temperature", "top_k", "top_p", "stop_token_ids", "model")
    assert {json.dumps([body[name] for name in names]) for body in asked} == {
        json.dumps([3, 56, 0.7, 40, 1.0, [STOP], "counting"])
    }


def test_a_server_that_gives_one_choice_is_asked_for_the_others(
    server: EngineServer, stack: ExitStack, tmp_path: Path
) -> None:
    server.reply = lambda _, reply: {"choices": reply["choices"][:1]}
    assert ids(Engine(tmp_path, stack, server).draw()) == expected()
    assert sorted(body["n"] for body in server.samples_asked) == [1] * 8 + [2] * 8 + [3] * 8
    assert len({body["seed"] for body in server.samples_asked}) == 24


def test_a_server_without_token_ids_gives_text_and_the_run_says_so(
    server: EngineServer, stack: ExitStack, tmp_path: Path
) -> None:
    server.token_ids = False
    engine = Engine(tmp_path, stack, server)
    drawn = engine.draw(missing=range(1), samples=1)
    assert (drawn[0][0].ids, drawn[0][0].text) == (None, "11 12 13")
    assert (engine.events[0]["token_ids"], engine.events[0]["compared_tokens"]) == (False, 0)


def test_ids_that_stand_beside_the_log_probabilities_are_taken(
    server: EngineServer, stack: ExitStack, tmp_path: Path
) -> None:
    def beside(_: dict[str, Any], reply: dict[str, Any]) -> dict[str, Any]:  # as llama.cpp has them
        choices = [
            {**choice, "logprobs": {"content": [{"id": id, "logprob": -0.1} for id in choice.pop("token_ids")]}}
            for choice in reply["choices"]
        ]
        return {"choices": choices}

    server.reply = beside
    engine = Engine(tmp_path, stack, server)
    assert ids(engine.draw()) == expected()
    assert (engine.events[0]["token_ids"], engine.events[0]["logprobs"]) == (True, False)


def test_ids_without_the_token_that_ended_the_response_are_not_taken(
    server: EngineServer, stack: ExitStack, tmp_path: Path
) -> None:
    def without_stop(_: dict[str, Any], reply: dict[str, Any]) -> dict[str, Any]:
        return {"choices": [{**choice, "token_ids": choice["token_ids"][:-1]} for choice in reply["choices"]]}

    server.reply = without_stop
    assert Engine(tmp_path, stack, server).draw(missing=range(1), samples=1)[0][0].ids is None


@pytest.mark.parametrize(("logprob", "kept"), [(0.0, True), (-0.3, False)])
def test_log_probabilities_are_kept_where_they_are_those_of_the_distribution_that_is_drawn_from(
    server: EngineServer, stack: ExitStack, tmp_path: Path, logprob: float, kept: bool
) -> None:
    server.logprob = logprob
    engine = Engine(tmp_path, stack, server)
    (response,) = engine.draw(missing=range(1), samples=1)[0]
    assert (response.mean_logprob is not None, engine.events[0]["logprobs"]) == (kept, kept)


def test_every_checkpoint_is_loaded_once_and_the_folder_of_the_one_before_is_removed(
    server: EngineServer, stack: ExitStack, tmp_path: Path
) -> None:
    engine = Engine(tmp_path, stack, server)
    for weights in (5, 5, 7):
        assert ids(engine.draw(weights)) == expected(weights)
    assert len(server.loaded) == 2
    assert [str(path) for path in (tmp_path / "engine").iterdir()] == [server.loaded[-1]]
    assert [event["weights"][:2] for event in engine.events] == ["50", "50", "70"]
    assert engine.events[0]["servers"] == [
        {"address": server.address, "engine": "tests", "version": "1.2", "model": "counting"}
    ]


def test_a_server_that_was_started_anew_meanwhile_is_told_again(
    server: EngineServer, stack: ExitStack, tmp_path: Path
) -> None:
    engine = Engine(tmp_path, stack, server)
    engine.draw(5)
    server.weights = 0
    assert ids(engine.draw(5)) == expected(5)


def test_a_server_with_other_weights_draws_nothing_and_the_place_of_the_difference_is_named(
    server: EngineServer, stack: ExitStack, tmp_path: Path
) -> None:
    server.obeys = False
    reason = rf"engine at {server.address}: .* on prompt 0, position 0: found token 11, expected 16"
    with pytest.raises(EngineFailed, match=reason):
        Engine(tmp_path, stack, server).draw(5)
    assert server.samples_asked == []


def test_a_response_cut_short_is_no_equal_one(server: EngineServer) -> None:
    fixture = fixture_of(0)
    longer = dataclasses.replace(fixture, responses=[[*ids[:-1], 99, STOP] for ids in fixture.responses])
    with (
        closing(Server(server.address, EngineConfig())) as asked,
        pytest.raises(EngineFailed, match="position 3: found token 1, expected 99"),
    ):
        check(asked, "counting", longer, EngineConfig())


def second_likeliest(server: EngineServer, position: int) -> None:
    """Lets the server take, at one position of every greedy response, the id that is 0.1 nats less likely."""

    def reply(body: dict[str, Any], reply: dict[str, Any]) -> dict[str, Any]:
        place = position - (len(body["prompt"]) - 2)
        if body["top_k"] == 1 and not body.get("echo") and place >= 0:
            reply["choices"][0]["token_ids"][place] += 1
        return reply

    server.reply = reply


def test_a_token_that_is_almost_as_likely_as_ours_is_counted_and_the_rest_is_still_compared(
    server: EngineServer, stack: ExitStack, tmp_path: Path
) -> None:
    second_likeliest(server, 1)
    engine = Engine(tmp_path, stack, server, near_tie=0.11)
    assert len(engine.draw()) == 8
    assert (engine.events[0]["compared_tokens"], engine.events[0]["near_ties"]) == (8, 2)
    continued = [body["prompt"] for body in server.asked if body["top_k"] == 1 and len(body["prompt"]) > 2]
    assert continued == [[2, 10, 11, 12], [2, 20, 21, 22]]


def test_a_token_that_is_less_likely_than_a_near_tie_ends_the_run(
    server: EngineServer, stack: ExitStack, tmp_path: Path
) -> None:
    second_likeliest(server, 1)
    with pytest.raises(
        EngineFailed, match=r"position 1: found token 13, expected 12 .* likelier by 0.1 nats; up to 0.0"
    ):
        Engine(tmp_path, stack, server, near_tie=0.09).draw()
    assert server.samples_asked == []


def test_log_probabilities_of_the_prompts_find_weights_that_write_the_same_tokens(
    server: EngineServer, stack: ExitStack, tmp_path: Path
) -> None:
    server.noise = 0.5
    reason = "log-probabilities of the prompts differ .* by 0.5 nats a token, expected at most 0.4"
    with pytest.raises(EngineFailed, match=reason):
        Engine(tmp_path, stack, server, logprob_difference=0.4).draw()
    assert server.samples_asked == []


def test_a_server_that_is_nearer_to_an_earlier_checkpoint_is_refused_however_much_may_differ(
    server: EngineServer, stack: ExitStack, tmp_path: Path
) -> None:
    engine = Engine(tmp_path, stack, server, logprob_difference=9, near_tie=9)
    engine.draw(5)
    server.obeys = False
    with pytest.raises(EngineFailed, match=r"nearer to those of the weights 5000.*it did not load this one"):
        engine.draw(6)


def test_rounding_that_is_larger_than_an_update_does_not_end_a_run(
    server: EngineServer, stack: ExitStack, tmp_path: Path
) -> None:
    engine = Engine(tmp_path, stack, server, logprob_difference=9)
    engine.draw(5)
    server.noise = -3.0  # the checkpoints are 1 apart
    assert ids(engine.draw(4)) == expected(4)
    assert engine.events[-1]["logprob_difference"] == pytest.approx(3)


@pytest.mark.parametrize("refuses", [True, False])
def test_a_server_that_gives_no_log_probabilities_of_prompts_is_compared_by_its_tokens(
    server: EngineServer, stack: ExitStack, tmp_path: Path, refuses: bool
) -> None:
    server.noise = None
    server.reply = lambda body, reply: 400 if refuses and body.get("echo") else reply
    engine = Engine(tmp_path, stack, server)
    assert ids(engine.draw()) == expected()
    assert (engine.events[0]["compared_tokens"], engine.events[0]["logprob_difference"]) == (8, None)


@pytest.mark.parametrize("reason", ["abort", "error", None])
def test_a_choice_that_did_not_end_is_never_a_sample(
    server: EngineServer, stack: ExitStack, tmp_path: Path, reason: str | None
) -> None:
    def broken(body: dict[str, Any], reply: dict[str, Any]) -> dict[str, Any]:
        return reply if body["top_k"] == 1 else {"choices": [{"index": 0, "text": "", "finish_reason": reason}]}

    server.reply = broken
    with pytest.raises(EngineFailed, match=f"finish_reason {reason!r}.*; no server is left"):
        Engine(tmp_path, stack, server, retries=0).draw()


def test_a_server_that_is_busy_is_asked_again(server: EngineServer, stack: ExitStack, tmp_path: Path) -> None:
    refused: list[int] = []

    def busy_once(body: dict[str, Any], reply: dict[str, Any]) -> dict[str, Any] | int:
        if body["top_k"] == 1 or body["seed"] in refused:
            return reply
        refused.append(body["seed"])
        return 503

    server.reply = busy_once
    assert ids(Engine(tmp_path, stack, server).draw()) == expected()
    assert len(refused) == 8


def test_a_refusal_ends_the_draw_with_the_servers_reason(
    server: EngineServer, stack: ExitStack, tmp_path: Path
) -> None:
    server.reply = lambda body, reply: reply if body["top_k"] == 1 else 400
    with pytest.raises(EngineFailed, match="completions is refused: 400 'no'"):
        Engine(tmp_path, stack, server).draw()


def test_a_lost_server_is_left_out_and_its_prompts_go_to_the_others(
    server: EngineServer, stack: ExitStack, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lost = stack.enter_context(EngineServer())
    lost.reply = lambda body, reply: reply if body["top_k"] == 1 else None
    assert ids(Engine(tmp_path, stack, lost, server, concurrency=2).draw()) == expected()
    (told,) = [record.getMessage() for record in caplog.records]
    assert told.startswith(f"engine at {lost.address} is left out: ")
    assert told.endswith("1 of 2 servers go on")


def test_a_server_that_is_back_is_told_the_weights_and_asked_again(
    server: EngineServer, stack: ExitStack, tmp_path: Path
) -> None:
    other = stack.enter_context(EngineServer())
    engine = Engine(tmp_path, stack, server, other)
    other.reply = lambda body, reply: reply if body["top_k"] == 1 else None
    engine.draw(5)
    other.reply = lambda _, reply: reply
    other.weights = 0
    assert ids(engine.draw(5)) == expected(5)
    assert len(engine.events[-1]["servers"]) == 2


def test_without_any_server_the_prompts_that_are_done_were_given_and_the_rest_can_be_asked_for(
    server: EngineServer, stack: ExitStack, tmp_path: Path
) -> None:
    engine, drawn = Engine(tmp_path, stack, server, concurrency=1), {}
    server.reply = lambda body, reply: reply if len(server.samples_asked) <= 3 else None
    drawing = engine.engine.sample(weights_of(0), task(range(8), 3))
    with pytest.raises(EngineFailed, match=r"no server is left\. The samples that it gave are stored"):
        drawn.update((index, list(responses)) for index, responses in drawing)
    assert ids(drawn) == expected(missing=range(3))
    server.reply = lambda _, reply: reply
    server.asked.clear()
    assert ids(engine.draw(missing=range(3, 8))) == expected(missing=range(3, 8))
    assert len(server.samples_asked) == 5


def test_a_server_that_is_not_there_is_told_in_one_line(stack: ExitStack, tmp_path: Path) -> None:
    with EngineServer() as gone:
        engine = Engine(tmp_path, stack, gone)
    with pytest.raises(EngineFailed, match=r"ConnectError.*; no server is left"):
        engine.draw()


def test_an_arm_that_needs_log_probabilities_gets_none_of_another_distribution(
    server: EngineServer, tmp_path: Path
) -> None:
    server.logprob = -0.3
    config = EngineConfig(base_urls=(server.address,), reload="sglang")
    with (
        OpenAIEngine(config, tmp_path, lambda *_, **__: None, needs_logprobs=True) as engine,
        pytest.raises(EngineFailed, match="an arm selects by the policy's confidence"),
    ):
        next(engine.sample(weights_of(0), task(range(1), 1)))


SCRIPT = """
import sys, time
from pathlib import Path
sys.path.insert(0, {root!r})
from tests.engine_server import EngineServer
import http.server
folder, port = sys.argv[1:]
real = http.server.ThreadingHTTPServer
import tests.engine_server as module
module.ThreadingHTTPServer = lambda _, handler: real(("127.0.0.1", int(port)), handler)
with EngineServer(int((Path(folder) / "weights").read_text())):
    time.sleep(600)
"""


def command(folder: Path) -> tuple[str, ...]:
    (folder / "serve.py").write_text(SCRIPT.format(root=str(Path(__file__).parents[1])))
    return (sys.executable, str(folder / "serve.py"), "{folder}", "{port}")


@pytest.mark.parametrize(("reload", "starts"), [("restart", 2), ("sglang", 1)])
def test_a_server_of_its_own_is_started_with_the_weights_and_stopped(tmp_path: Path, reload: str, starts: int) -> None:
    events: list[dict[str, Any]] = []
    config = EngineConfig(start=command(tmp_path), reload=reload)  # type: ignore[arg-type]
    with OpenAIEngine(config, tmp_path, lambda _, **detail: events.append(detail)) as engine:
        for weights in (3, 3, 4):
            drawn = {i: list(r) for i, r in engine.sample(weights_of(weights), task(range(8), 3))}
            assert ids(drawn) == expected(weights)
    addresses = [event["servers"][0]["address"] for event in events]
    assert len(set(addresses)) == starts
    with pytest.raises(EngineFailed):
        Engine(tmp_path, ExitStack(), base_urls=[addresses[-1]]).draw()


def test_a_command_that_ends_is_told_with_its_last_line(tmp_path: Path) -> None:
    words = (sys.executable, "-c", "print('no memory'); raise SystemExit(3)", "{folder}", "{port}")
    with pytest.raises(EngineFailed, match=r"exit code 3: no memory \("):
        Child(EngineConfig(start=words), tmp_path / "log").start(tmp_path)


def test_a_server_of_its_own_ends_with_a_process_that_is_killed(tmp_path: Path) -> None:
    (tmp_path / "weights").write_text("0")
    code = (
        "import sys, time; from pathlib import Path; from restem.harness.engines.child import Child; "
        "from restem.harness.settings import EngineConfig; "
        f"child = Child(EngineConfig(start={command(tmp_path)!r}), Path({str(tmp_path / 'log')!r})); "
        f"print(child.start(Path({str(tmp_path)!r})), child._process.pid, flush=True); time.sleep(600)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent.stdout:
        pid = int(parent.stdout.readline().split()[1])
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 30
    while Path(f"/proc/{pid}").exists() and not _is_zombie(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{pid}").exists() or _is_zombie(pid)


def _is_zombie(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] == "Z"


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"base_urls": ["http://h:1/v1"]}, "found 'restart' with `base_urls`"),
        ({"base_urls": ["http://h:1/v1", "http://h:1/v1/"], "reload": "vllm"}, "stands there twice"),
        ({"base_urls": ["http://h:1/v1"], "start": ["s"], "reload": "vllm"}, "give either of them"),
        ({"base_urls": ["nowhere"], "reload": "vllm"}, "no web address"),
        ({"start": ["serve", "{port}"]}, r"expected `\{folder\}`"),
        ({"start": ["serve", "{folder}"]}, r"expected `\{port\}`"),
    ],
)
def test_settings_that_reach_no_server_are_refused(settings: dict[str, Any], reason: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=reason):
        EngineConfig.model_validate(settings)


def test_a_key_is_read_from_the_variable_that_the_suite_names(
    server: EngineServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = EngineConfig(api_key_env="ENGINE_KEY")
    with pytest.raises(ConfigError, match="ENGINE_KEY is not set"):
        Server(server.address, config)
    monkeypatch.setenv("ENGINE_KEY", "k")
    Server(server.address, config).close()


def test_the_engine_loads_no_jax() -> None:
    code = "import sys; import restem.harness.engines.openai_engine; print('jax' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout == "False\n"
