"""What a judge's run counts is what its provider counts: after faults, without token counts, after every stop."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from restem.harness.store.store import Store
from restem.verifiers.chat import live
from restem.verifiers.chat.client import ChatClient
from restem.verifiers.chat.endpoint import ChatRequest
from restem.verifiers.chat.reply import ChatReply
from restem.verifiers.chat.sent import unanswered_calls, unanswered_in_batches
from restem.verifiers.verdict import JudgeUnavailable
from tests import building
from tests.batch_server import BatchServer
from tests.judge_server import JudgeServer


@pytest.fixture
def server(running: JudgeServer, monkeypatch: pytest.MonkeyPatch) -> JudgeServer:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-51f0aa77c2e94c3b8d1e")
    running.reset(answer=lambda prompt: prompt)
    return running


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path, write=True) as opened:
        yield opened


def chat(server: JudgeServer | BatchServer, store: Store, **options: Any) -> ChatClient:
    quick = {"backoff_seconds": 0.001, "timeout_seconds": 0.3, "concurrency": 4, "poll_seconds": 0.01}
    return building.chat(
        **{"model": "m", "base_url": server.base_url, "calls": store, "prices": {"m": [1e6, 1e6]}, **quick} | options
    )


def ask(count: int) -> list[ChatRequest]:
    return [ChatRequest(messages=[{"role": "user", "content": f"item {index}"}]) for index in range(count)]


def counted(store: Store) -> int:
    """Calls by the rows of the run."""
    open_ = unanswered_calls(store, "") + unanswered_in_batches(store, "")
    return sum(calls for _, calls, *_ in store.spent("")) + open_.calls


MIXES: dict[str, dict[str, float]] = {
    "sent and cut": {"reset": 0.2, "midbody": 0.1, "shortbody": 0.1},
    "unreadable": {"badjson": 0.2, "html": 0.1, "nochoices": 0.1},
    "status": {"500": 0.2, "503": 0.1, "ms:1": 0.1, "400": 0.1},
    "no whole body": {"hang": 0.1, "endless": 0.05},
    "stops": {"401": 0.1, "quota": 0.1},
}


@pytest.mark.parametrize("mix", MIXES.values(), ids=MIXES)
def test_the_runs_count_is_the_providers_and_within_the_budget(
    server: JudgeServer, store: Store, mix: Mapping[str, float]
) -> None:
    server.mix(mix)
    for _ in range(20):  # the same command again, until all is answered or the budget is used up
        try:
            chat(server, store, max_calls=30).ask(ask(26))
            break
        except JudgeUnavailable as error:
            if "budget" in str(error):
                break
    assert counted(store) == server.billed <= 30


@pytest.mark.parametrize("fault", ["nousage", "oddusage"])
def test_a_reply_without_token_counts_costs_the_most_it_can(
    server: JudgeServer, store: Store, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    server.mix({fault: 1.0})
    with pytest.raises(JudgeUnavailable, match="budget of max_cost_usd"):
        chat(server, store, max_cost_usd=1000.0, max_tokens=50).ask(ask(20))
    ((tokens, completion, attempts),) = store.query(
        "SELECT min(prompt_tokens), min(completion_tokens), min(attempts) FROM judge_call"
    )
    assert (tokens > 100, completion, '"tokens": "estimated"' in attempts) == (True, 50, True)
    assert len([record for record in caplog.records if "no token counts" in record.message]) == 1
    sent = server.requests
    with pytest.raises(JudgeUnavailable, match="budget"):
        chat(server, store, max_cost_usd=1000.0, max_tokens=50).ask(ask(20))
    assert (0 < sent < 20, server.requests) == (True, sent)


def test_a_server_that_is_not_there_costs_nothing(server: JudgeServer, store: Store) -> None:
    with pytest.raises(JudgeUnavailable, match="gave up after 3 attempts"):
        chat(server, store, base_url="http://127.0.0.1:9/v1", max_attempts=3).ask(ask(1))
    assert counted(store) == 0


@pytest.mark.parametrize("fault", ["401", "quota", "404"])
def test_a_stop_keeps_the_replies_in_flight(server: JudgeServer, store: Store, fault: str) -> None:
    server.script("ok", "ok", fault)
    server.latency_seconds = 0.05
    with pytest.raises(JudgeUnavailable):
        chat(server, store).ask(ask(40))
    assert (counted(store), server.requests) == (server.billed, len(server.answered) + 1)
    assert store.query("SELECT count(*) FROM judge_call") == [(len(server.answered),)]


def test_an_interrupt_keeps_the_replies_in_flight(server: JudgeServer, store: Store) -> None:
    server.latency_seconds = 0.05
    interrupts = [KeyboardInterrupt()]

    def interrupt(done: int, total: int) -> None:
        if interrupts:
            raise interrupts.pop()

    with pytest.raises(KeyboardInterrupt):
        chat(server, store).ask(ask(40), progress=interrupt)
    assert store.query("SELECT count(*) FROM judge_call") == [(len(server.answered),)]
    assert 4 <= counted(store) == server.billed < 40


def test_an_interrupt_while_the_network_starts_leaves_no_thread(server: JudgeServer, store: Store) -> None:
    """The pool does not know its thread yet and cannot join it; the thread must not wait for the store for ever."""

    def interrupt(frame: FrameType, event: str, _: object) -> Any:
        if frame.f_code is threading.Thread.start.__code__ and event == "return":
            raise KeyboardInterrupt
        return interrupt

    before = set(threading.enumerate())
    sys.settrace(interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            chat(server, store).ask(ask(4))
    finally:
        sys.settrace(None)
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
        assert not thread.is_alive()
    assert counted(store) == server.billed == 0


def test_a_stop_does_not_wait_longer_than_a_few_seconds(
    server: JudgeServer, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "DRAIN_SECONDS", 0.3)
    server.script("hang", "hang", "401")
    started = time.monotonic()
    with pytest.raises(JudgeUnavailable, match="401"):
        chat(server, store, timeout_seconds=30.0).ask(ask(3))
    assert 0.3 <= time.monotonic() - started < 3
    assert counted(store) == 2


def test_a_second_interrupt_ends_at_once(server: JudgeServer, store: Store) -> None:
    server.script("ok", "hang", "hang", "hang")
    started = time.monotonic()

    def interrupt(done: int, total: int) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            chat(server, store, timeout_seconds=30.0).ask(ask(4), progress=interrupt)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert time.monotonic() - started < 3
    assert counted(store) == 4


@pytest.mark.parametrize("fault", ["endless", "bomb"])
def test_a_body_that_is_too_long_is_a_fault(server: JudgeServer, store: Store, fault: str) -> None:
    server.script(fault)
    (reply,) = chat(server, store, timeout_seconds=5.0).ask(ask(1))
    assert isinstance(reply, ChatReply)
    assert "more than 4000000 bytes" in reply.attempts[0]["result"]


def test_a_key_over_plain_http_to_another_machine_is_told_once(
    server: JudgeServer, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    for host in ("judge.invalid", "judge.invalid", "127.0.0.1"):
        chat(server, store, base_url=f"http://{host}/v1")
    chat(server, store, base_url="https://judge.invalid/v1")
    told = [record.message for record in caplog.records]
    assert told == [
        "judge: the key in OPENAI_API_KEY goes to judge.invalid over plain http, readable on its way: use https"
    ]


@pytest.mark.parametrize(("lists", "sent"), [(True, 1), (False, 2)])
def test_a_batch_whose_id_was_lost_is_found_again_or_counted(
    monkeypatch: pytest.MonkeyPatch, store: Store, lists: bool, sent: int
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-51f0aa77c2e94c3b8d1e")
    with BatchServer() as server:
        server.answer = str
        server.lists = lists
        server.faults = [200, 200, 200, 0]  # list, upload, list, and then the batch exists but the answer is lost
        with pytest.raises(JudgeUnavailable):
            chat(server, store, batch=True, timeout_seconds=5.0, max_attempts=1).ask(ask(6))
        assert counted(store) == 6
        assert len(chat(server, store, batch=True, timeout_seconds=5.0).ask(ask(6))) == 6
        assert (len(server.uploads), counted(store)) == (sent, 6 * sent)


def test_batches_that_fit_the_budget_one_by_one_alone_are_not_sent_together(
    monkeypatch: pytest.MonkeyPatch, store: Store
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-51f0aa77c2e94c3b8d1e")
    monkeypatch.setattr("restem.verifiers.chat.batch_files.MAX_REQUESTS", 4)
    with BatchServer() as server:
        server.answer = str
        with pytest.raises(JudgeUnavailable, match="max_calls = 6"):
            chat(server, store, batch=True, max_calls=6).ask(ask(8))
        assert (len(server.uploads), counted(store)) == (1, 4)
