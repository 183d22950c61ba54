"""The OpenAI routes: right answers to right requests, refusals for everything else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from restem.harness.model.policy import Policy, params_hash
from restem.harness.serving.device import compiled_prefix
from restem.harness.serving.server import application

CHAT = {"messages": [{"role": "user", "content": "Solve 3*x - 2 = 4 for x."}], "temperature": 0, "max_tokens": 40}
URL = "/v1/chat/completions"


@pytest.fixture(scope="module")
def client(tiny: Policy) -> Iterator[TestClient]:
    with TestClient(application(tiny, "tiny"), base_url="http://localhost") as client:
        yield client


def test_a_chat_gets_the_policys_greedy_answer(client: TestClient) -> None:
    reply = client.post(URL, json=CHAT).json()
    assert reply["choices"][0]["message"]["content"].startswith("3*x = 4 - 2\n")
    assert reply["choices"][0]["finish_reason"] == "stop"
    assert reply["usage"]["total_tokens"] == reply["usage"]["prompt_tokens"] + reply["usage"]["completion_tokens"]


def test_the_models_name_carries_the_hash_of_its_weights(client: TestClient, tiny: Policy) -> None:
    name = f"tiny@{params_hash(tiny.params)[:8]}"
    assert client.get("/v1/models").json()["data"][0]["id"] == name
    assert client.post(URL, json=CHAT | {"model": "tiny"}).json()["model"] == name


def test_a_limit_ends_with_finish_reason_length(client: TestClient) -> None:
    reply = client.post(URL, json=CHAT | {"max_tokens": 3}).json()
    assert (reply["choices"][0]["finish_reason"], reply["usage"]["completion_tokens"]) == ("length", 3)


def test_equal_seeded_requests_draw_further_samples(tiny: Policy) -> None:
    body = CHAT | {"temperature": 1.8, "seed": 5, "n": 4}

    def two() -> list[list[str]]:
        with TestClient(application(tiny, "tiny"), base_url="http://localhost") as fresh:
            return [[c["message"]["content"] for c in fresh.post(URL, json=body).json()["choices"]] for _ in range(2)]

    first, again = two(), two()
    assert first == again
    assert first[0] != first[1]


def test_token_ids_are_taken_as_they_are(client: TestClient, tiny: Policy) -> None:
    ids = tiny.tokenizer.encode_prompt("Solve 3*x - 2 = 4 for x.")
    body = {"prompt": [ids, ids], "temperature": 0, "max_tokens": 40}
    choices = client.post("/v1/completions", json=body).json()["choices"]
    assert [choice["index"] for choice in choices] == [0, 1]
    assert choices[0]["text"] == client.post(URL, json=CHAT).json()["choices"][0]["message"]["content"]


def test_prompts_with_a_shared_prefix_are_answered_as_each_alone(client: TestClient, tiny: Policy) -> None:
    instructions = tiny.tokenizer.encode("Solve 3*x - 2 = 4 for x.\n" * 12)
    assert len(instructions) > 128
    questions = [f"Solve {a}*x - 2 = 4 for x." for a in (2, 3, 6)]
    prompts = [[*instructions, *tiny.tokenizer.encode_prompt(question)] for question in questions]
    assert [compiled_prefix(some) for some in (prompts, prompts[:1], [prompts[0], prompts[1][1:]])] == [128, 0, 0]

    def texts(prompts: list[list[int]], **more: int) -> list[str]:
        body = {"prompt": prompts, "temperature": 0, "max_tokens": 20, **more}
        return [choice["text"] for choice in client.post("/v1/completions", json=body).json()["choices"]]

    assert texts(prompts) == [text for prompt in prompts for text in texts([prompt])]
    assert texts(prompts, n=2) == [text for text in texts(prompts) for _ in range(2)]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"stop": [""]}, 400),
        ({"presence_penalty": 1}, 400),
        ({"temperature": 3}, 400),
        ({"temperature": True}, 400),
        ({"max_tokens": 0}, 400),
        ({"n": 10**6}, 400),
        ({"messages": []}, 400),
        ({"n": 65}, 400),
        ({"messages": [{"role": "tool", "content": "x"}]}, 400),
        ({"messages": [{"role": "user", "content": "x" * 5000}]}, 400),
        ({"model": "gpt-4"}, 404),
    ],
)
def test_what_is_not_supported_is_refused_in_openais_form(
    client: TestClient, change: dict[str, object], status: int
) -> None:
    reply = client.post(URL, json=CHAT | change)
    assert reply.status_code == status
    assert set(reply.json()["error"]) == {"message", "type", "param", "code"}


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"{}", {"content-type": "text/plain"}, 415),
        (b"{", {"content-type": "application/json"}, 400),
        (b"[" * 100_000, {"content-type": "application/json"}, 400),
        (b"[]", {"content-type": "application/json"}, 400),
        (b"{}", {"content-type": "application/json", "host": "evil.example"}, 400),
        (b'{"messages": [{"role": "user", "content": "\\ud800"}]}', {"content-type": "application/json"}, 400),
        (b" " * 1_100_000, {"content-type": "application/json"}, 413),
    ],
)
def test_a_bad_body_or_host_is_refused_and_the_next_request_served(
    client: TestClient, content: bytes, headers: dict[str, str], status: int
) -> None:
    assert client.post(URL, content=content, headers=headers).status_code == status
    assert client.get("/health").json() == {"status": "ok"}
