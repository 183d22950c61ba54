"""The judge's client against a real loopback server: what is asked, retried, stored and kept secret."""

from __future__ import annotations

import asyncio
import email.utils
import json
import logging
import math
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from restem.harness.store.store import Store
from restem.verifiers.chat.client import ChatClient
from restem.verifiers.chat.endpoint import ChatRequest, server_address
from restem.verifiers.chat.live import LiveTransport
from restem.verifiers.chat.rate_limit import Pace
from restem.verifiers.chat.reply import ChatReply, Rejected, retry_after
from restem.verifiers.verdict import JudgeUnavailable, UnknownVerifier
from tests import building
from tests.judge_server import RETRIED_FAULTS, JudgeServer

KEY = "sk-test-51f0aa77c2e94c3b8d1e"


@pytest.fixture
def server(running: JudgeServer, monkeypatch: pytest.MonkeyPatch) -> JudgeServer:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    running.reset(answer=lambda prompt: prompt)
    return running


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path, write=True) as opened:
        yield opened


def client(server: JudgeServer, **options: Any) -> ChatClient:
    return building.chat(
        **{"model": "m", "base_url": server.base_url, "backoff_seconds": 0.01, "timeout_seconds": 5.0} | options
    )


def pace(chat: ChatClient) -> Pace:
    assert isinstance(chat.transport, LiveTransport)
    return chat.transport.pace


def ask(*contents: str) -> list[ChatRequest]:
    return [ChatRequest(messages=[{"role": "user", "content": content}]) for content in contents]


def texts(replies: list[ChatReply | Rejected]) -> list[str]:
    return [reply.text if isinstance(reply, ChatReply) else reply.reason for reply in replies]


def numbered(count: int) -> list[str]:
    return [f"item {index}" for index in range(count)]


def stored_replies(store: Store) -> list[str]:
    return [row[0] for row in store.query("SELECT reply FROM judge_call ORDER BY reply")]


# what is asked


def test_replies_come_in_the_order_of_the_requests(server: JudgeServer) -> None:
    server.latency_seconds = 0.01
    assert texts(client(server).ask(ask(*numbered(50)))) == numbered(50)


def test_equal_requests_are_asked_once(server: JudgeServer) -> None:
    assert texts(client(server).ask(ask("a", "b", "a", "a"))) == ["a", "b", "a", "a"]
    assert server.requests == 2


def test_nothing_to_ask_asks_nothing(server: JudgeServer) -> None:
    assert client(server).ask([]) == []
    assert server.requests == 0


def test_a_request_holds_model_messages_and_parameters_alone(server: JudgeServer) -> None:
    client(server, temperature=0.5, max_tokens=3).ask(ask("a"))
    assert server.bodies == [{"model": "m", "messages": ask("a")[0].messages, "temperature": 0.5, "max_tokens": 3}]


def test_a_request_tells_nothing_of_this_machine(server: JudgeServer) -> None:
    client(server).ask(ask("a"))
    of_the_connection = {"host", "content-length", "content-type", "accept", "accept-encoding"}
    assert server.headers == of_the_connection | {"authorization", "user-agent"}


def test_no_more_requests_are_in_flight_than_allowed(server: JudgeServer) -> None:
    server.latency_seconds = 0.05
    client(server, concurrency=3).ask(ask(*numbered(9)))
    assert all(later - earlier > 0.04 for earlier, later in zip(server.arrivals, server.arrivals[3:], strict=False))


def test_a_running_event_loop_does_not_matter(server: JudgeServer) -> None:
    async def notebook_cell() -> list[str]:
        return texts(client(server).ask(ask("a")))

    assert asyncio.run(notebook_cell()) == ["a"]


def test_a_proxy_of_the_environment_does_not_stand_before_loopback(
    server: JudgeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert texts(client(server).ask(ask("a"))) == ["a"]


def test_progress_ends_at_all(server: JudgeServer) -> None:
    seen: list[tuple[int, int]] = []
    client(server).ask(ask(*numbered(100)), progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (100, 100)


# what is retried


@pytest.mark.parametrize("fault", RETRIED_FAULTS)
def test_a_passing_fault_changes_no_reply(server: JudgeServer, fault: str) -> None:
    server.script(fault, "ok", fault, fault)
    assert texts(client(server, concurrency=1).ask(ask("a", "b"))) == ["a", "b"]
    assert (server.requests, server.asked_again) == (5, 0)


@pytest.mark.parametrize(
    "body",
    [
        *('{"error": {"message": "upstream"}}', "[]", "null", '"1"', "", "NaN", "1" * 5000, '{"choices": 1}'),
        *('{"choices": [null]}', '{"choices": [{}]}', '{"choices": [{"message": "1"}]}'),
        '{"choices": [{"message": {"content": 1}}]}',
    ],
)
def test_a_body_without_a_usable_choice_is_asked_again(server: JudgeServer, body: str) -> None:
    server.faulty_body = body.encode()
    server.script("body")
    assert texts(client(server).ask(ask("a"))) == ["a"]


def bodies(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """JSON values around the shape of a reply: any key may hold anything."""
    keys = ["choices", "message", "content", "refusal", "finish_reason", "model", "usage", "prompt_tokens"]
    objects = st.dictionaries(st.sampled_from(keys), inner, max_size=4)
    replies = st.builds(
        lambda whole, choice, message: whole | {"choices": [choice | {"message": message}]}, *[objects] * 3
    )
    return replies | objects | st.lists(inner, max_size=2)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), bodies))
def test_whatever_a_server_sends_is_a_reply_or_an_unavailable_judge(server: JudgeServer, body: object) -> None:
    server.faulty_body = json.dumps(body).encode()
    server.script("body")
    try:
        replies = client(server, max_attempts=1).ask(ask("a"))
    except JudgeUnavailable:
        return
    assert isinstance(replies[0], ChatReply)


def test_attempts_are_bounded(server: JudgeServer) -> None:
    server.mix({"500": 1.0})
    with pytest.raises(JudgeUnavailable, match=r"gave up after 3 attempts.*500"):
        client(server, max_attempts=3).ask(ask("a"))
    assert server.requests == 3


def test_a_server_that_is_not_there_is_an_unavailable_judge(server: JudgeServer) -> None:
    with pytest.raises(JudgeUnavailable, match="no connection"):
        client(server, base_url="http://127.0.0.1:9/v1", max_attempts=2).ask(ask("a"))


@pytest.mark.parametrize("fault", ["quota", "401", "403", "404", "402", "405"])
def test_a_refused_key_or_quota_stops_at_once(server: JudgeServer, fault: str) -> None:
    server.mix({fault: 1.0})
    with pytest.raises(JudgeUnavailable):
        client(server, concurrency=1).ask(ask("a", "b", "c"))
    assert server.requests == 1


@pytest.mark.parametrize("fault", ["400", "413", "422"])
def test_a_rejected_request_does_not_touch_the_others(server: JudgeServer, fault: str) -> None:
    server.script("ok", fault, "ok")
    replies = client(server, concurrency=1).ask(ask("a", "b", "c"))
    assert [type(reply) for reply in replies] == [ChatReply, Rejected, ChatReply]


def test_a_server_that_rejects_everything_is_an_unavailable_judge(server: JudgeServer) -> None:
    server.mix({"400": 1.0})
    with pytest.raises(JudgeUnavailable, match=r"rejected each of 32 requests: 400"):
        client(server, concurrency=1).ask(ask(*numbered(100)))


# what a model will not have set


@pytest.mark.parametrize(
    ("refused", "sent"),
    [
        ({"max_tokens"}, {"model": "m", "temperature": 0.0, "max_completion_tokens": 16 + 2048}),
        ({"temperature"}, {"model": "m", "max_tokens": 16}),
        ({"max_tokens", "temperature"}, {"model": "m", "max_completion_tokens": 16 + 2048}),
    ],
)
def test_a_refused_parameter_is_left_out_once_and_for_all(
    server: JudgeServer, store: Store, refused: set[str], sent: dict[str, Any]
) -> None:
    server.refuses = refused
    chat = client(server, calls=store, concurrency=1)
    assert texts(chat.ask(ask("a", "b", "c"))) == ["a", "b", "c"]
    assert server.requests == 3 + len(refused)
    assert [body for body in server.bodies if body["messages"] == ask("c")[0].messages] == [
        sent | {"messages": ask("c")[0].messages}
    ]
    assert [row["left_out"] for row in last_attempts(store)] == [sorted(refused)] * 3


def test_a_reply_is_found_again_whatever_the_model_refused(server: JudgeServer, store: Store) -> None:
    server.refuses = {"max_tokens"}
    client(server, calls=store).ask(ask("a"))
    server.refuses = set()
    assert texts(client(server, calls=store).ask(ask("a"))) == ["a"]
    assert server.requests == 2


def test_a_second_try_with_more_tokens_gets_more_room_for_reasoning(server: JudgeServer) -> None:
    server.refuses = {"max_tokens"}
    client(server).ask([ChatRequest(messages=ask("a")[0].messages, max_tokens=8 * 16)])
    assert server.bodies[-1]["max_completion_tokens"] == 8 * (16 + 2048)


def test_a_parameter_that_cannot_be_left_out_is_a_rejection(server: JudgeServer) -> None:
    server.refuses = {"messages"}
    assert isinstance(client(server).ask(ask("a"))[0], Rejected)


def last_attempts(store: Store) -> list[dict[str, Any]]:
    return [json.loads(row[0])[-1] for row in store.query("SELECT attempts FROM judge_call")]


# how many are in flight


def most_in_flight(server: JudgeServer, since: int) -> int:
    """Requests within one latency of another, from the `since`th on."""
    arrivals = server.arrivals[since:]
    return max(sum(0 <= later - arrival < 0.8 * server.latency_seconds for later in arrivals) for arrival in arrivals)


def test_a_server_that_refuses_many_is_sent_fewer_at_once(server: JudgeServer) -> None:
    server.latency_seconds = 0.05
    server.script(*["ms:1"] * 30)
    chat = client(server, concurrency=16)
    assert texts(chat.ask(ask(*numbered(100)))) == numbered(100)
    assert pace(chat).limit < 16
    assert most_in_flight(server, 60) <= pace(chat).limit


def test_a_stray_refusal_costs_no_speed(server: JudgeServer) -> None:
    server.script("ms:1", *["ok"] * 20, "ms:1")
    chat = client(server, concurrency=16)
    chat.ask(ask(*numbered(60)))
    assert pace(chat).limit == 16


@given(st.lists(st.sampled_from(["answered", "refused", "old"]), max_size=200), st.integers(1, 64))
def test_the_limit_stays_within_its_bounds_and_grows_by_one_alone(happened: list[str], most: int) -> None:
    gate = Pace(most)
    for what in happened:
        before = gate.limit
        if what == "answered":
            gate.answered()
        else:
            gate.refused(time.monotonic() if what == "refused" else -math.inf)
        assert 1 <= gate.limit <= most
        assert gate.limit in ({before, before + 1} if what == "answered" else {before, max(1, before // 2)})
    for _ in range(most * most):
        gate.answered()
    assert gate.limit == most


# how long is waited


@pytest.mark.parametrize("fault", ["seconds:0.4", "ms:400"])
def test_no_worker_sends_before_the_time_that_a_429_names(server: JudgeServer, fault: str) -> None:
    server.script(fault)
    server.latency_seconds = 0.02
    assert texts(client(server, concurrency=4).ask(ask(*numbered(40)))) == numbered(40)
    waits = [arrival - server.arrivals[0] for arrival in server.arrivals]
    assert not [wait for wait in waits if 0.2 < wait < 0.4]  # before 0.2 s come those that had already been sent


def test_a_429_may_name_a_date(server: JudgeServer) -> None:
    server.script("date:2")
    client(server, concurrency=1).ask(ask("a"))
    assert server.arrivals[1] - server.arrivals[0] > 0.9  # the date has whole seconds: 2 s from now is 1 s or more


def test_a_429_is_no_failed_attempt(server: JudgeServer) -> None:
    server.script(*["ms:1"] * 5)
    assert texts(client(server, max_attempts=1).ask(ask("a"))) == ["a"]


def test_a_wait_beyond_the_limit_stops_at_once(server: JudgeServer) -> None:
    server.script("seconds:200")
    started = time.monotonic()
    with pytest.raises(JudgeUnavailable, match="200 s of waiting"):
        client(server, max_wait_seconds=100.0).ask(ask("a"))
    assert time.monotonic() - started < 2


def test_a_429_without_end_is_an_unavailable_judge(server: JudgeServer) -> None:
    server.mix({"ms:1": 1.0})
    with pytest.raises(JudgeUnavailable, match="429"):
        client(server, max_wait_seconds=0.3).ask(ask("a"))


def test_the_deadline_holds_against_a_drip(server: JudgeServer) -> None:
    server.mix({"drip": 1.0})
    started = time.monotonic()
    with pytest.raises(JudgeUnavailable, match=r"no whole reply within 0.3 s"):
        client(server, timeout_seconds=0.3, max_attempts=2).ask(ask("a"))
    assert 0.6 <= time.monotonic() - started < 2.0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0.0),
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "-1"}, 0.0),
        ({"retry-after": "nan"}, 0.0),
        ({"retry-after": "inf"}, 0.0),
        ({"retry-after": "soon"}, 0.0),
        ({"retry-after": "Mon, 01 Jan 2001 00:00:00 GMT"}, 0.0),
        ({"retry-after": "Mon, 99 Jan 99999 00:00:00 GMT"}, 0.0),
    ],
)
def test_retry_after_is_read(headers: dict[str, str], seconds: float) -> None:
    assert retry_after(headers) == seconds


def test_retry_after_reads_a_date() -> None:
    assert 8 < retry_after({"retry-after": email.utils.formatdate(time.time() + 10, usegmt=True)}) <= 10


# what is stored


def test_a_stored_call_is_not_asked_again(server: JudgeServer, store: Store) -> None:
    first = client(server, calls=store).ask(ask("a", "b"))
    second = client(server, calls=store).ask(ask("b", "a"))
    assert (texts(second), server.requests) == (texts(first)[::-1], 2)


def test_a_stored_reply_reads_back_as_it_was(server: JudgeServer, store: Store) -> None:
    server.script("ok", "null", "refusal", "refusal_as_reason", "length", "content_filter")
    chat = client(server, calls=store, concurrency=1)
    fresh, stored = chat.ask(ask(*numbered(6))), chat.ask(ask(*numbered(6)))
    assert [vars(reply) | {"attempts": []} for reply in fresh] == [vars(reply) for reply in stored]
    assert server.requests == 6


def test_what_changes_the_question_is_asked_anew(server: JudgeServer, store: Store) -> None:
    for options in ({}, {"model": "n"}, {"temperature": 1.0}, {"max_tokens": 2}):
        client(server, calls=store, **options).ask(ask("a"))
    assert server.requests == 4


class EverythingStored:
    """A call store that has a reply to every request, and notes which were looked up."""

    def __init__(self) -> None:
        self.looked_up: list[str] = []

    def stored_calls(self, request_sha256s: Iterable[str]) -> dict[str, dict[str, Any]]:
        asked = [*request_sha256s]
        self.looked_up += asked
        numbers = dict.fromkeys(("prompt_tokens", "completion_tokens", "seconds"), 0)
        reply = {"reply": "1", "finish_reason": "stop", "model": "m", "logprob_1": None, "logprob_0": None, **numbers}
        return dict.fromkeys(asked, reply)

    def store_calls(
        self, calls: Sequence[Mapping[str, Any]], *, unanswered: tuple[str, Mapping[str, int]] | None = None
    ) -> None:
        raise AssertionError("everything was stored")

    def spent(self, verifier: str) -> list[tuple[str, int, int, int]]:
        return []

    def unanswered(self, verifier: str) -> dict[str, int]:
        return {}

    def log(self, kind: str, **detail: Any) -> None:
        raise AssertionError("nothing happens")

    def logged(self, kind: str) -> list[dict[str, Any]]:
        return []


@pytest.mark.parametrize(
    ("addresses", "different"),
    [
        (("https://a.invalid/v1", "https://b.invalid/v1"), 2),
        (("http://127.0.0.1:80/v1", "http://localhost:81/v1", "http://[::1]:82"), 1),
        (("http://127.0.0.1:80/v1", "https://a.invalid/v1"), 2),
    ],
)
def test_the_same_model_name_elsewhere_is_another_question(
    server: JudgeServer, addresses: tuple[str, ...], different: int
) -> None:
    calls = EverythingStored()
    for address in addresses:
        client(server, calls=calls, base_url=address).ask(ask("a"))
    assert len(set(calls.looked_up)) == different


def test_what_was_answered_before_a_refusal_stays_stored(server: JudgeServer, store: Store) -> None:
    server.script("ok", "ok", "ok", "401")
    with pytest.raises(JudgeUnavailable):
        client(server, calls=store, concurrency=1).ask(ask(*numbered(9)))
    assert stored_replies(store) == numbered(3)


def test_nothing_is_stored_for_a_request_without_a_reply(server: JudgeServer, store: Store) -> None:
    server.script("ok", "400", "ok", *["500"] * 3)
    with pytest.raises(JudgeUnavailable):
        client(server, calls=store, concurrency=1, max_attempts=3).ask(ask(*numbered(4)))
    assert stored_replies(store) == ["item 0", "item 2"]


def test_replies_are_stored_while_others_are_awaited(server: JudgeServer, store: Store) -> None:
    server.latency_seconds = 0.1
    counts: list[int] = []

    def progress(done: int, total: int) -> None:
        counts.append(len(stored_replies(store)))
        assert counts[-1] == done <= total

    client(server, calls=store, concurrency=2).ask(ask(*numbered(12)), progress=progress)
    assert len(counts) >= 3


def test_every_attempt_is_stored_with_its_result(server: JudgeServer, store: Store) -> None:
    server.script("503", "reset", "html")
    client(server, calls=store).ask(ask("a"))
    attempts = json.loads(store.query("SELECT attempts FROM judge_call")[0][0])
    results = [attempt["result"].split(" (")[0] for attempt in attempts]
    assert results == ["503 'scripted 503 '", "connection lost", "unreadable body", "reply"]


def test_an_interrupt_keeps_what_was_answered(server: JudgeServer, store: Store) -> None:
    server.latency_seconds = 0.02
    chat = client(server, calls=store, concurrency=4)

    def interrupt(done: int, total: int) -> None:
        time.sleep(0.2)  # forty more replies arrive meanwhile
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        chat.ask(ask(*numbered(300)), progress=interrupt)
    assert 0 < server.requests < 300
    chat.ask(ask(*numbered(300)))
    assert server.asked_again <= 4  # those in flight when the interrupt came


KILLED = """
import sys
from pathlib import Path
from restem.harness.store.store import Store
from restem.verifiers.chat.endpoint import ChatRequest
from tests import building
with Store(Path(sys.argv[1]), write=True) as store:
    chat = building.chat(model="m", base_url=sys.argv[2], calls=store, concurrency=4)
    chat.ask([ChatRequest(messages=[{"role": "user", "content": f"item {i}"}]) for i in range(4000)])
"""


def test_a_killed_process_loses_the_replies_in_flight_alone_and_counts_them(
    server: JudgeServer, tmp_path: Path
) -> None:
    server.latency_seconds = 0.04
    command = [sys.executable, "-c", KILLED, str(tmp_path), server.base_url]
    with subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}) as process:
        while server.requests < 100:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    with Store(tmp_path, write=True) as store:
        stored, unanswered = len(stored_replies(store)), store.unanswered("")["calls"]
        assert server.billed - 4 <= stored <= server.billed <= stored + unanswered <= stored + 4


def test_a_reply_that_no_file_can_hold_is_escaped(server: JudgeServer, store: Store) -> None:
    server.faulty_body = b'{"choices": [{"message": {"content": "\\ud800\\u0000"}}], "usage": {"prompt_tokens": 1e99}}'
    server.script("body")
    reply = client(server, calls=store).ask(ask("a"))[0]
    assert isinstance(reply, ChatReply)
    assert reply.text == "\\ud800\x00"
    assert texts(client(server, calls=store).ask(ask("a"))) == [reply.text]


# what is kept secret


def test_the_key_is_sent(server: JudgeServer) -> None:
    client(server).ask(ask("a"))
    assert server.authorization == f"Bearer {KEY}"


def test_the_key_is_read_from_the_named_variable(server: JudgeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTHER_KEY", "sk-other-0123456789")
    client(server, api_key_env="OTHER_KEY").ask(ask("a"))
    assert server.authorization == "Bearer sk-other-0123456789"


def test_an_echoed_key_is_in_no_exception_and_no_log(server: JudgeServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server.script("401")
    with pytest.raises(JudgeUnavailable) as caught:
        client(server).ask(ask("a"))
    assert "Incorrect API key provided: [key]" in str(caught.value)
    assert KEY not in "".join(traceback.format_exception(caught.value)) + caplog.text


def test_no_exception_that_holds_the_key_hangs_behind_ours(server: JudgeServer) -> None:
    server.script("401")
    with pytest.raises(JudgeUnavailable) as caught:
        client(server).ask(ask("a"))
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


def test_a_key_cut_in_half_by_a_length_limit_is_still_redacted(server: JudgeServer) -> None:
    chat = client(server)
    assert (
        chat.endpoint.redacted(f"{KEY} sk-proj-abcdefgh**** task-12345678 skating")
        == "[key] [key] task-12345678 skating"
    )


def test_a_key_that_is_echoed_everywhere_is_kept_nowhere(
    server: JudgeServer, store: Store, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    server.echoes = True
    server.script("400")
    chat = client(server, calls=store, concurrency=1)
    rejected = repr(chat.ask(ask("rejected")))
    server.script("ok", "500", "429", "400", "ok", "503", "html", "reset", "ok", "400", "ok", "401")
    with pytest.raises(JudgeUnavailable) as caught:
        chat.ask(ask(*numbered(8)))
    assert len(stored_replies(store)) == 4
    rows = [repr(store.query(f"SELECT * FROM {table}")) for table in ("judge_call", "event", "run")]
    raised = "".join(traceback.format_exception(caught.value))
    assert "[key]" in rejected
    assert KEY not in "".join(rows) + rejected + raised + caplog.text + "".join(capfd.readouterr())


def test_an_echoed_key_is_in_no_stored_row(server: JudgeServer, store: Store) -> None:
    server.script("500", "ok")
    server.answer = lambda prompt: server.authorization
    client(server, calls=store).ask(ask(f"my key is {KEY}"))
    assert KEY not in repr(store.query("SELECT * FROM judge_call"))
    assert stored_replies(store) == ["Bearer [key]"]


@pytest.mark.parametrize("key", ["1", "none", "EMPTY"])
def test_a_key_that_is_no_secret_hides_no_reply(server: JudgeServer, monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    assert texts(client(server).ask(ask(key))) == [key]


def test_the_key_follows_no_redirect(server: JudgeServer) -> None:
    server.script(f"redirect:{server.base_url}/elsewhere")
    with pytest.raises(JudgeUnavailable, match="307"):
        client(server).ask(ask("a"))


def test_the_key_is_in_no_repr(server: JudgeServer) -> None:
    chat = client(server)
    assert KEY not in repr(chat) + repr(chat.ask(ask("a")))


def test_a_key_with_a_line_break_is_refused_without_showing_it(
    server: JudgeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", f"{KEY}\nx")
    with pytest.raises(JudgeUnavailable) as caught:
        client(server)
    assert KEY not in str(caught.value)


# what is asked wrongly


def test_a_missing_key_is_named_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    with pytest.raises(JudgeUnavailable, match="OPENAI_API_KEY"):
        building.chat(model="m")


def test_a_named_server_may_do_without_a_key(server: JudgeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    assert texts(client(server).ask(ask("none"))) == ["none"]


@pytest.mark.parametrize("address", ["127.0.0.1:80", "ftp://host/v1", "http://", "http://[::1", "http://host:port/"])
def test_what_is_no_web_address_is_asked_wrongly(address: str) -> None:
    with pytest.raises(UnknownVerifier, match="base_url"):
        server_address(address)


def test_the_address_may_come_from_the_environment(server: JudgeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
    assert texts(client(server, base_url=None).ask(ask("a"))) == ["a"]


@pytest.mark.parametrize(
    "address",
    [
        *("https://user:secret@host/v1", "https://host/v1?key=secret", "https://host/v1#secret", "secret"),
        *("ftp://secret@host", "host/v1?secret", "https://host:secret/v1"),
    ],
)
def test_an_address_that_may_hold_a_secret_is_refused_without_showing_it(address: str) -> None:
    with pytest.raises(UnknownVerifier, match="base_url") as caught:
        server_address(address)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "option",
    [
        *({"api_key_env": "sk-real0123456789"}, {"api_key_env": "gsk_real0123456789"}, {"api_key_env": "0123real"}),
        *({"model": "sk-real0123456789"}, {"base_url": "http://127.0.0.1:9/sk-real0123456789/v1"}),
    ],
)
def test_a_key_in_the_place_of_its_name_is_refused_and_not_shown(server: JudgeServer, option: dict[str, Any]) -> None:
    with pytest.raises(UnknownVerifier, match=next(iter(option))) as caught:
        client(server, **option)
    assert "real" not in str(caught.value)


def test_a_variable_in_small_letters_will_do_where_it_is_set(
    server: JudgeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("my_key", "sk-test-0123456789")
    assert texts(client(server, api_key_env="my_key").ask(ask("a"))) == ["a"]


@pytest.mark.parametrize(
    "option",
    [
        *({"concurrency": 0}, {"concurrency": 2.5}, {"max_attempts": 0}, {"timeout_seconds": 0}, {"max_tokens": True}),
        *({"temperature": -1}, {"temperature": float("nan")}, {"timeout_seconds": "60"}),
    ],
)
def test_an_option_that_cannot_be_meant_is_named(server: JudgeServer, option: dict[str, Any]) -> None:
    with pytest.raises(UnknownVerifier, match=next(iter(option))):
        building.judge(base_url=server.base_url, **option)
