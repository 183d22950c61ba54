"""`restem serve --verifier`: real requests to a real server, in the forms of NeMo Gym, slime and OpenRLHF."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from restem.verifiers.adapters.trainers import GYM_FAILURE
from tests.conftest import restem

QUESTION = "Solve 2*x = 14 for x."
RIGHT, WRONG, UNDECIDED = "So x = 7.", "So x = 8.", "x = 9**9**9**9**9"


def started(*options: str) -> tuple[subprocess.Popen[str], dict[str, Any]]:
    command = [sys.executable, "-m", "restem.harness.cli", "serve", "--port", "0", "--while-stdin-open", *options]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    return child, json.loads(child.stdout.readline())


def ended(child: subprocess.Popen[str]) -> None:
    child.terminate()
    child.wait(30)
    for stream in (child.stdin, child.stdout):
        if stream is not None:
            stream.close()


@pytest.fixture(scope="module")
def served() -> Iterator[dict[str, Any]]:
    child, line = started("--verifier", "sympy", "--verifier", "exact")
    yield line
    ended(child)


def request(served: dict[str, Any], method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, Any]:
    connection = http.client.HTTPConnection(served["base_url"].removeprefix("http://"), timeout=60)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json", **headers})
        reply = connection.getresponse()
        return reply.status, json.loads(reply.read())
    finally:
        connection.close()


def post(served: dict[str, Any], path: str, body: Any) -> tuple[int, Any]:
    return request(served, "POST", path, json.dumps(body).encode())


def gym_body(response: str) -> dict[str, Any]:
    part = {"type": "output_text", "text": response, "annotations": []}
    return {
        "responses_create_params": {"input": [{"role": "user", "content": QUESTION}]},
        "response": {"output": [{"type": "message", "role": "assistant", "content": [part]}]},
        "expected_answer": "7",
        "_ng_task_index": 3,
    }


def test_the_first_line_names_the_address_and_the_verifiers(served: dict[str, Any]) -> None:
    assert served["verifiers"] == ["sympy", "exact"]
    assert request(served, "GET", "/health")[1]["verifiers"].keys() == {"sympy", "exact"}


@pytest.mark.parametrize(("response", "reward"), [(RIGHT, 1.0), (WRONG, 0.0), (UNDECIDED, 0.0)])
def test_gym_gets_its_body_back_with_the_reward(served: dict[str, Any], response: str, reward: float) -> None:
    body = gym_body(response)
    for path in ("/verify", "/sympy/verify"):
        status, reply = post(served, path, body)
        assert status == 200
        assert reply["reward"] == reward
        assert {name: reply[name] for name in body} == body
        assert (GYM_FAILURE in reply) == (response == UNDECIDED)


def test_every_verifier_has_its_path(served: dict[str, Any]) -> None:
    # 14/2 is 7 by value and not as text.
    replies = [post(served, f"/{name}/verify", gym_body("x = 14/2"))[1] for name in ("sympy", "exact")]
    assert [reply["verifier"] for reply in replies] == ["sympy", "exact"]
    assert [reply["reward"] for reply in replies] == [1.0, 0.0]


@pytest.mark.parametrize(("response", "reward"), [(RIGHT, 1.0), (WRONG, 0.0), (UNDECIDED, 0.0)])
def test_slime_gets_a_number_or_an_object(served: dict[str, Any], response: str, reward: float) -> None:
    body = {"prompt": [{"role": "user", "content": QUESTION}], "response": response, "label": "7"}
    assert post(served, "/reward", body) == (200, reward)
    status, reply = post(served, "/verify", body)
    assert (status, reply["reward"]) == (200, reward)
    assert (reply["outcome"] == "undecided") == (response == UNDECIDED)


def test_openrlhf_gets_a_reward_a_query(served: dict[str, Any]) -> None:
    texts = [RIGHT, WRONG, UNDECIDED]
    body = {"query": [f"{QUESTION}{text}" for text in texts], "prompts": [QUESTION] * 3, "labels": ["7"] * 3}
    reply = post(served, "/reward", body)[1]
    assert reply == {
        "rewards": [1.0, 0.0, 0.0],
        "scores": [1.0, 0.0, 0.0],
        "extra_logs": {"undecided": [0.0, 0.0, 1.0]},
    }


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("/reward", {"prompt": "q", "response": "r"}, 400, "'label' is missing"),
        ("/reward", {"prompt": "q", "label": "7"}, 400, "response must be a text"),
        ("/reward", {"prompt": "q", "response": "r", "label": {"a": 1}}, 400, "a reference is a text, a number"),
        ("/reward", {"prompt": "q", "response": "r", "label": None}, 400, "needs a reference"),
        ("/reward", {"query": ["a", "b"], "prompts": ["a"], "labels": ["7"]}, 400, "equally long"),
        ("/reward", {"query": "a", "prompts": "a", "labels": "7"}, 400, "a list of texts"),
        ("/verify", {"responses_create_params": 3}, 400, "must be an object"),
        ("/verify", {"responses_create_params": {}, "response": {"output": [3]}}, 400, "a list `output`"),
        ("/verify", {"responses_create_params": {}, "response": {"output": []}}, 400, "needs a reference"),
        ("/verify", [], 400, "must be a JSON object"),
        ("/verify", {**gym_body("7"), "verifier_metadata": {"": float("nan")}}, 400, "NaN or an infinite number"),
        ("/none/verify", {}, 404, "no such route"),
    ],
)
def test_a_wrong_body_is_told_so_in_json(served: dict[str, Any], path: str, body: Any, status: int, words: str) -> None:
    found, reply = post(served, path, body)
    assert found == status
    assert words in reply["error"]["message"]
    assert request(served, "GET", "/health")[0] == 200


def test_a_body_over_the_limit_another_host_and_another_type_are_refused(served: dict[str, Any]) -> None:
    body = json.dumps({"prompt": "q", "response": "r" * 17_000_000, "label": "7"}).encode()
    try:
        status = request(served, "POST", "/reward", body)[0]
    except (BrokenPipeError, ConnectionResetError):  # the server answers before the client has sent everything
        status = 413
    assert status == 413
    assert request(served, "POST", "/reward", b"{}", Host="example.org")[0] == 400
    assert request(served, "POST", "/reward", b"{}", **{"Content-Type": "text/plain"})[0] == 415
    assert request(served, "GET", "/reward")[0] == 405


def test_many_clients_at_once_get_their_own_rewards(served: dict[str, Any]) -> None:
    def one(n: int) -> Any:
        return post(served, "/reward", {"prompt": QUESTION, "response": f"x = {n % 5}", "label": str(n % 3)})[1]

    began = time.monotonic()
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(one, range(64))) == [float(n % 5 == n % 3) for n in range(64)]
    assert time.monotonic() - began < 60


def test_undecided_can_raise_and_columns_can_be_named() -> None:
    child, line = started("--verifier", "sympy", "--undecided", "raise", "--reference", "info.key")
    try:
        body = gym_body(UNDECIDED) | {"info": {"key": "7"}}
        status, reply = post(line, "/verify", body)
        assert (status, reply["error"]["code"]) == (422, "undecided")
        assert post(line, "/verify", gym_body(RIGHT) | {"info": {"key": "8"}})[1]["reward"] == 0.0
        status, reply = post(line, "/verify", gym_body(RIGHT))
        assert status == 400
        assert "there is no such column" in reply["error"]["message"]
    finally:
        ended(child)


def test_a_reward_function_of_a_file_is_served_beside_ours(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "def f(prompts, completions, **columns):\n    return [float(len(text)) / 10 for text in completions]\n"
    )
    child, line = started("--verifier", "exact", "--verifier", f"trl:{file}:f")
    try:
        body = {"prompt": QUESTION, "response": RIGHT, "label": "7"}
        assert post(line, f"/trl:{file}:f/reward", body) == (200, 1.0)
        assert post(line, f"/trl:{file}:f/reward", body | {"response": "7"}) == (200, 0.0)
    finally:
        ended(child)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--verifier", "majority"], "compares the responses to a problem"),
        (["--verifier", "sympi"], "did you mean 'sympy'"),
        (["tiny", "--verifier", "sympy"], "give either a POLICY or --verifier NAME"),
        ([], "give either a POLICY or --verifier NAME"),
        (["--verifier", "unit_tests"], "--allow-code"),
        (["--verifier", "judge", "--set", "verifiers.judge.base_url=http://127.0.0.1:9"], "model is not set"),
    ],
)
def test_what_cannot_be_served_is_refused_before_listening(options: list[str], words: str) -> None:
    result = restem("serve", "--port", "0", *options)
    assert result.exit_code == 2
    assert words in result.output


def test_a_light_install_serves_verifiers(tmp_path: Path) -> None:
    code = (
        "import sys; from restem.harness.app import serve_verifiers; "
        "print([name for name in ('jax', 'gemma', 'flax') if name in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"
