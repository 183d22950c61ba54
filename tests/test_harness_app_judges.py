"""`restem verify` with a judge: offline, in batches, and what a stopped command left behind."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from restem.harness.app.judges import FORMER_DEFAULT, judge_facts
from restem.harness.config import parse_suite, to_toml
from restem.harness.store.records import Sample
from restem.harness.store.store import Store
from restem.verifiers.verdict import Attempt
from tests import building
from tests.batch_server import BatchServer
from tests.conftest import problem, restem
from tests.edited import edited
from tests.judge_server import JudgeServer


@pytest.fixture
def server(running: JudgeServer, monkeypatch: pytest.MonkeyPatch) -> JudgeServer:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-51f0aa77c2e94c3b8d1e")
    running.reset()
    return running


@pytest.fixture
def batches(monkeypatch: pytest.MonkeyPatch) -> Iterator[BatchServer]:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-51f0aa77c2e94c3b8d1e")
    with BatchServer() as server:
        yield server


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of four problems with two samples each at two checkpoints; every other sample is right."""
    problems = [problem(f"Solve x = {i} for x.", str(i), f"p{i}") for i in range(4)]
    with Store(tmp_path / "run", write=True) as store:
        store.add_problems(problems)
        store.add_samples(
            Sample(
                checkpoint=checkpoint,
                problem=item.id,
                index=k,
                text=f"{checkpoint}\nx = {int(item.reference or 0) + k}",
                token_count=3,
                mean_logprob=-0.1,
                finish_reason="stop",
            )
            for checkpoint in ("base", "a/1")
            for item in problems
            for k in range(2)
        )
        store.put_run({"verifiers": {}})
    return tmp_path / "run"


def address(server: JudgeServer | BatchServer) -> list[str]:
    options = (f"base_url={server.base_url}", "model=m", "poll_seconds=0.01")
    return [text for option in options for text in ("--set", f"verifiers.judge.{option}")]


def outcomes(run: Path, verifier: str | None = None) -> dict[int, str]:
    """Sample -> outcome by the verifier of that label."""
    with Store(run) as store:
        fingerprint = store.run()["verifiers"][verifier or "judge"]
        return dict(store.query("SELECT sample, outcome FROM verdict WHERE verifier = ?", (fingerprint,)))


def label_of(stdout: str) -> str:
    return stdout.rpartition("\n")[0].split(":")[0]


def test_offline_gives_the_stored_verdicts_without_key_or_address(
    server: JudgeServer, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert restem("verify", run, "--verifier", "judge", *address(server)).exit_code == 0
    server.reset()
    monkeypatch.delenv("OPENAI_API_KEY")
    result = restem("verify", run, "--verifier", "judge", "--offline")
    assert (result.exit_code, server.requests) == (0, 0), result.output
    label = label_of(result.stdout)
    assert label.startswith("judge-")
    assert outcomes(run, label) == outcomes(run)
    assert set(outcomes(run).values()) == {"correct", "wrong"}


def test_what_is_not_stored_is_undecided_offline_and_asked_online_all_the_same(server: JudgeServer, run: Path) -> None:
    server.script(*["ok"] * 5, "quota")
    command = ("verify", run, "--verifier", "judge", *address(server), "--set", "verifiers.judge.concurrency=1")
    assert restem(*command).exit_code == 1
    offline = restem(*command, "--offline")
    verdicts = list(outcomes(run, label_of(offline.stdout)).values())
    assert (len(verdicts), verdicts.count("undecided"), server.requests) == (16, 11, 6)
    assert restem(*command).exit_code == 0
    assert list(outcomes(run).values()).count("undecided") == 0
    assert server.asked_again == 0


def test_a_judge_inside_another_verifier_is_offline_too(
    server: JudgeServer, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = ["--verifier", "both", "--set", "verifiers.both.type=all_of", "--set", 'verifiers.both.members=["judge"]']
    assert restem("verify", run, *table, *address(server)).exit_code == 0
    server.reset()
    monkeypatch.delenv("OPENAI_API_KEY")
    result = restem("verify", run, *table, "--offline")
    assert (result.exit_code, server.requests) == (0, 0), result.output
    assert outcomes(run, label_of(result.stdout)) == outcomes(run, "both")


def test_rows_of_a_file_are_answered_offline_from_what_a_stopped_command_kept(
    server: JudgeServer, tmp_path: Path
) -> None:
    rows = [{"id": i, "question": f"item {i}", "reference": str(i), "response": f"x = {i}"} for i in range(6)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    command = ["verify", "--verifier", "judge", "--input", tmp_path / "rows.jsonl", "--output", tmp_path / "out.jsonl"]
    server.script("ok", "ok", "401")
    assert restem(*command, *address(server), "--set", "verifiers.judge.concurrency=1").exit_code == 1
    assert restem(*command, "--offline").exit_code == 0
    verdict_rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [row["outcome"] for row in verdict_rows] == ["correct"] * 2 + ["undecided"] * 4
    assert {row["reason"] for row in verdict_rows[2:]} == {"not stored: the judge is offline"}
    assert restem(*command, *address(server)).exit_code == 0
    assert (server.requests, server.asked_again) == (7, 0)


def test_rows_without_anything_stored_are_undecided_offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    (tmp_path / "rows.jsonl").write_text('{"id": 1, "question": "q", "reference": "7", "response": "7"}\n')
    result = restem("verify", "--verifier", "judge", "--input", tmp_path / "rows.jsonl", "--offline")
    assert (result.exit_code, json.loads(result.stdout)["outcome"]) == (0, "undecided")


def test_a_run_is_verified_by_one_batch(batches: BatchServer, run: Path) -> None:
    batches.statuses = ["validating", "in_progress", "completed"]
    result = restem("verify", run, "--verifier", "judge", "--batch", *address(batches))
    assert (result.exit_code, result.stdout) == (0, "judge: 16 new verdicts\n"), result.output
    assert [len(upload) for upload in batches.uploads] == [16]
    assert sorted(outcomes(run).values()) == ["correct"] * 8 + ["wrong"] * 8
    progress = [line for line in result.stderr.splitlines() if line.startswith("judge batch batch_0: ")]
    assert [line.split(": ")[1].split(",")[0] for line in progress] == [
        *("16 requests sent", "validating", "in_progress", "completed"),
    ]


def test_the_same_command_goes_on_with_what_a_batch_left(batches: BatchServer, run: Path) -> None:
    def first_checkpoint(asked: dict[str, Any]) -> list[bytes]:
        return batches.answered(asked) if "base" in str(asked) else [batches.expired(asked)]

    batches.statuses, batches.line = ["expired"], first_checkpoint
    command = ("verify", run, "--verifier", "judge", "--batch", *address(batches))
    stopped = restem(*command)
    assert (stopped.exit_code, "the same command asks them again" in stopped.stderr) == (1, True)
    batches.statuses, batches.line = ["completed"], None
    assert restem(*command).exit_code == 0
    assert [len(upload) for upload in batches.uploads] == [16, 8]


def test_a_batch_for_the_rows_of_a_file_needs_a_place_to_be_written_down(batches: BatchServer, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"id": 1, "question": "q", "reference": "7", "response": "x = 7"}\n')
    command = ["verify", "--verifier", "judge", "--input", tmp_path / "rows.jsonl", "--batch", *address(batches)]
    assert restem(*command).exit_code == 2
    assert restem(*command, "--output", tmp_path / "out.jsonl").exit_code == 0
    assert json.loads((tmp_path / "out.jsonl").read_text())["outcome"] == "correct"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--verifier", "judge", "--offline", "--batch"), "give one of them"),
        (("--verifier", "sympy", "--offline"), "goes with a judge"),
        (("--verifier", "sympy", "--batch"), "goes with a judge"),
        (("--verifier", "judge", "--batch"), "embedded judge has no batches"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    run: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], message: str
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    result = restem("verify", run, *options)
    assert (result.exit_code, message in result.stderr) == (2, True), result.output


# which models the server has


@pytest.fixture
def row(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"id": 1, "question": "q", "reference": "7", "response": "x = 7"}\n')
    return path


def listing(*names: str) -> dict[str, Any]:
    return {"data": [{"id": name} for name in names]}


def test_a_model_that_the_server_has_not_is_refused_before_any_verdict(server: JudgeServer, run: Path) -> None:
    server.models = listing("new-chat", "text-embedding-3")
    result = restem("verify", run, "--verifier", "sympy", "--verifier", "judge", *address(server))
    assert (result.exit_code, server.requests, result.stdout) == (2, 0, "")
    assert "new-chat" in result.stderr
    assert "embedding" not in result.stderr
    with Store(run) as store:
        assert (store.run()["verifiers"], store.verifiers()) == ({}, {})


def test_rows_are_not_begun_with_a_model_that_the_server_has_not(server: JudgeServer, row: Path) -> None:
    server.models = listing("new-chat")
    result = restem("verify", "--verifier", "judge", "--input", row, *address(server))
    assert (result.exit_code, server.requests, result.stdout) == (2, 0, "")


def test_the_list_may_be_left_unread(server: JudgeServer, row: Path) -> None:
    server.models = listing("new-chat")
    more = ("--set", "verifiers.judge.check_model=false")
    result = restem("verify", "--verifier", "judge", "--input", row, *address(server), *more)
    assert (result.exit_code, server.listed) == (0, 0)


def test_a_run_whose_verdicts_are_stored_needs_neither_the_list_nor_the_model(server: JudgeServer, run: Path) -> None:
    command = ("verify", run, "--verifier", "judge", *address(server))
    assert restem(*command).exit_code == 0
    listed = server.listed
    server.models = listing("new-chat")
    again = restem(*command)
    assert (again.exit_code, again.stdout, server.listed) == (0, "judge: 0 new verdicts\n", listed)
    assert restem(*command, "--offline").exit_code == 0
    assert server.listed == listed


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("base_url=http://127.0.0.1:9/v1",), "verifiers.judge.model is not set"),
        (("base_url=http://127.0.0.1:9/v1", "model=m", "api_key_env=NO_KEY"), "verifiers.judge.api_key_env names"),
    ],
)
def test_a_judge_without_model_or_key_is_refused(
    row: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], message: str
) -> None:
    monkeypatch.delenv("NO_KEY", raising=False)
    chosen = [text for option in options for text in ("--set", f"verifiers.judge.{option}")]
    result = restem("verify", "--verifier", "judge", "--input", row, *chosen)
    assert (result.exit_code, message in result.stderr) == (2, True), result.output


def test_a_stored_judge_of_a_former_default_keeps_its_model_offline(server: JudgeServer, run: Path) -> None:
    options = {"base_url": server.base_url}
    with Store(run, write=True) as store:
        judge = building.judge(name="judge", calls=store, model=FORMER_DEFAULT, **options)
        judge.verify([Attempt(problem=p, response=f"base\nx = {p.reference}") for p in store.problems()])
        store.add_verifier(judge.fingerprint, "judge", options)  # as written by a version that had a default
        store.set_run("verifiers", {"judge": judge.fingerprint})
    assert restem("verify", run, "--verifier", "judge", "--offline").exit_code == 0
    with Store(run) as store:
        decided = store.query("SELECT count(*) FROM verdict WHERE outcome = 'correct'")
    assert decided == [(4,)]


def test_the_models_of_a_server_are_listed(server: JudgeServer) -> None:
    server.models = {"data": [{"id": "b", "shutdown_date": "2999-01-01"}, {"id": "a"}, {"id": "x-embed"}]}
    result = restem("judge", "models", *address(server)[:2])
    assert (result.exit_code, result.stdout) == (0, "a\nb  until 2999-01-01\n")
    whole = restem("judge", "models", *address(server)[:2], "--all", "--json")
    assert [model["id"] for model in json.loads(whole.stdout)["models"]] == ["a", "b", "x-embed"]


def test_a_run_asks_for_the_model_before_its_first_sample(server: JudgeServer, tmp_path: Path) -> None:
    server.models = listing("new-chat")
    arm = ("--set", 'arms=[{name="judge",verifier="judge"}]', "--set", 'scoring=["sympy"]')
    result = restem("run", "--out", tmp_path / "run", *arm, *address(server)[:4])
    assert (result.exit_code, server.listed, server.requests) == (2, 1, 0), result.output
    assert "new-chat" in result.stderr
    assert not (tmp_path / "run").exists()


def test_a_run_with_a_key_and_no_model_is_refused_before_any_request(server: JudgeServer, tmp_path: Path) -> None:
    result = restem("run", "--out", tmp_path / "run")
    assert (result.exit_code, "judge.model is not set" in result.stderr) == (2, True), result.output
    assert not (tmp_path / "run").exists()


def test_options_with_tables_in_them_are_kept_in_a_suite() -> None:
    body = {"chat_template_kwargs": {"enable_thinking": False}, "stop": ["\n"]}
    tables = {"judge": {"model": "m", "extra_body": body, "reasoning_effort": "low"}}
    suite = parse_suite(
        {"name": "mine", "arms": [{"name": "sympy", "verifier": "sympy"}], "scoring": ["judge"]}
        | {"verifiers": tables},
        "mine",
    )
    assert parse_suite(tomllib.loads(to_toml(suite)), "mine").verifiers == suite.verifiers == tables


def test_stored_calls_are_read_again_without_the_server(server: JudgeServer, run: Path) -> None:
    assert restem("verify", run, "--verifier", "judge", *address(server)).exit_code == 0
    before = outcomes(run)
    with edited(run) as database:
        database.execute("DELETE FROM verdict")
    elsewhere = ("--set", "verifiers.judge.base_url=http://127.0.0.1:9/v1", "--set", "verifiers.judge.model=m")
    again = restem("verify", run, "--verifier", "judge", *elsewhere)  # no server listens there
    assert (again.exit_code, outcomes(run)) == (0, before), again.output


def test_the_embedded_judges_rates_are_given_for_the_benchmark_they_were_measured_on_alone() -> None:
    judge = {"judge": {"model": "tiny-judge@0", "base_url": "http://127.0.0.1:1/v1"}}
    known, other = (judge_facts(judge, name) for name in ("linear_1d", "numbers__gcd"))
    assert known is not None
    assert other is not None
    assert {"judge", "judge_blind"} <= known["card"].keys()
    assert other["card"] is None
