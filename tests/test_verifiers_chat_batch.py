"""Batches: what is uploaded once is never uploaded again, and whatever comes back, every verdict is its own."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from restem.benchmarks.problem import Problem
from restem.harness.store.store import Store
from restem.verifiers import interruption
from restem.verifiers.chat import batch_files
from restem.verifiers.judge.judge import Judge
from restem.verifiers.verdict import Attempt, JudgeUnavailable, Outcome, Verdict, checked
from tests import building
from tests.batch_server import BatchServer
from tests.judge_server import JudgeServer

KEY = "sk-test-51f0aa77c2e94c3b8d1e"


@pytest.fixture(scope="module")
def serving() -> Iterator[BatchServer]:
    with BatchServer() as server:
        yield server


@pytest.fixture
def server(serving: BatchServer, monkeypatch: pytest.MonkeyPatch) -> BatchServer:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    serving.reset()
    return serving


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path, write=True) as opened:
        yield opened


def judge(server: BatchServer, store: Store | None, **options: Any) -> Judge:
    quick = {"batch": True, "poll_seconds": 0.005, "backoff_seconds": 0.005}
    return building.judge(**{"name": "judge", "base_url": server.base_url, "calls": store, **quick} | options)


def attempts(count: int) -> list[Attempt]:
    """Every third of them wrong, all different."""
    return [
        Attempt(
            problem=Problem(id=str(i), question=f"item {i}", reference=str(i), split="test", source="test"),
            response=f"x = {i + (i % 3 == 0)}",
        )
        for i in range(count)
    ]


def outcomes(verdicts: list[Verdict]) -> list[Outcome]:
    return [verdict.outcome for verdict in verdicts]


EXPECTED = [Outcome.CORRECT if index % 3 else Outcome.WRONG for index in range(60)]


def test_a_batch_gives_the_verdicts_of_single_requests(server: BatchServer, store: Store) -> None:
    server.statuses = ["validating", "in_progress", "finalizing", "completed"]
    batched = checked(judge(server, store, prices={"gpt-4": [30, 60]}), attempts(30))
    with JudgeServer() as single:
        one_by_one = checked(
            building.judge(name="judge", base_url=single.base_url, prices={"gpt-4": [30, 60]}), attempts(30)
        )
    assert [(v.outcome, v.score, v.tokens, v.cost_usd) for v in batched] == [
        (v.outcome, v.score, v.tokens, v.cost_usd) for v in one_by_one
    ]
    assert [len(upload) for upload in server.uploads] == [30]


def test_what_a_batch_answered_is_stored_like_any_call(server: BatchServer, store: Store) -> None:
    batched = judge(server, store).verify(attempts(9))
    assert judge(server, store, batch=False).verify(attempts(9)) == batched  # that route is not even there
    rows = store.query("SELECT request_sha256, attempts FROM judge_call")
    assert sorted(row[0] for row in rows) == sorted(server.uploads[0])
    assert {json.loads(row[1])[0]["batch"] for row in rows} == {"batch_0"}


def test_a_stopped_command_comes_back_for_its_batch(
    server: BatchServer, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.statuses = ["in_progress"] * 3 + ["completed"]

    def stop(_: float) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(interruption, "sleep", stop)
        with pytest.raises(KeyboardInterrupt):
            judge(server, store).verify(attempts(12))
    assert outcomes(judge(server, store).verify(attempts(20))) == EXPECTED[:20]
    assert [len(upload) for upload in server.uploads] == [12, 8]


def test_a_batch_whose_answer_was_lost_is_found_again(server: BatchServer, store: Store) -> None:
    server.faults = [200, 200, 200, 0]  # list, upload, list, and then the batch exists but the answer is lost
    assert outcomes(judge(server, store).verify(attempts(6))) == EXPECTED[:6]
    assert len(server.uploads) == 1


@pytest.mark.parametrize("faults", [[500, 200, 502], [200, 503, 429, 200], [200, 200, 200, 200, 500, 503, 500]])
def test_passing_faults_change_nothing(server: BatchServer, store: Store, faults: list[int]) -> None:
    server.faults = faults
    assert outcomes(judge(server, store).verify(attempts(6))) == EXPECTED[:6]
    assert len(server.uploads) == 1


def test_requests_beyond_one_batch_go_into_several(
    server: BatchServer, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_files, "MAX_REQUESTS", 7)
    assert outcomes(judge(server, store).verify(attempts(20))) == EXPECTED[:20]
    assert [len(upload) for upload in server.uploads] == [7, 7, 6]
    monkeypatch.setattr(batch_files, "MAX_BYTES", 6_000)
    judge(server, store, model="other").verify(attempts(20))
    sizes = [len(server.files[batch["input_file_id"]]) for batch in server.batches.values()]
    assert max(sizes[3:]) <= 6_000
    assert sum(map(len, server.uploads[3:])) == 20


def test_rejected_lines_are_undecided_and_not_sent_again(server: BatchServer, store: Store) -> None:
    server.line = lambda asked: [server.refused(asked, 400)] if "item 4" in str(asked) else server.answered(asked)
    asking = judge(server, store)
    verdicts = checked(asking, attempts(8))
    assert (verdicts[4].outcome, verdicts[4].reason) == (Outcome.UNDECIDED, "request rejected: 400 'scripted 400'")
    assert outcomes(asking.verify(attempts(8))) == outcomes(verdicts)
    assert len(server.uploads) == 1


def test_a_server_that_rejects_every_line_is_an_unavailable_judge(server: BatchServer, store: Store) -> None:
    server.line = lambda asked: [server.refused(asked, 400)]
    with pytest.raises(JudgeUnavailable, match="rejected each of 40 requests: 400"):
        judge(server, store).verify(attempts(40))


def test_a_refused_parameter_is_left_out_and_sent_again(server: BatchServer, store: Store) -> None:
    server.refuses = {"max_tokens"}
    assert outcomes(judge(server, store).verify(attempts(6))) == EXPECTED[:6]
    assert [len(upload) for upload in server.uploads] == [6, 6]
    assert {body.get("max_completion_tokens") for body in server.sent} == {None, 16 + 2048}


def test_expired_lines_are_asked_again_by_the_next_command(server: BatchServer, store: Store) -> None:
    server.statuses = ["in_progress", "expired"]
    server.line = lambda asked: [server.expired(asked)] if "item 1" in str(asked) else server.answered(asked)
    with pytest.raises(JudgeUnavailable, match=r"11 requests .*batch_expired.* the same command asks them again"):
        judge(server, store).verify(attempts(20))
    server.line = None
    assert outcomes(judge(server, store).verify(attempts(20))) == EXPECTED[:20]
    assert [len(upload) for upload in server.uploads] == [20, 11]


@pytest.mark.parametrize("status", ["failed", "cancelled", "expired"])
def test_a_batch_that_answers_nothing_is_an_unavailable_judge_and_not_waited_for_again(
    server: BatchServer, store: Store, status: str
) -> None:
    server.statuses, server.line = [status], lambda asked: []
    with pytest.raises(JudgeUnavailable, match=f"is {status}"):
        judge(server, store).verify(attempts(3))
    server.statuses, server.line = ["completed"], None
    assert outcomes(judge(server, store).verify(attempts(3))) == EXPECTED[:3]


def test_strange_lines_matter_to_no_verdict(server: BatchServer, store: Store) -> None:
    def lines(asked: dict[str, Any]) -> list[bytes]:
        right = server.answered(asked)[0]
        wrong = right.replace(b'"content": "1"', b'"content": "maybe"')
        foreign = right.replace(asked["custom_id"].encode(), b"f" * 64)
        return [right, foreign, right, b"", b"{", b"null", b"[" * 100_000, b'{"custom_id": 3}', wrong[:40]]

    server.line = lines
    assert outcomes(judge(server, store).verify(attempts(12))) == EXPECTED[:12]


@pytest.mark.parametrize(
    "content",
    [
        *({}, {"response": None}, {"response": {"status_code": "200"}}, {"error": "x"}, {"error": {"code": None}}),
        *({"response": {"status_code": 200, "body": None}}, {"response": {"status_code": 500, "body": {"error": 1}}}),
        {"response": {"status_code": 200, "body": {"choices": []}}},
    ],
)
def test_a_line_without_a_reply_leaves_its_request_unanswered(
    server: BatchServer, store: Store, content: dict[str, Any]
) -> None:
    server.line = lambda asked: [json.dumps({"custom_id": asked["custom_id"], **content}).encode()]
    with pytest.raises(JudgeUnavailable, match="2 requests of a batch have no reply"):
        judge(server, store).verify(attempts(2))
    assert store.query("SELECT count(*) FROM judge_call") == [(0,)]


def test_a_cut_off_reply_makes_a_second_batch(server: BatchServer, store: Store) -> None:
    def lines(asked: dict[str, Any]) -> list[bytes]:
        cut = asked["body"]["max_tokens"] == 16 and "item 5" in str(asked)
        return [line.replace(b'"stop"', b'"length"') if cut else line for line in server.answered(asked)]

    server.line = lines
    assert outcomes(judge(server, store).verify(attempts(9))) == EXPECTED[:9]
    assert [len(upload) for upload in server.uploads] == [9, 1]


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refused_key_stops_at_once(server: BatchServer, store: Store, status: int) -> None:
    server.faults = [200, status]
    with pytest.raises(JudgeUnavailable, match=str(status)) as caught:
        judge(server, store).verify(attempts(3))
    assert (caught.value.__cause__, caught.value.__context__, server.uploads) == (None, None, [])


def test_a_batch_that_the_budget_does_not_hold_is_not_sent(server: BatchServer, store: Store) -> None:
    with pytest.raises(JudgeUnavailable, match="max_calls = 5"):
        judge(server, store, max_calls=5).verify(attempts(6))
    assert outcomes(judge(server, store, max_calls=6).verify(attempts(6))) == EXPECTED[:6]


def test_another_judges_batch_is_left_to_it(server: BatchServer, store: Store) -> None:
    store.log("judge_batch", batch="batch_9", state="sent", verifier="judge-other")
    assert outcomes(judge(server, store).verify(attempts(3))) == EXPECTED[:3]


def test_the_key_is_in_no_row_and_no_log_of_a_batch(
    server: BatchServer, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.answer = lambda prompt: f"Bearer {KEY}"
    server.line = lambda asked: (
        [server.refused(asked, 400, code=KEY, message=f"key {KEY}")]
        if "item 1" in str(asked)
        else server.answered(asked)
    )
    verdicts = judge(server, store).verify(attempts(3))
    server.line = lambda asked: [json.dumps({"custom_id": asked["custom_id"], "error": {"code": KEY}}).encode()]
    with pytest.raises(JudgeUnavailable) as caught:
        judge(server, store, model="other").verify(attempts(1))
    rows = [repr(store.query(f"SELECT * FROM {table}")) for table in ("judge_call", "event")]
    raised = "".join(traceback.format_exception(caught.value))
    assert KEY not in "".join(rows) + repr(verdicts) + raised + caplog.text
