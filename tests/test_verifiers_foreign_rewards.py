"""Reward functions of other projects as verifiers: every convention, every failure, and what is refused before work."""

from __future__ import annotations

import json
import sys
import textwrap
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from restem.benchmarks.problem import Problem
from restem.harness.cli.main import main
from restem.verifiers import Attempt, JudgeUnavailable, Outcome, UnknownVerifier, Verdict, Verifier, build, checked
from restem.verifiers.code.permission import functions_allowed, permission
from restem.verifiers.foreign_rewards.verdicts import graded_verdict
from restem.verifiers.verdict import needs_whole_problems
from tests.hostile import HOSTILE, MARKER, question
from tests.reward_server import RewardServerAt

FUNCTIONS = """
import asyncio
import math
import os
import time


def trl(prompts, completions, solution, **kwargs):
    assert [len(prompts), len(solution)] == [len(completions)] * 2
    assert prompts[0][0]["role"] == "user"
    return [float(s in c[0]["content"]) for c, s in zip(completions, solution)]


def trl_text(completions, **kwargs):
    kwargs["log_extra"]("seen", completions)
    return [float(c.endswith(a)) for c, a in zip(completions, kwargs["answer"])]


def trl_hidden(completions, answer, **kwargs):
    return [float(a in text_of(c)) for c, a in zip(completions, answer)]


def text_of(completion):
    return completion[0].get("cont" + "ent")


async def trl_async(completions, answer, **kwargs):
    await asyncio.sleep(0)
    return [float(a in c) for c, a in zip(completions, answer)]


def tunix(prompts, completions, answer, **kwargs):
    return [float(a in c) for c, a in zip(completions, answer)]


def verl(data_source, solution_str, ground_truth, extra_info=None, bonus=0.0):
    assert extra_info["num_turns"] is None
    return {"score": float(ground_truth in solution_str) + bonus, "acc": 1.0, "pred": solution_str[-1:]}


def openrlhf(queries, prompts, labels):
    assert queries[0].startswith(prompts[0])
    return {"rewards": [float(label in query) for query, label in zip(queries, labels)], "extra_logs": {}}


def areal(prompt, completions, prompt_ids, completion_ids, answer, **kwargs):
    return float(answer in completions)


async def slime(args, sample, **kwargs):
    return float(sample.label in sample.response)


async def slime_batch(args, samples, **kwargs):
    return [float(sample.label in sample.response) for sample in samples]


def lm_eval(doc, results):
    return {"exact_match": float(doc["answer"] in results[0]), "length": len(results[0])}


def rubric(completion, answer, state):
    assert state["completion"] == completion
    return float(answer in completion[-1]["content"])


def plain(response, reference):
    return reference in response


def swapped(gold, prediction):
    return float(gold in prediction)


def by_place(a, b):
    return float(b in a)


def graded(response, reference):
    return {"7": 1.0, "half": 0.5, "low": 0.2, "two": 2, "minus": -1}[response]


def number(response, reference):
    if "asleep" in response:
        time.sleep(60)
    if "exit" in response:
        os._exit(0)
    if "eat" in response:
        bytearray(1 << 50)
    if "leave" in response:
        raise SystemExit(0)
    if "raise" in response:
        raise ValueError(response)
    values = {"nan": math.nan, "none": None, "inf": math.inf, "text": "1", "list": [1, 0], "dict": {}, "huge": 10**400}
    print("noise", os.write(1, b"[1, \\"done\\", 1]\\n"))
    return values.get(response, 1.0)


def short(completions, **kwargs):
    return [1.0]


def group_sleeps(completions, **kwargs):
    if any("asleep" in c for c in completions):
        time.sleep(60)
    return [1.0 for _ in completions]


def sees(response, reference):
    return float(reference in os.environ)


def whole_group(completions, **kwargs):
    return [len(completions)] * len(completions)


def writes(response, reference):
    with open(response, "w") as file:
        file.write("x" * 10)
    return 1.0


def token_ids(completions, completion_ids, **kwargs):
    return [1.0 for _ in completions]


def needs(completions, difficulty, **kwargs):
    return [float(d == "hard") for d in difficulty]
"""


@pytest.fixture(scope="module")
def rewards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("my rewards") / "rewards.py"
    path.write_text(FUNCTIONS, "utf-8")
    return path


def problem(reference: str | None = "7", *, number: int = 0, **data: Any) -> Problem:
    asked = f"What is x, in case {number}?"
    return Problem(id=f"p{number}", question=asked, reference=reference, split="test", source="test", data=data)


def verdicts(verifier: Verifier, responses: Sequence[str], of: Problem | None = None) -> list[Verdict]:
    return checked(verifier, [Attempt(problem=of or problem(), response=response) for response in responses])


def made(path: Path, convention: str, function: str, **options: Any) -> Verifier:
    name = f"{convention}:{path}:{function}"
    return build(name, {name: options})


# -- Conventions -------------------------------------------------------------------------------------------------------

CONVENTIONS = [
    *(("trl", name) for name in ("trl", "trl_text", "trl_hidden", "trl_async")),
    *((name, name) for name in ("tunix", "verl", "openrlhf", "areal", "slime", "lm_eval")),
    *(("slime", "slime_batch"), ("verifiers", "rubric"), ("reward", "plain")),
]


@pytest.mark.parametrize(("convention", "function"), CONVENTIONS)
def test_a_function_is_called_by_its_convention(rewards: Path, convention: str, function: str) -> None:
    of = verdicts(made(rewards, convention, function), ["x is 7", "x is 8", "7"])
    assert [verdict.outcome.value for verdict in of] == ["correct", "wrong", "correct"]
    assert {verdict.rule for verdict in of} == {convention}


RECOGNISED = [
    *(("trl", name) for name in ("trl", "trl_text", "trl_async", "tunix")),
    *((name, name) for name in ("verl", "openrlhf", "areal", "slime", "lm_eval")),
    *(("verifiers", "rubric"), *(("reward", name) for name in ("plain", "swapped", "by_place"))),
]


@pytest.mark.parametrize(("convention", "function"), RECOGNISED)
def test_the_convention_is_recognised_from_the_signature(rewards: Path, convention: str, function: str) -> None:
    verifier = made(rewards, "reward", function)
    assert f"called as {convention} calls {function}(" in getattr(verifier, "note", "")
    assert [verdict.outcome.value for verdict in verdicts(verifier, ["7", "8"])] == ["correct", "wrong"]


def test_a_group_is_one_call_and_no_verifier_of_whole_problems(rewards: Path) -> None:
    verifier = made(rewards, "trl", "whole_group", threshold=2)
    assert not needs_whole_problems(verifier)
    attempts = [Attempt(problem=problem(number=n), response=str(n)) for n in (1, 2, 1)]
    assert [verdict.outcome.value for verdict in checked(verifier, attempts)] == ["correct", "wrong", "correct"]


def test_columns_of_the_problem_reach_the_function_and_come_before_its_reference(rewards: Path) -> None:
    verifier = made(rewards, "trl", "needs")
    assert [v.reward for d in ("hard", "easy") for v in verdicts(verifier, ["a"], problem(difficulty=d))] == [1, 0]
    other = made(rewards, "trl", "trl_text")
    assert verdicts(other, ["8"], problem("7", answer="8"))[0].reward == 1


def test_keywords_are_given_to_every_call(rewards: Path) -> None:
    plain, paid = (made(rewards, "verl", "verl", keywords=keywords) for keywords in ({}, {"bonus": 0.6}))
    assert [verdicts(verifier, ["8"])[0].reward for verifier in (plain, paid)] == [0, 1]
    assert plain.fingerprint != paid.fingerprint


def test_each_accepted_answer_is_tried(rewards: Path) -> None:
    several = Problem(id="p", question="?", reference="7", alternatives=("8",), split="test", source="test")
    assert [v.reward for v in verdicts(made(rewards, "reward", "plain"), ["7", "8", "9"], several)] == [1, 1, 0]


def test_a_module_is_named_as_well_as_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "graders.py").write_text("def same(response, reference):\n    return response == reference\n", "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    verifier = build("reward:graders:same")
    assert "packages" not in verifier.fingerprint
    assert verifier.name == "reward:graders:same"


@pytest.mark.parametrize(
    "source", ["from os import system as f", "from functools import partial\nf = partial(eval, {})"]
)
def test_a_function_of_the_standard_library_is_no_reward_in_a_file_either(tmp_path: Path, source: str) -> None:
    (tmp_path / "mine.py").write_text(source, "utf-8")
    with pytest.raises(UnknownVerifier, match="standard library, which has no rewards"):
        made(tmp_path / "mine.py", "reward", "f")


# -- Numbers -----------------------------------------------------------------------------------------------------------


def test_numbers_are_correct_from_the_threshold_on(rewards: Path) -> None:
    name = f"reward:{rewards}:graded"
    of = {limit: verdicts(build(name, {name: {"threshold": limit}}), ["7", "half", "low"]) for limit in (0.5, 0.1, 0.9)}
    assert {limit: [v.reward for v in each] for limit, each in of.items()} == {
        0.5: [1, 1, 0],
        0.1: [1, 1, 1],
        0.9: [1, 0, 0],
    }
    assert [v.score for v in of[0.9]] == [1.0, 0.5, 0.2]


def test_a_number_outside_of_0_to_1_has_the_score_of_its_outcome(rewards: Path) -> None:
    of = verdicts(made(rewards, "reward", "graded"), ["two", "minus"])
    assert [(v.reward, v.score, v.raw_reward) for v in of] == [(1, 1.0, 2.0), (0, 0.0, -1.0)]


@pytest.mark.parametrize("number", [0.0, 1.0, -3.0, 2.0, 0.5])
@pytest.mark.parametrize("threshold", [-5.0, 0.0, 0.5, 1.0, 5.0])
def test_every_number_makes_a_valid_verdict(number: float, threshold: float) -> None:
    verdict = graded_verdict(number, threshold)
    assert (verdict.reward == 1) == (number >= threshold)
    assert verdict.score is not None
    assert verdict.score > 0 if verdict.reward else verdict.score < 1


REASONS = {
    "nan": "gave NaN",
    "none": "gave None",
    "inf": "gave an infinity",
    "huge": "gave an infinity",
    "text": "found str, expected a number",
    "list": "found 2 values, expected a number",
    "dict": "no score in a dict of ",
    "exit": "worker: crashed: exit status 0",
    "eat": "worker: memory",
    "leave": "worker: crashed: exit status 0",
    "asleep": "worker: timeout: over 2 s",
}


def test_what_is_no_number_is_undecided_with_the_reason_and_never_wrong(rewards: Path) -> None:
    of = verdicts(made(rewards, "reward", "number", seconds=2.0), ["fine", *REASONS, "fine"])
    assert [v.reward for v in of] == [1, *[None] * len(REASONS), 1]
    assert dict(zip(REASONS, (v.reason for v in of[1:-1]), strict=True)) == REASONS


def test_an_exception_is_a_reason_with_its_place_and_without_the_response(rewards: Path) -> None:
    (verdict,) = verdicts(made(rewards, "reward", "number"), ["raise secret words"])
    assert verdict.reason is not None
    assert verdict.reason.startswith("raised ValueError (rewards.py:")
    assert "secret" not in verdict.reason


def test_a_wrong_count_is_undecided(rewards: Path) -> None:
    of = verdicts(made(rewards, "trl", "short"), ["a", "b"])
    assert {v.reason for v in of} == {"found 1 numbers for 2 responses"}


def test_a_response_that_stalls_its_group_leaves_its_siblings_their_verdicts(rewards: Path) -> None:
    of = verdicts(made(rewards, "trl", "group_sleeps", seconds=2.0), ["a", "asleep", "b"])
    assert [v.reward for v in of] == [1, None, 1]


def test_the_function_sees_the_variables_that_are_named_and_no_others(
    rewards: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", "k")
    closed, opened = (made(rewards, "reward", "sees", environment=names) for names in ([], ["MY_KEY"]))
    of = problem("MY_KEY")
    assert [verdicts(verifier, [""], of)[0].reward for verifier in (closed, opened)] == [0, 1]


def test_the_function_may_write_files_in_the_folder_of_the_command(
    rewards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert verdicts(made(rewards, "reward", "writes"), ["here.txt"])[0].reward == 1
    assert (tmp_path / "here.txt").read_text() == "x" * 10


def test_hostile_texts_give_valid_verdicts_and_are_not_executed(rewards: Path) -> None:
    for convention, function in (("trl", "trl"), ("verl", "verl"), ("reward", "plain"), ("slime", "slime")):
        verifier = made(rewards, convention, function)
        attempts = [
            Attempt(
                problem=Problem(
                    id=str(n), question=question(hostile.gold), reference=hostile.gold, split="test", source="test"
                ),
                response=hostile.text,
            )
            for n, hostile in enumerate(HOSTILE)
        ]
        assert all(v.outcome is not Outcome.UNDECIDED for v in checked(verifier, attempts))
    assert not MARKER.exists()


def test_half_a_surrogate_pair_reaches_the_function(rewards: Path) -> None:
    assert verdicts(made(rewards, "reward", "plain"), ["7 \ud800"])[0].reward == 1


def test_another_interpreter_needs_no_installation(rewards: Path) -> None:
    verifier = made(rewards, "reward", "plain", python=sys.executable)
    assert [v.reward for v in verdicts(verifier, ["7", "8"])] == [1, 0]


def test_an_answer_with_half_a_surrogate_pair_can_be_stored(rewards: Path) -> None:
    (verdict,) = verdicts(made(rewards, "verl", "verl"), ["7 \ud800"])
    assert verdict.answer == "\ufffd"


# -- Fingerprints ------------------------------------------------------------------------------------------------------


def fingerprint(folder: Path, body: str = "return 1.0", beside: str = "", **options: Any) -> str:
    folder.mkdir(exist_ok=True)
    (folder / "beside.py").write_text(f"VALUE = 1\n{beside}", "utf-8")
    file = folder / "mine.py"
    file.write_text(f"import beside\n\n\ndef f(response, reference):\n    {body}\n", "utf-8")
    return made(file, "reward", "f", **options).fingerprint


def test_the_fingerprint_follows_the_file_those_beside_it_and_the_options_and_not_the_folder(tmp_path: Path) -> None:
    first = fingerprint(tmp_path / "a")
    assert fingerprint(tmp_path / "b") == first
    assert fingerprint(tmp_path / "a", "return 0.0") != first
    assert fingerprint(tmp_path / "a") == first
    assert fingerprint(tmp_path / "c", beside="VALUE = 2\n") != first
    assert fingerprint(tmp_path / "a", threshold=0.7) != first
    assert first.startswith("reward.f-")


# -- Refused before any work -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("trl:{folder}/reward.py:trl", r"there is no file .*/reward.py \(did you mean 'rewards.py'\?\)"),
        ("trl:C:\\mine\\rewards.py:trl", r"there is no file C:\\mine\\rewards.py"),
        ("trl:{folder}/rewards.py:tlr", "there is no function 'tlr' in it, only trl"),
        ("trl:{folder}/rewards.py", "expected trl:FILE_OR_MODULE:FUNCTION"),
        ("trl:{folder}/rewards.py:a b", "found 'a b' as a function's name"),
        ("trl:{folder}:trl", "is a folder"),
        ("trl:no.such.module:f", "does not load: ModuleNotFoundError: No module named 'no'"),
        ("inspect:a b", "expected inspect:SCORER"),
        ("http://user:word@host/verify", "without credentials"),
    ],
)
def test_a_name_that_leads_nowhere_is_one_error(rewards: Path, name: str, message: str) -> None:
    with pytest.raises(UnknownVerifier, match=message):
        build(name.format(folder=rewards.parent))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"treshold": 1}, r"unknown option 'treshold' \(did you mean 'threshold'\?\)"),
        ({"threshold": "high"}, "found 'high', expected a number"),
        ({"completions": "chat"}, "expected one of auto, text, messages"),
        ({"python": "/no/python"}, "expected the path of a Python interpreter"),
    ],
)
def test_a_wrong_option_is_one_error(rewards: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UnknownVerifier, match=message):
        made(rewards, "reward", "plain", **options)


def test_a_file_that_raises_or_exits_when_it_is_loaded_is_one_error(tmp_path: Path) -> None:
    for body, message in (
        ("1 / 0", "ZeroDivisionError"),
        ("import os; os._exit(3)", "exit status 3"),
        ("x =", "Syntax"),
    ):
        file = tmp_path / "mine.py"
        file.write_text(body, "utf-8")
        with pytest.raises(UnknownVerifier, match=message):
            made(file, "reward", "f")


def test_a_module_of_a_prefix_with_a_factory_stays_a_factory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = """
        from restem.verifiers import Outcome, verdict_of
        class Mine:
            name, fingerprint = "mine", "mine-1"
            def verify(self, attempts):
                return [verdict_of(True) for _ in attempts]
    """
    (tmp_path / "reward.py").write_text(textwrap.dedent(source), "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert verdicts(build("reward:Mine"), ["7"])[0].reward == 1


# -- The command -------------------------------------------------------------------------------------------------------


def rows(folder: Path, *responses: str, **fields: Any) -> Path:
    path = folder / "rows.jsonl"
    lines = [
        {"id": n, "question": "2*x = 14", "reference": "7", "response": response, **fields}
        for n, response in enumerate(responses)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return path


def verified(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["verify", *map(str, arguments)])


def test_the_command_says_how_the_function_is_called_and_scores_its_rows(rewards: Path, tmp_path: Path) -> None:
    done = verified("--verifier", f"trl:{rewards}:trl", "--input", rows(tmp_path, "7", "8"))
    assert done.exit_code == 0
    assert [(json.loads(line)["reward"], json.loads(line)["raw_reward"]) for line in done.stdout.splitlines()] == [
        (1, 1.0),
        (0, 0.0),
    ]
    assert "called as trl calls trl(prompts, completions, solution, **kwargs)" in done.stderr
    assert "columns solution" in done.stderr


def test_a_column_that_no_row_has_is_an_error_before_any_work(rewards: Path, tmp_path: Path) -> None:
    for function, column in (("needs", "difficulty"), ("token_ids", "completion_ids")):
        done = verified("--verifier", f"trl:{rewards}:{function}", "--input", rows(tmp_path, "7", data={"level": 3}))
        assert done.exit_code == 2
        assert f"asks for '{column}', and no problem has a column of that name" in done.output
        assert "level" in done.output
    done = verified("--verifier", f"trl:{rewards}:trl", "--input", rows(tmp_path, "7", reference=None))
    assert "asks for 'solution', and no problem has a reference" in done.output


def test_a_column_that_some_rows_lack_leaves_them_undecided(rewards: Path) -> None:
    verifier = made(rewards, "trl", "needs")
    attempts = [
        Attempt(problem=problem(number=1), response="a"),
        Attempt(problem=problem(number=2, difficulty="hard"), response="a"),
    ]
    assert [(v.reward, v.reason) for v in checked(verifier, attempts)] == [
        (None, "no column 'difficulty'"),
        (1, None),
    ]


def test_options_are_set_by_the_name_of_the_function(rewards: Path, tmp_path: Path) -> None:
    name = f"reward:{rewards}:graded"
    done = verified(
        "--verifier", name, "--input", rows(tmp_path, "half"), "--set", f"verifiers.{name}.threshold=0.9", "--quiet"
    )
    assert [json.loads(line)["reward"] for line in done.stdout.splitlines()] == [0]


def table(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text, "utf-8")
    return path


@pytest.mark.parametrize(
    "text",
    [
        '[verifiers.mine]\ntype = "reward:{file}:plain"\n',
        '[verifiers.mine]\ntype = "all_of"\nmembers = ["sympy", "reward:{file}:plain"]\n',
    ],
)
def test_a_function_that_a_file_names_is_called_only_where_the_user_allows_it(
    rewards: Path, tmp_path: Path, text: str
) -> None:
    config = table(tmp_path, text.format(file=rewards))
    arguments = ["--verifier", "mine", "--config", config, "--input", rows(tmp_path, "x = 7")]
    refused, allowed = verified(*arguments), verified(*arguments, "--allow-code")
    assert refused.exit_code == 2
    assert "whose code is not executed by default" in refused.output
    assert "--allow-code" in refused.output
    assert allowed.exit_code == 0


def test_an_interpreter_that_a_file_names_is_started_only_where_the_user_allows_it(
    rewards: Path, tmp_path: Path
) -> None:
    name = f"reward:{rewards}:plain"
    config = table(tmp_path, f'[verifiers."{name}"]\npython = "{sys.executable}"\n')
    arguments = ["--verifier", name, "--config", config, "--input", rows(tmp_path, "7")]
    assert "decides what is executed" in verified(*arguments).output
    assert verified(*arguments, "--allow-code").exit_code == 0


def test_a_suite_that_names_a_function_needs_the_permission_too(rewards: Path, tmp_path: Path) -> None:
    suite = tmp_path / "mine.toml"
    CliRunner().invoke(main, ["init", str(suite)])
    named = suite.read_text("utf-8").replace('scoring = ["exact",', f'scoring = ["reward:{rewards}:plain",')
    suite.write_text(named, "utf-8")
    done = CliRunner().invoke(main, ["run", str(suite), "--out", str(tmp_path / "run")])
    assert done.exit_code == 2
    assert "whose code is not executed by default" in done.output


# -- Servers -----------------------------------------------------------------------------------------------------------


def gym(path: str, body: dict[str, Any]) -> tuple[int, Any]:
    text = body["response"]["output"][-1]["content"][0]["text"]
    return 200, {**body, "reward": float(body["expected_answer"] in text), "extracted_answer": text[-1:]}


def test_a_server_of_nemo_gym_is_asked_in_its_shape() -> None:
    with RewardServerAt(gym) as server:
        verifier = build(f"{server.address}/verify")
        of = verdicts(verifier, ["x is 7", "8"])
        assert [(v.reward, v.answer, v.rule) for v in of] == [(1, "7", "nemo_gym"), (0, "8", "nemo_gym")]
        assert server.seen[0]["responses_create_params"]["input"][0]["role"] == "user"
        assert server.seen[0]["response"]["object"] == "response"
    assert build("http://a:1/verify").fingerprint != build("http://b:1/verify").fingerprint


@pytest.mark.parametrize(
    ("shape", "answer"),
    [
        ("slime", lambda path, body: (200, float(body["label"] in body["response"]))),
        ("slime", lambda path, body: (200, {"score": float(body["label"] in body["response"])})),
        ("openrlhf", lambda path, body: (200, {"rewards": [float(body["labels"][0] in body["query"][0][-1])]})),
    ],
)
def test_remote_rewards_of_trainers_are_asked_in_their_shapes(shape: str, answer: Any) -> None:
    with RewardServerAt(answer) as server:
        name = f"{server.address}/"
        of = verdicts(build(name, {name: {"shape": shape}}), ["is 7", "is 8"])
        assert [v.reward for v in of] == [1, 0]


def replies(path: str, body: dict[str, Any]) -> tuple[int, Any]:
    fault = {"detail": [{"loc": ["body", "expected_answer"], "msg": "Field required", "input": body}]}
    by_text = {
        "null": (200, {"reward": None}),
        "nan": (200, b'{"reward": NaN}'),
        "text": (200, b"<html>"),
        "empty": (200, {"other": 1}),
        "refused": (422, fault),
        "broken": (500, b"Internal Server Error"),
        "huge": (200, b" " * 4_000_001),
    }
    text = body["response"]["output"][-1]["content"][0]["text"]
    return by_text.get(text, (200, {"reward": 1.0}))


def test_a_reply_without_a_number_is_undecided_with_the_reason() -> None:
    reasons = {
        "null": "gave None",
        "nan": "gave NaN",
        "text": "the reply is not JSON",
        "empty": "no score in a dict of other",
        "refused": "http 422: body.expected_answer: Field required",
        "broken": "http 500",
        "huge": "the reply is not read: it has more than 4000000 bytes",
    }
    with RewardServerAt(replies) as server:
        of = verdicts(build(f"{server.address}/verify"), ["fine", *reasons])
    assert [v.reward for v in of] == [1, *[None] * len(reasons)]
    assert dict(zip(reasons, (v.reason for v in of[1:]), strict=True)) == reasons


def test_a_reply_that_does_not_come_in_time_is_undecided() -> None:
    over = threading.Event()

    def late(path: str, body: dict[str, Any]) -> tuple[int, Any]:
        over.wait(60)
        return 200, {"reward": 1.0}

    with RewardServerAt(late) as server:
        name = f"{server.address}/verify"
        (verdict,) = verdicts(build(name, {name: {"seconds": 0.2}}), ["7"])
        over.set()
    assert (verdict.reward, verdict.reason) == (None, "timeout: over 0.2 s")


def test_a_server_that_is_not_there_or_has_no_such_address_stops_the_scoring() -> None:
    with pytest.raises(JudgeUnavailable, match="cannot be reached"):
        verdicts(build("http://127.0.0.1:9/verify"), ["7"])
    with RewardServerAt(lambda path, body: (404, {})) as server, pytest.raises(JudgeUnavailable, match="answers 404"):
        verdicts(build(f"{server.address}/verify"), ["7"])


@pytest.mark.parametrize(
    ("typed", "may"),
    [
        ("trl:rewards.py:correct", True),
        ("trl:rewards.py:correct_too", False),
        ("verifiers.mine.type=trl:rewards.py:correct", True),
        ('verifiers.both.members=["sympy", "trl:rewards.py:correct"]', True),
        ("verifiers.mine.type=my_trl:rewards.py:correct", False),
    ],
)
def test_the_command_line_permits_the_function_that_it_names_and_no_other(typed: str, may: bool) -> None:
    with functions_allowed([typed]):
        assert permission().may_call("trl:rewards.py:correct") is may


def test_the_command_line_permits_the_option_that_it_sets_and_no_other() -> None:
    with functions_allowed(["verifiers.mine.python=/usr/bin/python3", "trl:a.environment=b.py:f"]):
        assert permission().may_set("python")
        assert not permission().may_set("environment")
