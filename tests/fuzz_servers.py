"""The readers of what servers answer and of what our own servers are asked, with sound replies and bodies."""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import time
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from click.testing import Result

from restem.harness.errors import ConfigError
from tests import fuzz_mutations as damage
from tests.batch_server import BatchServer
from tests.fuzz_files import ONE_ROW
from tests.fuzzing import Reader, called, command
from tests.judge_server import JudgeServer
from tests.reward_server import RewardServerAt

REPLY = {
    "id": "x",
    "model": "m",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "1", "refusal": None},
            "finish_reason": "stop",
            "logprobs": {
                "content": [{"token": "1", "logprob": -0.1, "top_logprobs": [{"token": "1", "logprob": -0.1}]}]
            },
        }
    ],
    "usage": {"prompt_tokens": 100, "completion_tokens": 1, "total_tokens": 101},
}
ERROR_BODY = {"error": {"message": "no", "type": "x", "code": "y", "param": "temperature"}}
BATCH_LINE = {
    "id": "l",
    "custom_id": "ID",
    "response": {"status_code": 200, "request_id": "r", "body": REPLY},
    "error": None,
}
REWARD_BODIES = {
    "gym.json": json.dumps({"reward": 1.0, "response": {}, "extracted_answer": "7"}).encode(),
    "slime.json": b"0.5",
    "openrlhf.json": json.dumps({"rewards": [1.0], "scores": [1.0], "extra_logs": {}}).encode(),
    "fault.json": json.dumps({"detail": [{"loc": ["body", "response"], "msg": "missing"}]}).encode(),
}


def _asked(path: Path, verifier: str, *settings: str) -> Result:
    """`restem verify` of one row by a verifier that asks a server."""
    rows, output = path.with_name("rows.jsonl"), path.with_name("out.jsonl")
    rows.write_bytes(ONE_ROW)
    more = [word for setting in settings for word in ("--set", f"verifiers.{verifier}.{setting}")]
    return command("verify", "--verifier", verifier, *more, "--input", rows, "--output", output, "--quiet")


_QUICK = ("model=m", "max_attempts=1", "backoff_seconds=0.001", "soft=true", "max_wait_seconds=0", "timeout_seconds=5")


def judge_readers(server: JudgeServer) -> Iterator[Reader]:
    """The readers of a judge's replies and of its list of models."""

    def read(path: Path) -> Result:
        server.reset()
        server.faulty_body = path.read_bytes()
        server.script(*["body"] * 20)
        return _asked(path, "judge", f"base_url={server.base_url}", "check_model=false", *_QUICK)

    def models(path: Path) -> Result:
        server.reset()
        try:
            server.models = json.loads(path.read_bytes())
            json.dumps(server.models)
        except (ValueError, RecursionError):
            server.models = path.read_bytes().decode("utf-8", "replace")
        return _asked(path, "judge", f"base_url={server.base_url}", *_QUICK)

    yield Reader(
        name="judge's replies", seeds={"reply.json": json.dumps(REPLY).encode()}, mutate=damage.json_mutated, read=read
    )
    listed = {"object": "list", "data": [{"id": "m", "object": "model"}, {"id": "n"}]}
    yield Reader(
        name="a server's models",
        seeds={"models.json": json.dumps(listed).encode()},
        mutate=damage.json_mutated,
        read=models,
    )


def batch_reader(server: BatchServer) -> Reader:
    """The reader of the lines of a batch's result."""

    def read(path: Path) -> Result:
        server.reset()
        data = path.read_bytes()
        server.line = lambda request: [data.replace(b"ID", request["custom_id"].encode())]
        return _asked(
            path,
            "judge",
            f"base_url={server.base_url}",
            "batch=true",
            "poll_seconds=0.01",
            "check_model=false",
            "model=m",
            "max_attempts=2",
            "backoff_seconds=0.001",
        )

    seeds = {"line.jsonl": json.dumps(BATCH_LINE).encode()}
    return Reader(name="a batch's results", seeds=seeds, mutate=damage.json_mutated, read=read)


def reward_reader(server: RewardServerAt, replies: dict[str, bytes]) -> Reader:
    """The reader of a reward server's replies; the server answers with `replies["next"]`."""

    def read(path: Path) -> Result:
        replies["next"] = path.read_bytes()
        return _asked(
            path,
            f"{server.address}/{path.stem}",
            f"shape={'nemo_gym' if path.stem == 'gym' else 'openrlhf' if path.stem == 'openrlhf' else 'slime'}",
        )

    return Reader(name="a reward server's replies", seeds=REWARD_BODIES, mutate=damage.json_mutated, read=read)


@contextlib.contextmanager
def server_readers() -> Iterator[list[Reader]]:
    """The readers of what servers answer, while servers of ours run."""
    replies = {"next": b"1"}
    with (
        JudgeServer() as judge,
        BatchServer() as batch,
        RewardServerAt(lambda path, _: (422 if "fault" in path else 200, replies["next"])) as rewards,
    ):
        yield [*judge_readers(judge), batch_reader(batch), reward_reader(rewards, replies)]


CHAT_BODY = {
    "model": "tiny",
    "messages": [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": [{"type": "text", "text": "1?"}]},
    ],
    **{
        "temperature": 0.5,
        "top_p": 0.9,
        "max_tokens": 2,
        "n": 1,
        "seed": 3,
        "stop": ["x"],
        "logprobs": True,
        "top_logprobs": 2,
    },
}
COMPLETION_BODY = {"prompt": ["Solve x = 1.", "1"], "max_tokens": 2, "echo": True, "logprobs": 1, "seed": 1, "top_k": 5}
GYM_BODY = {
    "responses_create_params": {"input": [{"role": "user", "content": "Solve 2*x = 14 for x."}]},
    "response": {
        "output": [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "7"}]}]
    },
    **{"expected_answer": "7", "verifier_metadata": {"a": 1}, "_ng_task_index": 3},
}
POLICY_ROUTES = {
    "chat.json": ("/v1/chat/completions", CHAT_BODY),
    "completions.json": ("/v1/completions", COMPLETION_BODY),
    "tokenize.json": ("/tokenize", {"messages": [{"role": "user", "content": "1?"}], "add_special_tokens": True}),
    "detokenize.json": ("/detokenize", {"tokens": [2, 17, 40]}),
}
VERIFIER_ROUTES = {
    "gym.json": ("/verify", GYM_BODY),
    "slime.json": ("/reward", {"prompt": "Solve 2*x = 14 for x.", "response": "x = 7", "label": "7"}),
    "openrlhf.json": ("/reward", {"query": ["1 + 1?2"], "prompts": ["1 + 1?"], "labels": ["2"]}),
    "plain.json": (
        "/exact/verify",
        {"prompt": [{"role": "user", "content": "1?"}], "response": "1", "label": ["1", 1]},
    ),
}


@contextlib.contextmanager
def serving_readers() -> Iterator[list[Reader]]:
    """The readers of request bodies, while our own servers run."""
    from restem.harness.model.architecture import ASSETS
    from restem.harness.model.policy import load_policy
    from restem.harness.serving import server

    policy = server.application(load_policy(ASSETS / "tiny"), "tiny")
    with (
        verifier_reader() as of_verifiers,
        _serving(policy, "restem serve tiny", POLICY_ROUTES, quick=False) as of_policy,
    ):
        yield [of_policy, of_verifiers]


@contextlib.contextmanager
def verifier_reader() -> Iterator[Reader]:
    """The reader of the bodies that `restem serve --verifier` gets."""
    from restem.harness.serving.verifier_server import ServedVerifier, application
    from restem.verifiers.adapters.items import Columns

    app = application([ServedVerifier(name, {}, Columns(), None) for name in ("sympy", "exact")])
    with _serving(app, "restem serve --verifier", VERIFIER_ROUTES, quick=True) as reader:
        yield reader


@contextlib.contextmanager
def _serving(app: Any, name: str, routes: Mapping[str, tuple[str, Any]], *, quick: bool) -> Iterator[Reader]:
    """The reader of a server that runs in a thread; a 500, and an error in the server's log, is a fault."""
    from restem.harness.serving import http

    listener, running = http.bind(0), http.server(app)
    logged: list[str] = []
    handler = logging.Handler(logging.ERROR)
    handler.emit = lambda record: logged.append(record.getMessage())
    logging.getLogger("uvicorn.error").addHandler(handler)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]})
    thread.start()
    while not running.started:
        time.sleep(0.01)

    def read(path: Path) -> Result:
        def post() -> str:
            connection = HTTPConnection("127.0.0.1", listener.getsockname()[1], timeout=60)
            with contextlib.closing(connection):
                connection.request(
                    "POST", routes[path.name][0], path.read_bytes(), {"Content-Type": "application/json"}
                )
                reply = connection.getresponse()
                text = reply.read().decode()
            if reply.status >= 500 or logged:
                raise AssertionError(f"{reply.status} {text} {logged}")
            if reply.status >= 400:
                raise ConfigError(text)
            return json.dumps(json.loads(text))

        logged.clear()
        return called(post)

    seeds = {file: json.dumps(body).encode() for file, (_, body) in routes.items()}
    try:
        yield Reader(name=name, seeds=seeds, mutate=damage.json_mutated, read=read, is_quick=quick)
    finally:
        running.should_exit = True
        thread.join()
        logging.getLogger("uvicorn.error").removeHandler(handler)
