"""Judges that reason, that solve first, and that answer what cannot be read, against a real loopback server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from restem.benchmarks.problem import Problem
from restem.harness.store.store import Store
from restem.verifiers.judge.judge import Judge
from restem.verifiers.judge.readability import FEWEST, TRIAL
from restem.verifiers.options import JudgeOptions
from restem.verifiers.verdict import Attempt, JudgeUnavailable, Outcome, UnknownVerifier, checked
from tests import building
from tests.batch_server import BatchServer
from tests.judge_server import JudgeServer


@pytest.fixture
def server(running: JudgeServer, monkeypatch: pytest.MonkeyPatch) -> JudgeServer:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-51f0aa77c2e94c3b8d1e")
    running.reset()
    return running


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path, write=True) as opened:
        yield opened


def judge(server: JudgeServer | BatchServer, **options: Any) -> Judge:
    return building.judge(**{"name": "judge", "base_url": server.base_url, "backoff_seconds": 0.01} | options)


def attempt(response: str, question: str = "Solve 2*x = 14 for x.") -> Attempt:
    return Attempt(
        problem=Problem(id=question, question=question, reference="7", split="test", source="test"), response=response
    )


def solved_first(prompt: str) -> str:
    """The reply of a judge with two turns: its solution to the question, then a verdict by the last number."""
    if "Model Answer:" not in prompt:
        return "<think>6 or 7</think>2*7 = 14.\nMy answer: 7"
    numbers = re.findall(r"Model Answer: \D*(\d+)", prompt)
    return str(int(numbers == ["7"]))


# parameters of a request


@pytest.mark.parametrize(
    ("options", "tokens"),
    [
        ({}, 16),
        ({"prompt": "rubric"}, 512),
        ({"reasoning_effort": "low"}, 4_096),
        ({"reasoning_effort": "none"}, 16),
        ({"reasoning_effort": "high", "max_tokens": 100}, 100),
        ({"extra_body": {"chat_template_kwargs": {"enable_thinking": True}}}, 4_096),
        ({"extra_body": {"chat_template_kwargs": {"enable_thinking": False}}}, 16),
        ({"extra_body": {"thinking": {"type": "enabled"}}}, 4_096),
        ({"extra_body": {"thinking": {"type": "disabled"}}}, 16),
        ({"extra_body": {"reasoning": {"effort": "high"}}}, 4_096),
        ({"extra_body": {"top_k": 1}}, 16),
    ],
)
def test_a_judge_that_reasons_has_room_for_it(server: JudgeServer, options: dict[str, Any], tokens: int) -> None:
    assert judge(server, **options).endpoint.max_tokens == tokens


def test_further_parameters_are_sent_and_are_part_of_the_key(server: JudgeServer, store: Store) -> None:
    body = {"chat_template_kwargs": {"enable_thinking": False}, "top_k": 1}
    for options in ({}, {"extra_body": body}, {"reasoning_effort": "low", "max_tokens": 16}):
        judge(server, calls=store, **options).verify([attempt("x = 7")])
    plain, extended, reasoning = server.bodies
    assert extended == plain | body
    assert reasoning == plain | {"reasoning_effort": "low"}


def test_further_parameters_are_another_fingerprint_and_their_defaults_are_not(server: JudgeServer) -> None:
    plain = judge(server)
    assert judge(server, extra_body={}, reasoning_effort=None, max_unreadable=1.0).fingerprint == plain.fingerprint
    others = ({"extra_body": {"top_k": 1}}, {"extra_body": {"top_k": 2}}, {"reasoning_effort": "low", "max_tokens": 16})
    assert len({plain.fingerprint, *(judge(server, **options).fingerprint for options in others)}) == 4
    assert {"extra_body", "reasoning_effort"}.isdisjoint(plain.settings)


@pytest.mark.parametrize(
    "body",
    [{"model": "m"}, {"messages": []}, {"stream": True}, {"a": float("nan")}, {"a": "sk-0123456789abcdef"}, [], 1],
)
def test_what_a_request_holds_itself_or_cannot_hold_is_refused(server: JudgeServer, body: Any) -> None:
    with pytest.raises(UnknownVerifier, match="extra_body") as error:
        judge(server, extra_body=body)
    assert "0123456789abcdef" not in str(error.value)


def test_a_model_has_to_be_named() -> None:
    with pytest.raises(UnknownVerifier, match="option 'model' is not set"):
        Judge(JudgeOptions(base_url="http://127.0.0.1:9/v1"))


# solving first


@pytest.mark.parametrize("name", ["judge", "judge_blind"])
def test_a_judge_that_commits_first_is_asked_for_one_solution_a_question(
    server: JudgeServer, store: Store, name: str
) -> None:
    server.answer = solved_first
    asked = judge(server, name=name, prompt="commit_first", calls=store)
    attempts = [attempt("x = 7"), attempt("x = 8"), attempt("x = 7", "another"), attempt("x = 9", "another")]
    verdicts = checked(asked, attempts)
    assert [verdict.reward for verdict in verdicts] == [1, 0, 1, 0]
    assert [len(body["messages"]) for body in server.bodies].count(1) == 2
    assert (server.requests, server.asked_again) == (6, 0)
    assert asked.verify([*attempts, attempt("x = 10")])[:4] == verdicts
    assert server.requests == 7
    assert judge(server, name=name, prompt="commit_first", calls=store).verify(attempts) == verdicts
    assert server.requests == 7


def test_the_response_is_shown_after_the_solution(server: JudgeServer) -> None:
    server.answer = solved_first
    judge(server, prompt="commit_first").verify([attempt("x = 8")])
    first, second = server.bodies
    assert (first["max_tokens"], second["max_tokens"]) == (1_024, 16)
    assert [message["role"] for message in second["messages"]] == ["user", "assistant", "user"]
    assert second["messages"][0] == first["messages"][0]
    assert second["messages"][1]["content"] == "2*7 = 14.\nMy answer: 7"
    assert "x = 8" not in first["messages"][0]["content"]
    assert "x = 8" in second["messages"][2]["content"]


@pytest.mark.parametrize("fault", ["null", "refusal", "content_filter", "400"])
def test_without_a_solution_the_verdict_is_undecided(server: JudgeServer, fault: str) -> None:
    server.answer = solved_first
    server.script(fault)
    verdict = checked(judge(server, prompt="commit_first"), [attempt("x = 7")])[0]
    assert (verdict.outcome, server.requests) == (Outcome.UNDECIDED, 1)
    assert "no solution of its own" in (verdict.reason or "")


def test_a_verdict_carries_the_tokens_of_both_turns(server: JudgeServer) -> None:
    server.answer = solved_first
    assert judge(server, prompt="commit_first").verify([attempt("x = 7")])[0].tokens == 202


def test_a_judge_that_commits_first_works_offline_and_in_batches(server: JudgeServer, tmp_path: Path) -> None:
    with BatchServer() as batches, Store(tmp_path, write=True) as calls:
        batches.answer = solved_first
        options = {"prompt": "commit_first", "calls": calls}
        verdicts = judge(batches, batch=True, poll_seconds=0.01, **options).verify([attempt("x = 7"), attempt("x = 8")])
        assert [len(upload) for upload in batches.uploads] == [1, 2]
        replayed = judge(batches, offline=True, **options).verify(
            [attempt("x = 7"), attempt("x = 8"), attempt("x = 9")]
        )
    assert [verdict.reward for verdict in verdicts] == [1, 0]
    assert [verdict.reward for verdict in replayed] == [1, 0, None]


# replies that cannot be read


def items(count: int) -> list[Attempt]:
    return [attempt(f"x = {index}", f"item {index}") for index in range(count)]


def test_a_judge_of_unreadable_replies_stops_at_once_and_keeps_them(server: JudgeServer, store: Store) -> None:
    server.answer = lambda prompt: "I am not sure."
    with pytest.raises(
        JudgeUnavailable, match=r"32 of 32 replies are unreadable.*'I am not sure\.'.*name another model"
    ):
        judge(server, calls=store).verify(items(500))
    assert server.requests == TRIAL
    assert store.query("SELECT count(*) FROM judge_call") == [(TRIAL,)]
    with pytest.raises(JudgeUnavailable):
        judge(server, calls=store).verify(items(500))
    assert server.requests == TRIAL


def test_replies_that_are_cut_off_are_named_with_what_to_do(
    server: JudgeServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.mix({"length": 1.0})
    with pytest.raises(JudgeUnavailable, match=r"set max_tokens higher than 16"):
        judge(server).verify(items(100))
    assert "set max_tokens higher than 16" in caplog.text


def test_few_unreadable_replies_stop_nothing(server: JudgeServer) -> None:
    server.answer = lambda prompt: "who knows" if "item 3" in prompt else "1"
    assert len(judge(server).verify(items(9))) == 9
    assert len(judge(server).verify(items(60))) == 60
    server.answer = lambda prompt: "who knows"
    assert len(judge(server).verify(items(FEWEST - 1))) == FEWEST - 1


def test_the_share_of_unreadable_replies_is_an_option(server: JudgeServer) -> None:
    server.answer = lambda prompt: "who knows"
    verdicts = judge(server, max_unreadable=1.0).verify(items(50))
    assert {verdict.outcome for verdict in verdicts} == {Outcome.UNDECIDED}


def test_a_judge_without_solutions_stops_at_once_too(server: JudgeServer) -> None:
    server.answer = solved_first
    server.mix({"length": 1.0})
    with pytest.raises(JudgeUnavailable, match=r"32 of 32 replies are unreadable.*set max_tokens higher"):
        judge(server, prompt="commit_first").verify(items(200))
    assert server.requests == 2 * TRIAL  # each is sent once more with more tokens
    server.reset(answer=lambda prompt: "My answer: 1" if "Model Answer" not in prompt else "who knows")
    with pytest.raises(JudgeUnavailable, match=r"32 of 32 replies are unreadable.*who knows"):
        judge(server, prompt="commit_first").verify(items(200))
    assert server.requests == 200 + TRIAL


def test_a_question_that_is_not_shown_whole_is_not_solved(server: JudgeServer) -> None:
    verdict = judge(server, prompt="commit_first").verify([attempt("x = 7", "q" * 4_001)])[0]
    assert (verdict.outcome, server.requests) == (Outcome.UNDECIDED, 0)


def test_refusals_are_not_unreadable(server: JudgeServer) -> None:
    server.mix({"refusal": 1.0})
    assert len(judge(server).verify(items(50))) == 50


# a wrong set-up


def test_a_web_page_in_place_of_replies_stops_soon_with_what_to_do(server: JudgeServer) -> None:
    server.mix({"html": 1.0})
    with pytest.raises(JudgeUnavailable, match="a web page came in place of JSON: check base_url"):
        judge(server, concurrency=1, backoff_seconds=0.0).verify(items(9))
    assert server.requests == 2


def test_a_refused_key_names_its_variable(server: JudgeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.mix({"401": 1.0})
    with pytest.raises(JudgeUnavailable, match="check the key in the environment variable OPENAI_API_KEY"):
        judge(server).verify(items(1))
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(JudgeUnavailable, match="no key was sent, because the environment variable OPENAI_API_KEY"):
        judge(server).verify(items(1))


def test_a_key_variable_that_is_named_and_not_set_is_refused(
    server: JudgeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_KEY", raising=False)
    with pytest.raises(JudgeUnavailable, match="set the environment variable NO_KEY, or leave out api_key_env"):
        judge(server, api_key_env="NO_KEY")


# long reasoning


def test_the_verdict_after_a_long_reasoning_is_read_and_stored(server: JudgeServer, store: Store) -> None:
    server.answer = lambda prompt: "<think>" + "0 or 1? " * 20_000 + "</think>\n1"
    asked = judge(server, calls=store, max_tokens=4_096)
    verdict = asked.verify([attempt("x = 7")])[0]
    assert verdict.outcome is Outcome.CORRECT
    assert (asked.verify([attempt("x = 7")])[0], server.requests) == (verdict, 1)
    assert store.query("SELECT length(reply) < 16001, finish_reason FROM judge_call") == [(1, "stop")]


@pytest.mark.parametrize(
    "text",
    [
        "0" * 20_000 + "1",
        "<think>" + "a" * 20_000 + "</think>" + "b" * 20_000 + "1",
        "<think>" + "a" * 20_000 + "</think>0<think>" + "a" * 20_000 + "</think>1",
        "<think>" + "a" * 20_000 + "1",
    ],
)
def test_a_long_reply_that_is_not_reasoning_alone_is_undecided(server: JudgeServer, text: str) -> None:
    server.answer = lambda prompt: text
    assert judge(server).verify([attempt("x = 7")])[0].outcome is Outcome.UNDECIDED


def test_progress_goes_on_after_the_trial(server: JudgeServer) -> None:
    shown: list[tuple[int, int]] = []
    judge(server, progress=lambda *counts: shown.append(counts)).verify(items(100))
    assert shown[-1] == (100, 100)
    assert shown == sorted(shown)
