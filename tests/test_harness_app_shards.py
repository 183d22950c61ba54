"""`restem verify RUN --shard I/N` and `restem merge`: one verification by many processes, with the rows of one."""

from __future__ import annotations

import dataclasses
import json
import shutil
import signal
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restem.benchmarks.problem import ATTACK, Probe
from restem.harness.store.parts import Shard, shard_of
from restem.harness.store.records import Checkpoint, Sample
from restem.harness.store.store import Store
from tests import faults
from tests.conftest import problem, restem
from tests.edited import edited
from tests.judge_server import JudgeServer
from tests.rows import lasting_rows
from tests.small_disk import read_only

PROBLEMS, INDICES, SHARDS = 12, 3, 3
VERIFIERS = ("sympy", "majority", "noisy_70", "judge")
NOISE = ("type=noisy", "base=sympy", "tpr=0.7", "fpr=0.2")


@pytest.fixture
def server(running: JudgeServer, monkeypatch: pytest.MonkeyPatch) -> JudgeServer:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-51f0aa77c2e94c3b8d1e")
    running.reset()
    return running


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run with samples of two checkpoints, one half of them right, and a probe; two problems have one question."""
    numbers = [*range(PROBLEMS), 0]
    problems = [problem(f"Solve x = {n} for x.", str(n), f"p{place}") for place, n in enumerate(numbers)]
    folder = tmp_path / "run"
    with Store(folder, write=True) as store:
        for number, split in enumerate(("train", "test")):
            store.add_problems([dataclasses.replace(item, split=split) for item in problems[number::2]])
        for id in ("base", "arm/1"):
            store.add_checkpoint(Checkpoint(id=id, arm="arm" if "/" in id else None, iteration=0, kind="base"))
        store.add_samples(
            Sample(
                checkpoint=checkpoint,
                problem=item.id,
                index=index,
                text=f"x = {int(item.reference or 0) + (index + place + len(checkpoint)) % 2}",
                token_count=3,
                mean_logprob=-0.1,
                finish_reason="stop",
            )
            for checkpoint in ("base", "arm/1")
            for place, item in enumerate(problems)
            for index in range(INDICES)
        )
        store.add_probes([Probe(problem=p.id, kind=ATTACK, form="other", text="x = 77") for p in problems[:4]])
        store.put_run({"verifiers": {}, "suite": {"name": "shards", "gold": "sympy", "arms": []}})
    return folder


def asking(server: JudgeServer, *more: str) -> list[str]:
    """All verifiers with their options."""
    settings = [f"verifiers.judge.{o}" for o in (f"base_url={server.base_url}", "model=m", *more)]
    settings += [f"verifiers.noisy_70.{option}" for option in NOISE]
    return [word for name in VERIFIERS for word in ("--verifier", name)] + [w for s in settings for w in ("--set", s)]


def parts_of(run: Path, folder: Path, *options: object, count: int = SHARDS) -> list[Path]:
    parts = [folder / f"part{index}" for index in range(1, count + 1)]
    for index, part in enumerate(parts, 1):
        result = restem("verify", run, "--shard", f"{index}/{count}", "--out", part, *options, "--quiet")
        assert result.exit_code == 0, result.output
    return parts


def copied(run: Path, place: Path) -> Path:
    return Path(shutil.copytree(run, place))


@given(st.text(), st.integers(1, 100))
def test_a_question_belongs_to_one_shard_of_those_that_there_are(question: str, count: int) -> None:
    shard = shard_of(question, count)
    assert shard == shard_of(question, count)
    assert 1 <= shard.index <= count == shard.count


def test_the_shard_of_a_question_is_the_same_everywhere() -> None:
    assert [shard_of(f"Solve x = {n} for x.", 16).index for n in range(6)] == [5, 6, 3, 10, 5, 8]


def test_merged_parts_give_the_rows_of_one_verification_in_any_order(
    run: Path, server: JudgeServer, tmp_path: Path
) -> None:
    alone = copied(run, tmp_path / "alone")
    assert restem("verify", alone, *asking(server), "--quiet").exit_code == 0
    expected, requests = lasting_rows(alone), server.requests
    before = (run / "run.db").read_bytes()
    parts = parts_of(run, tmp_path, *asking(server))
    assert (server.requests, (run / "run.db").read_bytes()) == (2 * requests, before)
    for place, order in enumerate((parts, parts[::-1])):
        merged = copied(run, tmp_path / f"merged{place}")
        results = [restem("merge", merged, part) for part in order]
        assert [result.exit_code for result in results] == [0] * SHARDS, results
        assert lasting_rows(merged) == expected
        assert "missing" in results[0].output
        assert "missing" not in results[-1].output
        assert restem("show", merged, "--json").stdout == restem("show", alone, "--json").stdout
        for command in (["check"], ["show"], ["report", "--output", tmp_path / f"page{place}"]):
            assert restem(command[0], merged, *command[1:]).exit_code == 0
    assert restem("compare", tmp_path / "merged1", alone, "--output", tmp_path / "compared").exit_code == 0


def test_a_part_that_is_merged_again_adds_nothing(run: Path, server: JudgeServer, tmp_path: Path) -> None:
    parts = parts_of(run, tmp_path, *asking(server))
    first = json.loads(restem("merge", run, *parts, "--json").stdout)["verifiers"]
    with Store(run) as store:
        rows = store.query("SELECT * FROM run"), store.query("SELECT * FROM event"), store.query("SELECT * FROM seal")
    again = json.loads(restem("merge", run, parts[1] / "run.db", *parts, "--json").stdout)["verifiers"]
    samples = 2 * INDICES * (PROBLEMS + 1)
    assert [(each["name"], each["new"], each["known"], each["missing"]) for each in first] == [
        (name, samples, 0, []) for name in VERIFIERS
    ]
    assert [(each["new"], each["known"], each["new_calls"]) for each in again] == [(0, samples, 0)] * len(VERIFIERS)
    with Store(run) as store:
        assert rows == tuple(store.query(f"SELECT * FROM {table}") for table in ("run", "event", "seal"))


def test_verdicts_that_a_run_has_are_not_made_again_by_its_shards(
    run: Path, server: JudgeServer, tmp_path: Path
) -> None:
    assert restem("verify", run, "--split", "test", *asking(server), "--quiet").exit_code == 0
    parts = parts_of(run, tmp_path, *asking(server))
    assert server.asked_again == 0
    merged = json.loads(restem("merge", run, *parts, "--json").stdout)["verifiers"]
    train = 2 * INDICES * (PROBLEMS // 2 + 1)
    assert {each["new"] for each in merged} == {train}


def test_many_shards_read_a_run_on_a_read_only_medium_at_once(run: Path, tmp_path: Path) -> None:
    options = ("--verifier", "sympy", "--verifier", "majority", "--quiet")
    with read_only(run, tmp_path / "medium") as medium:
        shards = [
            faults.start("verify", medium, "--shard", f"{index}/3", "--out", tmp_path / f"part{index}", *options)
            for index in (1, 2, 3)
        ]
        assert [faults.ended(shard).code for shard in shards] == [0, 0, 0]
        result = restem("verify", medium, "--shard", "1/3", *options)
        assert (result.exit_code, "cannot be written to; give another folder" in result.stderr) == (2, True)
    assert restem("merge", run, *(tmp_path / f"part{index}" for index in (1, 2, 3))).exit_code == 0
    assert restem("verify", run, *options).stdout == "sympy: 0 new verdicts\nmajority: 0 new verdicts\n"


def test_a_killed_shard_resumes_and_a_part_of_it_can_be_merged(run: Path, server: JudgeServer, tmp_path: Path) -> None:
    server.latency_seconds = 0.1
    options = ("--shard", "1/2", "--out", tmp_path / "part", "--quiet", *asking(server, "concurrency=2"))
    process = faults.start("verify", run, *options)
    while server.requests < 6 and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert faults.ended(process).code == -signal.SIGKILL
    assert "judge: missing shards: 1/2, 2/2" in " ".join(restem("merge", run, tmp_path / "part").output.split("\n"))
    server.latency_seconds = 0.0
    assert restem("verify", run, *options).exit_code == 0
    assert server.asked_again <= 2
    assert "judge: missing shards: 2/2" in restem("merge", run, tmp_path / "part").output


def test_shards_spend_an_equal_share_of_what_is_left_of_a_budget(
    run: Path, server: JudgeServer, tmp_path: Path
) -> None:
    limited = ("--verifier", "judge", *asking(server, "max_calls=16")[8:12], "--set", "verifiers.judge.max_calls=16")
    stopped = restem("verify", run, *limited, "--set", "verifiers.judge.max_calls=6", "--quiet")
    assert (stopped.exit_code, server.requests) == (1, 6)
    for index in (1, 2):
        part = restem("verify", run, "--shard", f"{index}/2", "--out", tmp_path / f"{index}", *limited, "--quiet")
        assert (part.exit_code, "budget of max_calls = 11 is used up" in part.stderr) == (1, True), part.output
        assert server.requests == 6 + 5 * index
    few = restem("verify", run, "--shard", "1/11", "--out", tmp_path / "few", *limited)
    assert (few.exit_code, "over 11 shards this is less than one call each" in few.stderr) == (2, True)


def test_what_two_parts_paid_for_one_request_counts_twice_and_only_twice(
    run: Path, server: JudgeServer, tmp_path: Path
) -> None:
    (one,) = parts_of(run, tmp_path / "a", *asking(server), count=1)
    (other,) = parts_of(run, tmp_path / "b", *asking(server), count=1)
    assert restem("merge", run, one).exit_code == 0
    for _ in range(2):
        assert restem("merge", run, other, one).exit_code == 0
        with Store(run) as store:
            (judge,) = (fingerprint for fingerprint, (name, _) in store.verifiers().items() if name == "judge")
            answered = sum(calls for _, calls, _, _ in store.spent(judge))
            assert (answered + store.unanswered(judge)["calls"], server.asked_again) == (server.requests, answered)


def test_a_part_of_another_run_is_refused_and_no_part_is_added(run: Path, tmp_path: Path) -> None:
    parts = parts_of(run, tmp_path, "--verifier", "sympy")
    before = lasting_rows(run)
    changed = copied(run, tmp_path / "changed")
    with edited(changed) as db:
        db.execute("UPDATE sample SET text = 'x = 5' WHERE id = (SELECT max(id) FROM sample)")
    others = parts_of(changed, tmp_path / "other", "--verifier", "sympy")
    result = restem("merge", run, *parts, *others)
    assert (result.exit_code, len(result.stderr.splitlines())) == (2, 1), result.output
    assert "not a part of" in result.stderr
    assert "text is 'x = 5', stored is 'x = " in result.stderr
    assert lasting_rows(run) == before


def test_a_part_made_with_other_options_is_refused(run: Path, server: JudgeServer, tmp_path: Path) -> None:
    one, two = (parts_of(run, tmp_path / str(votes), *asking(server, f"votes={votes}"), count=1)[0] for votes in (1, 3))
    result = restem("merge", run, one, two)
    assert (result.exit_code, "verifier judge is judge-" in result.stderr) == (2, True), result.output


def test_a_verdict_that_differs_from_a_stored_one_is_named(run: Path, tmp_path: Path) -> None:
    (part,) = parts_of(run, tmp_path, "--verifier", "sympy", count=1)
    assert restem("merge", run, part).exit_code == 0
    before = lasting_rows(run)
    with edited(part) as db:
        db.execute("UPDATE verdict SET outcome = 'undecided' WHERE sample = (SELECT max(sample) FROM verdict)")
    result = restem("merge", run, part)
    assert result.exit_code == 2
    assert "conflicts with" in result.stderr
    assert "outcome is 'undecided', stored is '" in result.stderr
    assert lasting_rows(run) == before


@pytest.mark.parametrize("shard", ["0/4", "5/4", "3", "x/y", "1/0", "-1/4", "²/4", "1/2/3"])
def test_a_shard_that_is_none_is_one_line(run: Path, shard: str) -> None:
    result = restem("verify", run, "--verifier", "sympy", f"--shard={shard}")
    assert (result.exit_code, "expected I/N with I from 1 to N" in result.stderr) == (2, True), result.output


def test_a_folder_that_holds_something_else_is_no_place_for_a_part(run: Path, tmp_path: Path) -> None:
    sympy = ("--verifier", "sympy", "--quiet")
    parts_of(run, tmp_path, "--verifier", "sympy", count=2)
    other = restem("verify", run, "--shard", "1/3", "--out", tmp_path / "part1", *sympy)
    itself = restem("verify", run, "--shard", "1/3", "--out", run, *sympy)
    merged = restem("merge", run, run)
    assert [result.exit_code for result in (other, itself, merged)] == [2, 2, 2]
    assert "there is the part of shard 1/2" in other.stderr
    assert "there is a run" in itself.stderr
    assert "no part of a run" in merged.stderr


def test_more_shards_than_problems_leave_some_empty(run: Path, tmp_path: Path) -> None:
    parts = parts_of(run, tmp_path, "--verifier", "sympy", count=30)
    assert "missing" not in restem("merge", run, *parts).output


def test_a_shards_part_stands_beside_the_run_where_no_folder_is_named(run: Path) -> None:
    result = restem("verify", run, "--verifier", "sympy", "--shard", "2/3")
    part = run.with_name("run.shards") / "2-of-3"
    assert f"part 2/3 is in {part}" in result.stdout
    assert str(Shard(index=2, count=3)) == "2/3"
    assert (part / "run.db").is_file()
