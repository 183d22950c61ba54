"""`restem judge compare`: a judge's successor on the same responses, asked over HTTP, stored, and compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from restem.harness.store.records import Checkpoint, Sample
from restem.harness.store.store import Store
from tests.conftest import problem, restem
from tests.edited import edited
from tests.judge_server import JudgeServer

PROBLEMS = 12


@pytest.fixture
def server(running: JudgeServer, monkeypatch: pytest.MonkeyPatch) -> JudgeServer:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-51f0aa77c2e94c3b8d1e")
    running.reset()
    return running


def address(server: JudgeServer) -> list[str]:
    return [text for o in (f"base_url={server.base_url}", "model=old") for text in ("--set", f"verifiers.judge.{o}")]


@pytest.fixture
def run(tmp_path: Path, server: JudgeServer) -> Path:
    """A run with two arms that a judge and the gold have judged: `sober` is right on 8 of 12, `flashy` on 4 of 12."""
    problems = [problem(f"Solve x = {i} for x.", str(i), f"p{i}") for i in range(PROBLEMS)]
    right = {"base": 6, "sober/1": 8, "flashy/1": 4}
    folder = tmp_path / "run"
    with Store(folder, write=True) as store:
        store.add_problems(problems)
        for id in right:
            arm = None if id == "base" else id.partition("/")[0]
            store.add_checkpoint(
                Checkpoint(id=id, arm=arm, iteration=int(arm is not None), kind="trained" if arm else "base")
            )
        store.add_samples(
            Sample(
                checkpoint=checkpoint,
                problem=item.id,
                index=0,
                text=f"{checkpoint}\nx = {int(item.reference or 0) + (place >= count)}",
                token_count=3,
                mean_logprob=-0.1,
                finish_reason="stop",
            )
            for checkpoint, count in right.items()
            for place, item in enumerate(problems)
        )
        arms = [{"name": name, "verifier": "judge"} for name in ("sober", "flashy")]
        store.put_run({"verifiers": {}, "suite": {"gold": "sympy", "arms": arms}})
    assert restem("verify", folder, "--verifier", "sympy", "--verifier", "judge", *address(server)).exit_code == 0
    server.reset()
    return folder


def likes_flash(prompt: str) -> str:
    """Accepts all that the arm `flashy` wrote, and nothing of the others."""
    return str(int("flashy" in prompt))


def compared(run: Path, *more: str) -> dict[str, Any]:
    result = restem("judge", "compare", run, "--from", "judge", "--to", "new", "--json", "--quiet", *more)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_successor_that_decides_alike_is_equal_and_keeps_the_order(server: JudgeServer, run: Path) -> None:
    page = compared(run)
    assert (page["samples"], page["problems"], page["agreement"]["raw"][0]) == (36, PROBLEMS, 1.0)
    assert (page["flips"]["to_accepted"], page["flips"]["to_rejected"], page["order_changes"]) == (0, 0, False)
    assert [(arm["arm"], arm["from"][0], arm["to"][0]) for arm in page["arms"]] == [
        ("sober", pytest.approx(8 / 12, abs=1e-6), pytest.approx(8 / 12, abs=1e-6)),
        ("flashy", pytest.approx(4 / 12, abs=1e-6), pytest.approx(4 / 12, abs=1e-6)),
    ]
    assert (page["from"]["tpr"][0], page["to"]["fpr"][0], page["to"]["calls"]) == (1.0, 0.0, 36)


def test_a_successor_that_decides_otherwise_changes_the_order(server: JudgeServer, run: Path) -> None:
    server.answer = likes_flash
    page = compared(run)
    # The judge accepts 6, 8 and 4 of 12 at base, sober and flashy; the successor 0, 0 and 12.
    assert page["flips"]["to_accepted"] == 8
    assert page["flips"]["to_rejected"] == 14
    assert page["agreement"]["raw"][0] == pytest.approx(14 / 36, abs=1e-6)
    assert page["difference"][0] == pytest.approx((12 - 18) / 36, abs=1e-6)
    assert page["to"]["tpr"][0] == pytest.approx(4 / 18, abs=1e-6)
    assert page["to"]["fpr"][0] == pytest.approx(8 / 18, abs=1e-6)
    assert page["tpr_change"][0] == pytest.approx(-14 / 18, abs=1e-6)
    assert (page["order_changes"], [(s["left"], s["right"]) for s in page["swaps"]]) == (True, [("sober", "flashy")])


def test_the_successor_is_shown_the_same_prompts(server: JudgeServer, run: Path) -> None:
    def messages(verifier: str) -> set[str]:
        with Store(run) as store:
            rows = store.query("SELECT request FROM judge_call WHERE verifier LIKE ?", (verifier,))
        return {json.dumps(json.loads(row[0])["messages"]) for row in rows}

    with Store(run) as store:
        before = store.run()["verifiers"]["judge"]
    compared(run)
    with Store(run) as store:
        new = next(print_ for print_, (name, _) in store.verifiers().items() if name == "new")
    assert messages(before) == messages(new)
    assert {body["model"] for body in server.bodies} == {"new"}


def test_a_stopped_comparison_goes_on_and_asks_nothing_twice(server: JudgeServer, run: Path) -> None:
    server.script(*["ok"] * 10, "quota")
    command = ("judge", "compare", run, "--from", "judge", "--to", "new", "--set", "concurrency=1")
    stopped = restem(*command)
    assert (stopped.exit_code, server.requests) == (1, 11)
    server.script()
    assert restem(*command).exit_code == 0
    assert (server.requests, server.asked_again) == (37, 0)
    assert restem(*command).exit_code == 0
    assert server.requests == 37


def test_a_budget_holds_for_the_successor(server: JudgeServer, run: Path) -> None:
    result = restem("judge", "compare", run, "--from", "judge", "--to", "new", "--set", "max_calls=5")
    assert (result.exit_code, server.requests, "max_calls = 5 is used up" in result.stderr) == (1, 5, True)


def test_cost_is_counted_by_the_prices_of_each(server: JudgeServer, run: Path) -> None:
    page = compared(run, "--set", 'prices."new"=[10, 0]')
    assert (page["from"]["usd"], page["from"]["calls"]) == (None, 36)
    assert page["to"]["usd"] == pytest.approx(36 * 100 * 10e-6)


def test_a_comparison_changes_no_verdict_and_no_report(server: JudgeServer, run: Path) -> None:
    def verdicts() -> tuple[Any, ...]:
        with Store(run) as store:
            facts = {key: value for key, value in store.run().items() if not key.startswith("judge_unanswered:")}
            return facts, store.query("SELECT * FROM verdict ORDER BY sample, verifier")

    before = verdicts()
    compared(run)
    assert verdicts() == before


def test_only_some_responses_may_be_compared(server: JudgeServer, run: Path) -> None:
    page = compared(run, "--split", "test", "--limit", "3")
    assert (page["samples"], page["problems"], server.requests) == (9, 3, 9)


def test_a_judge_may_be_named_by_its_model_and_a_successor_may_be_stored(server: JudgeServer, run: Path) -> None:
    more = [text.replace("judge.", "judge_blind.").replace("=old", "=other") for text in address(server)]
    assert restem("verify", run, "--verifier", "judge_blind", *more).exit_code == 0
    requests = server.requests
    with edited(run) as database:
        database.execute("UPDATE judge_call SET model = 'old-2026-01-01' WHERE verifier LIKE 'judge-%'")
    assert restem("judge", "compare", run, "--from", "old-2026-01-01", "--to", "judge_blind").exit_code == 0
    result = restem("judge", "compare", run, "--from", "old", "--to", "judge_blind", "--json")
    assert (result.exit_code, server.requests) == (0, requests), result.output
    page = json.loads(result.stdout)
    assert (page["from"]["judge"], page["to"]["judge"], page["samples"]) == ("judge", "judge_blind", 36)


def test_the_text_holds_the_answer_and_both_tables(server: JudgeServer, run: Path) -> None:
    result = restem("judge", "compare", run, "--from", "judge", "--to", "new")
    assert result.exit_code == 0, result.output
    assert {"judge", "new", "sober", "flashy"} <= {line.split(" ")[0] for line in result.stdout.splitlines()}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--from", "jugde", "--to", "new"), "did you mean 'judge'"),
        (("--from", "sympy", "--to", "new"), "no judge of"),
        (("--from", "judge", "--to", "judge"), "this is the judge of --from"),
        (("--from", "judge", "--to", "new", "--set", "model=m"), "--to names the model"),
        (("--from", "judge", "--to", "new", "--set", "votse=3"), "did you mean 'votes'"),
        (("--from", "judge", "--to", "new", "--set", "max_cost_usd=1"), "needs the model's price"),
        (("--from", "judge", "--to", "new", "--split", "train"), "has no verdict on the responses"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    server: JudgeServer, run: Path, arguments: tuple[str, ...], message: str
) -> None:
    result = restem("judge", "compare", run, *arguments)
    assert (result.exit_code, server.requests, message in result.stderr) == (2, 0, True), result.output


def test_a_model_that_the_server_has_not_is_refused_with_those_that_it_has(server: JudgeServer, run: Path) -> None:
    server.models = {"data": [{"id": "newer"}]}
    result = restem("judge", "compare", run, "--from", "judge", "--to", "new")
    assert (result.exit_code, server.requests, "'newer'" in result.stderr) == (2, 0, True)
