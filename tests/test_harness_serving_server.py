"""The OpenAI routes over real HTTP, with the openai client: what is asked for comes, everything else is refused."""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jinja2
import openai
import pytest
import requests
from hypothesis import given, settings
from hypothesis import strategies as st

from restem.harness.model.policy import Policy, params_hash
from restem.harness.serving import http, slots
from restem.harness.serving.device import compiled_prefix
from restem.harness.serving.parameters import NEUTRAL, NO_EFFECT
from restem.harness.serving.server import application
from tests.strategies import hostile_texts

QUESTION = "Solve 3*x - 2 = 4 for x."
CHAT: dict[str, Any] = {"messages": [{"role": "user", "content": QUESTION}], "temperature": 0, "max_tokens": 40}
ROUTE = "/v1/chat/completions"
EMPTY = {"role": "assistant", "content": None}


class Server:
    """A server in a thread of this process, and its clients."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.client = openai.OpenAI(base_url=f"{self.url}/v1", api_key="none", max_retries=0)

    def post(self, body: Any, route: str = ROUTE) -> requests.Response:
        return requests.post(self.url + route, json=body, timeout=120)

    def chat(self, **change: Any) -> dict[str, Any]:
        reply = self.post(CHAT | change)
        assert reply.status_code == 200, reply.text
        return reply.json()

    def text(self, **change: Any) -> str:
        return self.chat(**change)["choices"][0]["message"]["content"]

    def complete(self, **body: Any) -> dict[str, Any]:
        reply = self.post({"temperature": 0} | body, "/v1/completions")
        assert reply.status_code == 200, reply.text
        return reply.json()

    def raw(self, content: bytes) -> bytes:
        """What comes for these bytes until the server closes the connection."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as connection:
            connection.sendall(content)
            reply = b""
            while part := connection.recv(65536):
                reply += part
        return reply


@pytest.fixture(scope="module")
def server(tiny: Policy) -> Iterator[Server]:
    listener, running = http.bind(0), http.server(application(tiny, "tiny"))
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]})
    thread.start()
    while not running.started:
        time.sleep(0.01)
    yield Server(listener.getsockname()[1])
    running.should_exit = True
    thread.join()


def test_a_chat_gets_the_policys_greedy_answer(server: Server) -> None:
    reply = server.chat()
    assert reply["choices"][0]["message"]["content"].startswith("3*x = 4 - 2\n")
    assert reply["choices"][0]["finish_reason"] == "stop"
    assert reply["usage"]["total_tokens"] == reply["usage"]["prompt_tokens"] + reply["usage"]["completion_tokens"]


def test_the_models_name_carries_the_hash_of_its_weights(server: Server, tiny: Policy) -> None:
    name = f"tiny@{params_hash(tiny.params)[:8]}"
    card = server.client.models.list().data[0]
    assert (card.id, type(card.created)) == (name, int)
    assert server.client.models.retrieve(name) == card == server.client.models.retrieve("tiny")
    assert server.chat(model="tiny")["model"] == name


def test_a_limit_ends_with_finish_reason_length(server: Server) -> None:
    reply = server.chat(max_tokens=3)
    assert (reply["choices"][0]["finish_reason"], reply["usage"]["completion_tokens"]) == ("length", 3)


@pytest.mark.parametrize("limit", [None, 100_000])
def test_without_a_limit_in_the_context_an_answer_may_fill_it(server: Server, tiny: Policy, limit: int | None) -> None:
    context = tiny.architecture.context_length
    reply = server.complete(prompt=[7] * (context - 3), max_tokens=limit, n=32, temperature=2, seed=1, logprobs=0)
    lengths = {len(c["logprobs"]["tokens"]) for c in reply["choices"] if c["finish_reason"] == "length"}
    assert lengths == {3}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[(name, value) for name, values in NEUTRAL.items() for value in values],
        *[(name, None) for name in NEUTRAL],
        *[(name, "anything") for name in sorted(NO_EFFECT)],
        *[("stop", []), ("top_k", 0), ("top_k", -1), ("best_of", 1), ("logprobs", False), ("stream", False)],
    ],
)
def test_a_neutral_value_gives_the_same_answer(server: Server, name: str, value: Any) -> None:
    assert server.text(**{name: value}) == server.text()


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "user", "content": [{"type": "text", "text": QUESTION[:9]}, {"type": "text", "text": QUESTION[9:]}]}],
        [{"role": "user", "content": QUESTION, "name": "me"}],
    ],
)
def test_parts_of_a_text_are_the_text(server: Server, messages: list[Any]) -> None:
    assert server.text(messages=messages) == server.text()


def test_a_developer_speaks_as_a_system_and_an_empty_turn_may_be_null(server: Server) -> None:
    def with_role(role: str, content: str | None) -> list[dict[str, Any]]:
        return [
            {"role": role, "content": "Be brief."},
            *CHAT["messages"],
            EMPTY | {"content": content},
            *CHAT["messages"],
        ]

    assert server.text(messages=with_role("developer", None)) == server.text(messages=with_role("system", ""))


@pytest.mark.parametrize(
    ("change", "status", "param", "code"),
    [
        ({"presence_penalty": 1}, 400, "presence_penalty", "unsupported_value"),
        ({"logit_bias": {"5": 1}}, 400, "logit_bias", "unsupported_value"),
        ({"tools": [{"type": "function"}]}, 400, "tools", "unsupported_value"),
        ({"response_format": {"type": "json_object"}}, 400, "response_format", "unsupported_value"),
        ({"best_of": 4}, 400, "best_of", "unsupported_value"),
        ({"frequency_penalty": False}, 400, "frequency_penalty", "unsupported_value"),
        ({"nonsense": 1}, 400, "nonsense", "unsupported_parameter"),
        ({"stream_options": {"nonsense": 1}}, 400, "stream_options.nonsense", "unsupported_parameter"),
        ({"stop": [""]}, 400, "stop", "invalid_value"),
        ({"stop": 3}, 400, "stop", "invalid_value"),
        ({"top_logprobs": 2}, 400, "top_logprobs", "invalid_value"),
        ({"logprobs": True, "top_logprobs": 21}, 400, "top_logprobs", "invalid_value"),
        ({"temperature": 3}, 400, "temperature", "invalid_value"),
        ({"temperature": True}, 400, "temperature", "invalid_value"),
        ({"max_tokens": 0}, 400, "max_tokens", "invalid_value"),
        ({"n": 65}, 400, "n", "invalid_value"),
        ({"restem_sample": 1}, 400, "restem_sample", "invalid_value"),
        ({"restem_sample": 0, "seed": 1}, 400, "restem_sample", "invalid_value"),
        ({"messages": []}, 400, "messages", "invalid_value"),
        ({"messages": [{"role": "tool", "content": "x"}]}, 400, "messages", "invalid_value"),
        ({"messages": [{"role": "user", "content": None}]}, 400, "messages", "invalid_value"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, 400, "messages", "invalid_value"),
        ({"messages": [{"role": "user", "content": "x+" * 5000}]}, 400, "messages", "context_length_exceeded"),
        ({"continue_final_message": True}, 400, "continue_final_message", "invalid_value"),
        ({"add_generation_prompt": False}, 400, "add_generation_prompt", "unsupported_value"),
        ({"model": "gpt-4"}, 404, "model", "model_not_found"),
    ],
)
def test_what_would_change_the_answer_is_refused_in_openais_form(
    server: Server, change: dict[str, Any], status: int, param: str, code: str
) -> None:
    reply = server.post(CHAT | change)
    error = reply.json()["error"]
    assert (reply.status_code, error["param"], error["code"]) == (status, param, code)
    assert set(error) == {"message", "type", "param", "code"}


@pytest.mark.parametrize("prompt", [[True], [[5, False]], [0], [-1], [10**9], [], [5, "x"], None, {}, [[]]])
def test_what_is_no_prompt_is_refused(server: Server, prompt: Any) -> None:
    reply = server.post({"prompt": prompt}, "/v1/completions")
    assert (reply.status_code, reply.json()["error"]["param"]) == (400, "prompt")


@pytest.mark.parametrize(
    ("method", "path", "host", "status", "code"),
    [
        ("GET", "/nowhere", None, 404, "unknown_url"),
        ("GET", "/v1/models/", None, 404, "model_not_found"),
        ("GET", "/v1/models/gpt-4", None, 404, "model_not_found"),
        ("GET", ROUTE, None, 405, "method_not_allowed"),
        ("DELETE", "/health", None, 405, "method_not_allowed"),
        ("GET", "/health", "evil.example", 400, "invalid_host"),
        ("GET", "/health", "evil.example:8000", 400, "invalid_host"),
    ],
)
def test_mistakes_outside_a_body_are_answered_in_openais_form(
    server: Server, method: str, path: str, host: str | None, status: int, code: str
) -> None:
    reply = requests.request(method, server.url + path, headers={"host": host} if host else {}, timeout=60)
    assert (reply.status_code, reply.json()["error"]["code"]) == (status, code)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:1", "[::1]", "[::1]:8000"])
def test_this_machines_names_are_answered(server: Server, host: str) -> None:
    assert requests.get(f"{server.url}/health", headers={"host": host}, timeout=60).json() == {"status": "ok"}


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{}", "text/plain", 415),
        (b"{", "application/json", 400),
        (b"[" * 100_000, "application/json", 400),
        (b"[]", "application/json", 400),
        (b'{"messages": [{"role": "user", "content": "\\ud800"}]}', "application/json", 400),
        (b'{"temperature": NaN, "messages": [{"role": "user", "content": "x"}]}', "application/json", 400),
        (b" " * 1_100_000, "application/json", 413),
    ],
)
def test_a_bad_body_is_refused_and_the_next_request_served(
    server: Server, content: bytes, kind: str, status: int
) -> None:
    reply = requests.post(server.url + ROUTE, data=content, headers={"content-type": kind}, timeout=60)
    assert (reply.status_code, set(reply.json())) == (status, {"error"})
    assert requests.get(f"{server.url}/health", timeout=60).json() == {"status": "ok"}


def test_half_a_request_is_given_up(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "REQUEST_SECONDS", 0.3)
    head = b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    assert server.raw(b"") == server.raw(head) == b""
    reply = server.raw(head + b"Connection: close\r\nContent-Length: 100\r\n\r\n{")
    assert reply.startswith(b"HTTP/1.1 408 ")
    assert b"request_timeout" in reply


def test_clients_that_have_gone_leave_no_trace_and_no_work(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    body = json.dumps(CHAT | {"n": 64, "temperature": 2, "max_tokens": 400}).encode()
    head = f"POST {ROUTE} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n".encode()
    logging.getLogger("uvicorn.error").addHandler(caplog.handler)
    with caplog.at_level(logging.INFO):
        for length, stream in ((len(body), b""), (len(body) + 9, b""), (len(body) + 16, b', "stream": true')):
            sent = body[:-1] + stream + b"}"
            with socket.create_connection(("127.0.0.1", server.port)) as connection:
                connection.sendall(head + f"Content-Length: {length}\r\n\r\n".encode() + sent)
                time.sleep(0.3)
        assert server.text()
    logging.getLogger("uvicorn.error").removeHandler(caplog.handler)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


class TestSeeds:
    """The n-th request of the same body gives its n-th samples."""

    BODY: dict[str, Any] = {"temperature": 1.8, "seed": 5, "n": 4}  # noqa: RUF012

    @staticmethod
    def texts(server: Server, **body: Any) -> list[str]:
        return [choice["message"]["content"] for choice in server.chat(**body)["choices"]]

    def test_equal_seeded_requests_draw_further_samples(self, server: Server) -> None:
        first, second = self.texts(server, **self.BODY), self.texts(server, **self.BODY)
        assert first != second
        assert [first, second] == [self.texts(server, **self.BODY, restem_sample=k) for k in (1, 2)]

    def test_a_literal_sample_does_not_count(self, server: Server) -> None:
        body = self.BODY | {"seed": 6}
        later = [self.texts(server, **body, restem_sample=1) for _ in range(2)]
        assert later[0] == later[1] == self.texts(server, **body)

    def test_a_sample_does_not_depend_on_others_beside_it(self, server: Server) -> None:
        bodies = [
            {"temperature": 1.5, "top_p": 0.9, "seed": s, "restem_sample": 1, "max_tokens": 30} for s in range(24)
        ]
        alone = [self.texts(server, **body) for body in bodies]

        with ThreadPoolExecutor(len(bodies)) as threads:
            assert [*threads.map(lambda body: self.texts(server, **body), bodies)] == alone


def test_a_small_top_k_or_top_p_leaves_the_likeliest_token(server: Server) -> None:
    for narrow in ({"top_k": 1}, {"top_p": 0.0}):
        assert server.text(temperature=2, **narrow) == server.text()


def test_token_ids_are_taken_as_they_are(server: Server, tiny: Policy) -> None:
    ids = tiny.tokenizer.encode_prompt(QUESTION)
    choices = server.complete(prompt=[ids, ids], max_tokens=40)["choices"]
    assert [choice["index"] for choice in choices] == [0, 1]
    assert [choice["text"] for choice in choices] == [server.text()] * 2


def test_prompts_with_a_shared_prefix_are_answered_as_each_alone(server: Server, tiny: Policy) -> None:
    instructions = tiny.tokenizer.encode("Solve 3*x - 2 = 4 for x.\n" * 12)
    assert len(instructions) > 128
    questions = [f"Solve {a}*x - 2 = 4 for x." for a in (2, 3, 6)]
    prompts = [[*instructions, *tiny.tokenizer.encode_prompt(question)] for question in questions]
    assert [compiled_prefix(some) for some in (prompts, prompts[:1], [prompts[0], prompts[1][1:]])] == [128, 0, 0]

    def texts(prompts: list[list[int]], **more: int) -> list[str]:
        return [choice["text"] for choice in server.complete(prompt=prompts, max_tokens=20, **more)["choices"]]

    alone = [text for prompt in prompts for text in texts([prompt])]
    assert texts(prompts) == alone
    assert texts(prompts, n=2) == [text for text in alone for _ in range(2)]


@settings(max_examples=25)
@given(st.data())
def test_a_stop_cuts_the_text_where_it_first_stands(server: Server, data: st.DataObject) -> None:
    whole = server.text()
    start = data.draw(st.integers(0, len(whole) - 1))
    stop = whole[start : start + data.draw(st.integers(1, 6))]
    choice = server.chat(stop=[stop, "nowhere"])["choices"][0]
    assert (choice["message"]["content"], choice["finish_reason"]) == (whole.partition(stop)[0], "stop")


def test_the_tokens_after_a_stop_are_not_counted(server: Server) -> None:
    reply = server.chat(stop=["\n"], logprobs=True)
    tokens = [entry["token"] for entry in reply["choices"][0]["logprobs"]["content"]]
    assert "".join(tokens[:-1]) == reply["choices"][0]["message"]["content"]
    assert reply["usage"]["completion_tokens"] == len(tokens)


@pytest.mark.parametrize("stop", [[], ["\n3"], ["= 2"]])
@pytest.mark.parametrize("n", [1, 3])
def test_the_parts_of_a_stream_are_the_whole_reply(server: Server, n: int, stop: list[str]) -> None:
    body: dict[str, Any] = CHAT | {"model": "tiny", "n": n, "stop": stop, "logprobs": True}
    whole = server.chat(**body)
    texts, reasons, tokens = [""] * n, [""] * n, [0] * n
    *parts, last = server.client.chat.completions.create(**body, stream=True, stream_options={"include_usage": True})
    for part in parts:
        choice = part.choices[0]
        texts[choice.index] += choice.delta.content or ""
        reasons[choice.index] += choice.finish_reason or ""
        tokens[choice.index] += len(choice.logprobs.content or []) if choice.logprobs else 0
    assert texts == [choice["message"]["content"] for choice in whole["choices"]]
    assert reasons == [choice["finish_reason"] for choice in whole["choices"]]
    assert tokens == [len(choice["logprobs"]["content"]) for choice in whole["choices"]]
    assert last.usage is not None
    assert last.usage.to_dict() == whole["usage"]


def test_a_stream_of_completions_is_the_whole_text(server: Server) -> None:
    body: dict[str, Any] = {"model": "tiny", "prompt": "Solve 3", "temperature": 0, "max_tokens": 30}
    parts = [*server.client.completions.create(**body, stream=True)]
    assert "".join(part.choices[0].text for part in parts) == server.complete(**body)["choices"][0]["text"]
    assert [part.choices[0].finish_reason for part in parts[:-1]] == [None] * (len(parts) - 1)


def test_an_echo_scores_a_prompt_as_drawing_it_did(server: Server, tiny: Policy) -> None:
    ids = tiny.tokenizer.encode_prompt(QUESTION)
    drawn = server.complete(prompt=ids, max_tokens=12, logprobs=3)["choices"][0]["logprobs"]
    pieces = {tiny.tokenizer.piece(id).replace("\u2581", " "): id for id in range(tiny.tokenizer.vocab_size)}
    whole = [*ids, *(pieces[token] for token in drawn["tokens"])]
    echoed = server.complete(prompt=whole, max_tokens=0, logprobs=3, echo=True)["choices"][0]
    scores = echoed["logprobs"]
    assert (scores["token_logprobs"][0], scores["top_logprobs"][0]) == (None, None)
    assert scores["tokens"][len(ids) :] == drawn["tokens"]
    assert scores["token_logprobs"][len(ids) :] == pytest.approx(drawn["token_logprobs"], abs=1e-3)
    for logprob, top in zip(drawn["token_logprobs"], drawn["top_logprobs"], strict=True):
        assert logprob == max(top.values())  # the draw was greedy
        assert len(top) == 3


def test_an_echo_begins_with_the_prompt_and_its_tokens_are_the_text(server: Server) -> None:
    for prompt in ("Solve 3*x", "Answer: " * 40):
        choice = server.complete(prompt=prompt, max_tokens=4, logprobs=1, echo=True)["choices"][0]
        assert choice["text"].startswith(prompt)
        assert "".join(choice["logprobs"]["tokens"]).startswith(prompt)
        offsets = choice["logprobs"]["text_offset"]
        assert [choice["text"][at] for at in offsets[:5]] == [token[0] for token in choice["logprobs"]["tokens"][:5]]


def test_a_last_message_of_the_assistant_can_be_continued(server: Server) -> None:
    whole = server.text()
    messages = [*CHAT["messages"], {"role": "assistant", "content": whole[:6]}]
    assert whole[:6] + server.text(messages=messages, continue_final_message=True) == whole
    assert server.text(messages=messages) != whole[6:]  # a turn of its own


@given(hostile_texts)
@settings(max_examples=30)
def test_ids_give_the_text_that_gave_them(server: Server, text: str) -> None:
    ids = server.post({"prompt": text, "add_special_tokens": False}, "/tokenize").json()["tokens"]
    assert server.post({"tokens": ids}, "/detokenize").json()["prompt"] == text


def test_what_a_client_renders_with_the_template_has_the_ids_of_the_chat(server: Server) -> None:
    info = requests.get(f"{server.url}/tokenizer_info", timeout=60).json()
    messages = [{"role": "system", "content": "Be brief."}, *CHAT["messages"]]
    template = jinja2.Environment().from_string(info["chat_template"])
    text = template.render(messages=messages, bos_token=info["bos_token"], add_generation_prompt=True)
    rendered = server.post({"prompt": text, "add_special_tokens": False}, "/tokenize").json()
    assert rendered == server.post({"messages": messages}, "/tokenize").json()
    eos = server.post({"prompt": info["eos_token"], "add_special_tokens": False}, "/tokenize").json()
    assert eos["count"] == 1


def test_a_small_request_does_not_wait_for_large_ones(server: Server) -> None:
    """The large ones fill all slots many times over."""
    with ThreadPoolExecutor(6) as threads:
        large = [threads.submit(server.text, n=64, temperature=2, max_tokens=150, seed=seed) for seed in range(6)]
        time.sleep(0.5)
        server.text(max_tokens=4)
        assert sum(request.done() for request in large) <= 1


def test_no_limit_stop_or_temperature_is_compiled_for(server: Server) -> None:
    server.text(temperature=0.7, max_tokens=20)
    compiled = slots.advance._cache_size()
    for limit in (5, 17, 23):
        server.text(temperature=limit / 20, max_tokens=limit, top_p=0.8, top_k=limit, stop=[str(limit)])
    assert slots.advance._cache_size() == compiled
