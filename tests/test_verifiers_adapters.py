"""Our verifiers as reward functions: every number is the projection of a verdict, whatever framework and text."""

from __future__ import annotations

import asyncio
import gc
import inspect
import json
import math
import pickle
import subprocess
import sys
import threading
import time
import types
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from restem.benchmarks.problem import Problem
from restem.harness.app.import_rollouts import Request, import_rollouts
from restem.harness.store.store import Store
from restem.verifiers import Attempt, Outcome, UnknownVerifier, Verdict, build, checked, verdict_of
from restem.verifiers.adapters import FORMS, UndecidedResponse, recorded, reward_function
from restem.verifiers.adapters.calls import CALLS
from restem.verifiers.adapters.scoring import Shared
from restem.verifiers.adapters.trainers import GYM_FAILURE
from restem.verifiers.code import code_allowed
from restem.verifiers.exact import sympy_exact
from restem.verifiers.worker import Worker
from tests.hostile import HOSTILE
from tests.judge_server import JudgeServer

QUESTION = "Solve 2*x = 14 for x."
RIGHT, WRONG, UNDECIDED = "So x = 7.", "So x = 8.", "x = 9**9**9**9**9"


def problem(reference: str = "7") -> Problem:
    return Problem(id="p", question=QUESTION, reference=reference, split="test", source="test")


def of_sympy(response: str, reference: str = "7") -> Verdict:
    (verdict,) = checked(build("sympy"), [Attempt(problem=problem(reference), response=response)])
    return verdict


def number(verdict: Verdict) -> float | None:
    return None if verdict.outcome is Outcome.UNDECIDED else float(verdict.outcome is Outcome.CORRECT)


# -- One call a framework ----------------------------------------------------------------------------------------------


def trace(response: str) -> Any:
    return types.SimpleNamespace(last_reply=response, messages=[])


def task(reference: str) -> Any:
    row = {"prompt": QUESTION, "answer": reference, "idx": 3}
    return types.SimpleNamespace(model_dump=lambda: row)


def gym_body(response: str, reference: str) -> dict[str, Any]:
    message = {"type": "message", "content": [{"type": "output_text", "text": response}]}
    return {
        "responses_create_params": {"input": [{"role": "user", "content": QUESTION}]},
        "response": {"output": [{"type": "reasoning", "summary": []}, message]},
        "expected_answer": reference,
    }


def sample(response: str, reference: str) -> Any:
    return types.SimpleNamespace(prompt=QUESTION, response=response, label=reference, metadata={}, index=0)


def messages(role: str, text: str) -> list[dict[str, str]]:
    return [{"role": role, "content": text}]


# Form -> the call by which its framework asks for the reward of one response, and the number in what comes back.
ONE: dict[str, tuple[Callable[[Any, str, str], Any], Callable[[Any], Any]]] = {
    "trl": (
        lambda f, r, a: f(prompts=[messages("user", QUESTION)], completions=[messages("assistant", r)], answer=[a]),
        lambda result: result[0],
    ),
    "tunix": (lambda f, r, a: f(prompts=[QUESTION], completions=[r], answer=[a]), lambda result: result[0]),
    "maxtext": (lambda f, r, a: f(prompts=[QUESTION], completions=[r], answer=[a]), lambda result: result[0]),
    "verl": (
        lambda f, r, a: f(
            data_source="gsm8k", solution_str=r, ground_truth=a, extra_info={"question": QUESTION, "index": 1}
        ),
        lambda result: result["score"],
    ),
    "verl_batch": (
        lambda f, r, a: f(
            data_sources=["gsm8k"], solution_strs=[r], ground_truths=[a], extra_infos=[{"question": QUESTION}]
        ),
        lambda result: result[0]["score"],
    ),
    "areal": (lambda f, r, a: f(QUESTION, r, [1], [2], answer=a), lambda result: result),
    "slime": (lambda f, r, a: f(None, sample(r, a)), lambda result: result),
    "remote": (lambda f, r, a: f(prompt=QUESTION, response=r, label=a), lambda result: result["reward"]),
    "verifiers": (lambda f, r, a: f(task(a), trace(r)), lambda result: None if result == {} else result),
    "rubric": (
        lambda f, r, a: f(messages("user", QUESTION), messages("assistant", r), answer=a),
        lambda result: result,
    ),
    "rubric_group": (lambda f, r, a: f([QUESTION], [r], answers=[a]), lambda result: result[0]),
    "nemo_gym": (
        lambda f, r, a: f(gym_body(r, a)),
        lambda result: None if GYM_FAILURE in result else result["reward"],
    ),
    "lm_eval": (
        lambda f, r, a: f({"question": QUESTION, "answer": a}, [r]),
        lambda result: result.get("sympy"),
    ),
}
# These need torch, or objects of their framework's own classes: tests/perf/doors_adapters.py calls them for real.
ELSEWHERE = {"openrlhf", "inspect", "lm_eval_filter", "lighteval"}
by_form = pytest.mark.parametrize("form", ONE)


def ask(form: str, response: str, reference: str = "7", **options: Any) -> Any:
    function = options.pop("function", None) or reward_function("sympy", form, **options)
    call, read = ONE[form]
    result = call(function, response, reference)
    return read(asyncio.run(result) if inspect.isawaitable(result) else result)


def test_every_form_is_called_here_or_by_its_framework() -> None:
    assert ONE.keys() | ELSEWHERE == FORMS.keys()


def can(form: str, undecided: str) -> bool:
    return undecided in FORMS[form].possible


# -- The projection ----------------------------------------------------------------------------------------------------

any_text = st.text(max_size=60) | st.sampled_from([RIGHT, WRONG, UNDECIDED, "", *(hostile.text for hostile in HOSTILE)])


@by_form
@settings(max_examples=25)
@given(response=any_text)
def test_the_number_is_that_of_the_verdict_for_any_text(form: str, response: str) -> None:
    # What a chat template's control tokens become is the law of test_benchmarks_chat_templates.
    if "<" in response or form == "verifiers":
        response = response.replace("<", "(").strip()
    expected = number(of_sympy(response))
    undecided = "none" if can(form, "none") else "zero"
    assert ask(form, response, undecided=undecided) == (0.0 if expected is None and undecided == "zero" else expected)


@by_form
@pytest.mark.parametrize("undecided", ["none", "zero", "raise"])
def test_undecided_becomes_what_was_asked_for_or_is_refused_before_any_work(form: str, undecided: Any) -> None:
    if not can(form, undecided):
        with pytest.raises(UnknownVerifier, match=r"needs a number, expected one of 'zero', 'raise'"):
            reward_function("sympy", form, undecided=undecided)
    elif undecided == "raise":
        with pytest.raises(UndecidedResponse, match=r"'sympy' cannot decide .*too_large"):
            ask(form, UNDECIDED, undecided=undecided)
    else:
        assert ask(form, UNDECIDED, undecided=undecided) == (None if undecided == "none" else 0.0)


@by_form
def test_a_decided_response_has_the_same_number_whatever_undecided_is(form: str) -> None:
    for undecided in FORMS[form].possible:
        assert [ask(form, response, undecided=undecided) for response in (RIGHT, WRONG)] == [1.0, 0.0]


def test_a_score_is_the_verifiers_own() -> None:
    class Half:
        name, fingerprint = "half", "half-1"

        def verify(self, attempts: Any) -> list[Verdict]:
            return [verdict_of(Outcome.CORRECT, score=0.625) for _ in attempts]

    arguments = {"prompts": ["q"], "completions": ["r"]}
    assert reward_function(Half(), "trl", value="score")(**arguments) == [0.625]
    assert reward_function(Half(), "trl")(**arguments) == [1.0]


def test_a_judge_that_is_away_is_no_zero() -> None:
    class Away:
        name, fingerprint = "away", "away-1"

        def verify(self, attempts: Any) -> list[Verdict]:
            raise ConnectionError("no judge")

    with pytest.raises(ConnectionError):
        reward_function(Away(), "verl")(solution_str="7", ground_truth="7")


# -- What a call holds -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "columns",
    [
        {"answer": ["7"]},
        {"ground_truth": ["7"]},
        {"solution": ["7"]},
        {"answer": ["7"], "solution": ["A long way to 7."]},
        {"answer": [["6", "7"]]},
        {"answer": [7]},
    ],
)
def test_the_reference_comes_from_the_usual_column(columns: dict[str, Any]) -> None:
    assert reward_function("sympy", "trl")(prompts=[QUESTION], completions=[RIGHT], **columns) == [1.0]


def test_the_reference_comes_from_the_named_column_by_dots() -> None:
    function = reward_function("sympy", "trl", reference="reward_model.ground_truth")
    columns = {"reward_model": [{"ground_truth": "7"}], "answer": ["8"]}
    assert function(prompts=[QUESTION], completions=[RIGHT], **columns) == [1.0]


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({}, "needs a reference, and none came with the call.*there are: prompts, completions"),
        ({"answer": ["7"], "gold": ["8"]}, "may be in 'answer', 'gold': say which"),
        ({"key": ["7"]}, "needs a reference"),
    ],
)
def test_no_reference_is_guessed(columns: dict[str, Any], message: str) -> None:
    with pytest.raises(UnknownVerifier, match=message):
        reward_function("sympy", "trl")(prompts=[QUESTION], completions=[RIGHT], **columns)


def test_a_verifier_without_a_reference_needs_no_column() -> None:
    assert reward_function("format_only", "trl")(prompts=[QUESTION], completions=[RIGHT]) == [1.0]


def test_unit_tests_come_from_the_named_column() -> None:
    function = reward_function("unit_tests", "trl", data="tests")
    tests = [{"tests": "assert add(1, 2) == 3", "entry_point": "add"}, '{"tests": "assert add(1, 2) == 4"}']
    programs = ["```python\ndef add(a, b):\n    return a + b\n```"] * 2
    with code_allowed(unsandboxed=True):
        assert function(prompts=["Write add(a, b)."] * 2, completions=programs, tests=tests) == [1.0, 0.0]


def test_the_question_is_read_out_of_a_chat_template() -> None:
    prompt = f"<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\n{QUESTION}<|im_end|>\n<|im_start|>assistant\n"
    (item,) = CALLS["openrlhf"].items(
        {"queries": [f"{prompt}{RIGHT}<|im_end|>"], "prompts": [prompt], "labels": ["7"]},
        FORMS["trl"]("sympy").columns,
    )
    assert (item.question, item.response, item.references) == (QUESTION, RIGHT, ("7",))


def test_reasoning_of_a_response_in_gyms_form_is_not_its_answer() -> None:
    body = gym_body(RIGHT, "7")
    body["response"]["output"][0]["summary"] = [{"text": WRONG}]
    assert asyncio.run(reward_function("sympy", "nemo_gym")(body))["extracted_answer"] == "7"


# -- Groups ------------------------------------------------------------------------------------------------------------


def test_whole_groups_are_one_batch_and_problems_stay_apart() -> None:
    function = reward_function("majority", "trl")
    prompts = [QUESTION] * 3 + ["Solve 2*y = 16 for y."] * 3
    completions = ["x = 7", "x = 7", "x = 8", "y = 8", "y = 7", "y = 8"]
    assert function(prompts=prompts, completions=completions) == [1.0, 1.0, 0.0, 1.0, 0.0, 1.0]


@pytest.mark.parametrize("form", sorted(form for form, call in CALLS.items() if form in FORMS and not call.batched))
def test_a_verifier_of_whole_groups_is_refused_where_responses_come_alone(form: str) -> None:
    with pytest.raises(UnknownVerifier, match=r"compares the responses to a problem"):
        reward_function("majority", form)


def test_a_group_of_one_is_refused_where_groups_are_possible() -> None:
    with pytest.raises(UnknownVerifier, match=r"--group-rm"):
        asyncio.run(reward_function("majority", "slime")(None, sample("x = 7", "7")))


def test_responses_of_two_calls_never_vote_together() -> None:
    function = reward_function("majority", "trl")
    assert function(prompts=[QUESTION] * 3, completions=["x = 8"] * 3) == [1.0] * 3
    assert function(prompts=[QUESTION] * 3, completions=["x = 7", "x = 7", "x = 8"]) == [1.0, 1.0, 0.0]


# -- Threads, event loops, processes -----------------------------------------------------------------------------------


def test_many_threads_get_their_own_verdicts() -> None:
    function = reward_function("sympy", "verl")

    def one(n: int) -> float:
        return function(solution_str=f"x = {n % 5}", ground_truth=str(n % 3), extra_info={"question": QUESTION})[
            "score"
        ]

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(one, range(200))) == [float(n % 5 == n % 3) for n in range(200)]


def test_a_verifier_is_never_in_two_threads_and_calls_that_wait_become_one_batch() -> None:
    class Slow:
        name, fingerprint = "slow", "slow-1"
        inside, batches = 0, []

        def verify(self, attempts: Any) -> list[Verdict]:
            Slow.inside += 1
            assert Slow.inside == 1
            time.sleep(0.05)
            Slow.batches.append(len(attempts))
            Slow.inside -= 1
            return [verdict_of(attempt.response == "right") for attempt in attempts]

    function = reward_function(Slow(), "verl")
    with ThreadPoolExecutor(20) as pool:
        texts = ["right" if n % 2 else "wrong" for n in range(20)]
        results = pool.map(lambda text: function(solution_str=text, ground_truth="7")["score"], texts)
        assert list(results) == [float(n % 2) for n in range(20)]
    assert sum(Slow.batches) == 20
    assert len(Slow.batches) < 10


def test_an_interrupted_thread_leaves_the_others_their_verdicts() -> None:
    class Once:
        name, fingerprint = "once", "once-1"
        interrupted = False
        entered = threading.Event()

        def verify(self, attempts: Any) -> list[Verdict]:
            if not Once.interrupted:
                Once.interrupted = True
                Once.entered.set()
                time.sleep(0.1)
                raise KeyboardInterrupt
            return [verdict_of(True) for _ in attempts]

    shared = Shared(Once())
    Once.interrupted = False
    (item,) = CALLS["verl"].items({"solution_str": "r", "ground_truth": "7"}, FORMS["verl"]("exact").columns)
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(shared.verify, [item])
        Once.entered.wait(5)
        second = pool.submit(shared.verify, [item])
        with pytest.raises(KeyboardInterrupt):
            first.result(10)
        assert [verdict.outcome for verdict in second.result(10)] == [Outcome.CORRECT]


def never(_: Any) -> None:
    """What the worker calls instead of a comparison."""
    while True:
        pass


def test_a_hanging_response_returns_in_time_and_the_event_loop_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    hanging = Worker("tests.test_verifiers_adapters:never", seconds_per_item=0.5, memory_bytes=1 << 29)
    monkeypatch.setattr(sympy_exact, "_WORKER", hanging)
    function = reward_function("sympy", "slime", undecided="zero")

    async def run() -> tuple[list[float], int]:
        ticks = 0
        # The first and the third need algebra.
        samples = [sample("(a + b)^2", "x"), sample(RIGHT, "7"), sample("(a - b)^2", "x")]
        rewards = asyncio.gather(*(function(None, each) for each in samples))
        while not rewards.done():
            await asyncio.sleep(0.01)
            ticks += 1
        return await rewards, ticks

    rewards, ticks = asyncio.run(run())
    hanging.close()
    assert rewards == [0.0, 1.0, 0.0]
    assert ticks > 10


def test_hostile_responses_return_in_time_from_threads() -> None:
    function = reward_function("sympy", "verl")

    def seconds(response: str) -> float:
        began = time.monotonic()
        function(solution_str=response, ground_truth="x + 1", extra_info={"question": "Simplify."})
        return time.monotonic() - began

    function(solution_str="1 + x", ground_truth="x + 1")  # starts the worker
    with ThreadPoolExecutor(8) as pool:
        assert max(pool.map(seconds, [hostile.text for hostile in HOSTILE])) < 60


def _in_child(function: Any, response: str) -> float:
    return function(QUESTION, response, [1], [2], answer="7")


FORK = """
import multiprocessing, sys, threading, time
from restem.verifiers.adapters import reward_function
from restem.verifiers.exact.sympy_exact import _WORKER

function = reward_function("sympy", "verl")
function(solution_str="1 + x", ground_truth="x + 1")

def ask(answers):
    answers.put(function(solution_str="(x + 1)^2", ground_truth="x^2 + 2*x + 1")["score"])

context = multiprocessing.get_context("fork")
answers = context.Queue()
with _WORKER._lock, function.shared._turn:
    child = context.Process(target=ask, args=(answers,))
    child.start()
    print(answers.get(timeout=60))
child.join()
"""


def test_a_fork_does_not_wait_for_a_thread_that_it_has_not_got() -> None:
    # As AReaL's pool of processes may be forked while another thread asks for a reward.
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", FORK], capture_output=True, text=True, timeout=120)
    assert (done.stdout.strip(), done.stderr) == ("1.0", "")


def test_a_judge_gets_the_requests_of_many_threads_and_each_its_own_reply(running: JudgeServer) -> None:
    running.latency_seconds = 0.1
    tables = {"judge": {"base_url": running.base_url, "model": "judge"}}
    function = reward_function("judge", "verl", tables=tables)

    def one(n: int) -> float:
        extra = {"question": QUESTION}
        return function(solution_str=f"x = {n % 8}", ground_truth="7", extra_info=extra)["score"]

    began = time.monotonic()
    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(one, range(32))) == [float(n % 8 == 7) for n in range(32)]
    running.latency_seconds = 0.0
    assert running.requests < 32  # equal requests of one batch are sent once
    assert time.monotonic() - began < 30


def test_a_reward_function_is_pickled_and_works_in_a_pool_of_processes() -> None:
    function = reward_function("sympy", "areal", undecided="zero", reference="answer")
    assert ask("areal", UNDECIDED, function=pickle.loads(pickle.dumps(function))) == 0.0
    import multiprocessing

    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert [pool.submit(_in_child, function, text).result() for text in (RIGHT, WRONG)] == [1.0, 0.0]


@by_form
def test_every_reward_function_can_be_pickled_with_its_settings(form: str) -> None:
    function = reward_function("sympy", form, value="score", reference="answer", tables={"sympy": {}})
    again = pickle.loads(pickle.dumps(function))
    assert (again.__name__, again.projection, again.columns) == ("sympy", function.projection, function.columns)


# -- The recorder ------------------------------------------------------------------------------------------------------


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@by_form
@pytest.mark.parametrize("response", [RIGHT, UNDECIDED])
def test_recorded_rows_hold_what_was_given_and_the_result_is_the_same(form: str, response: str, tmp_path: Path) -> None:
    plain = reward_function("sympy", form, undecided="none" if can(form, "none") else "zero")
    function = recorded(plain, tmp_path / "rows.jsonl")
    given = ask(form, response, function=function)
    assert given == ask(form, response, function=plain)
    (row,) = rows_of(tmp_path / "rows.jsonl")
    assert (row["question"], row["response"], row["references"]) == (QUESTION, response, ["7"])
    assert row["rewards"] == {"sympy": given}
    assert row["seconds"]["sympy"] >= 0


def test_null_is_kept_and_nan_becomes_it(tmp_path: Path) -> None:
    def mine(prompts: Any, completions: Any, **_: Any) -> list[float | None]:
        return [1.0, None, math.nan, 0.25]

    function = recorded(mine, tmp_path / "rows.jsonl")
    state = types.SimpleNamespace(global_step=12)
    given = function(prompts=["q"] * 4, completions=list("abcd"), answer=["7"] * 4, trainer_state=state)
    assert str(given) == str([1.0, None, math.nan, 0.25])
    rows = rows_of(tmp_path / "rows.jsonl")
    assert [row["rewards"]["mine"] for row in rows] == [1.0, None, None, 0.25]
    assert [row["step"] for row in rows] == [12] * 4
    assert [bool(row["reasons"]) for row in rows] == [False, True, True, False]


def test_functions_that_are_given_together_share_their_rows(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    first, second = recorded([reward_function("sympy", "trl"), reward_function("format_only", "trl")], path)
    for text in (RIGHT, WRONG):
        call = {"prompts": [QUESTION] * 2, "completions": [text] * 2, "answer": ["7"] * 2}
        values, formats = first(**call), second(**call)
        expected = [{"sympy": a, "format_only": b} for a, b in zip(values, formats, strict=True)]
        assert [row["rewards"] for row in rows_of(path)[-2:]] == expected
    assert len(rows_of(path)) == 4


def test_a_call_that_not_all_functions_answered_is_written_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    functions = recorded([reward_function("exact", "trl"), reward_function("format_only", "trl")], path)
    functions[0](prompts=[QUESTION], completions=[RIGHT], answer=["7"])
    assert not path.exists()
    del functions
    gc.collect()
    assert [row["rewards"] for row in rows_of(path)] == [{"exact": 1.0}]


def test_an_exception_passes_through_and_is_recorded_as_undecided(tmp_path: Path) -> None:
    def mine(data_source: Any, solution_str: str, ground_truth: Any, extra_info: Any = None) -> float:
        raise ZeroDivisionError("oh")

    with pytest.raises(ZeroDivisionError, match="oh"):
        recorded(mine, tmp_path / "rows.jsonl")("gsm8k", "r", "7")
    (row,) = rows_of(tmp_path / "rows.jsonl")
    assert (row["rewards"], row["reasons"]) == ({"mine": None}, {"mine": "ZeroDivisionError: oh"})


def test_every_reward_of_a_dictionary_is_recorded_by_name(tmp_path: Path) -> None:
    def mine(data_source: Any, solution_str: str, ground_truth: Any, extra_info: Any = None) -> dict[str, Any]:
        return {"score": 0.5, "format": 1, "pred": "7"}

    recorded(mine, tmp_path / "rows.jsonl", step=lambda: 4)("gsm8k", "r", "7", {"question": "q"})
    (row,) = rows_of(tmp_path / "rows.jsonl")
    assert (row["rewards"], row["step"], row["question"]) == ({"mine": 0.5, "mine.format": 1.0}, 4, "q")


def test_an_asynchronous_function_stays_a_coroutine_function(tmp_path: Path) -> None:
    async def mine(args: Any, sample: Any) -> float:
        return 0.5

    function = recorded(mine, tmp_path / "rows.jsonl")
    assert inspect.iscoroutinefunction(function)
    assert asyncio.run(function(None, sample("r", "7"))) == 0.5
    assert rows_of(tmp_path / "rows.jsonl")[0]["rewards"] == {"mine": 0.5}


def test_name_and_signature_are_those_of_the_function(tmp_path: Path) -> None:
    def mine(prompts: Any, completions: Any, answer: Any) -> list[float]:
        return [0.0]

    function = recorded(mine, tmp_path / "rows.jsonl")
    assert function.__name__ == "mine"
    assert inspect.signature(function) == inspect.signature(mine)


def test_rows_that_cannot_be_written_cost_no_reward(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def mine(prompts: Any, completions: Any) -> list[float]:
        return [0.0, 1.0]

    (tmp_path / "folder").mkdir()
    function = recorded(mine, tmp_path / "folder")
    for _ in range(2):
        assert function(["a"], ["b"]) == [0.0, 1.0]
    assert len(caplog.records) == 1


def test_a_function_of_no_known_convention_is_told_to_name_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert recorded(lambda text: 1.0, tmp_path / "rows.jsonl")("a") == 1.0
    assert "no known convention has the arguments text: name it, as in form='trl'" in caplog.text


@pytest.mark.parametrize(
    ("options", "message"),
    [({"form": "tlr"}, "expected one of verl"), ({"path": "no/rows.jsonl"}, "there is no folder")],
)
def test_a_wrong_recorder_is_refused_before_the_training(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = tmp_path / options.pop("path", "rows.jsonl")
    with pytest.raises(UnknownVerifier, match=message):
        recorded(print, path, **options)


def test_recorded_rows_are_imported_once(tmp_path: Path) -> None:
    path, out = tmp_path / "rows.jsonl", tmp_path / "run"
    function = recorded(reward_function("sympy", "trl"), path)
    for step in (1, 2):
        state = types.SimpleNamespace(global_step=step)
        function(prompts=[QUESTION] * 3, completions=[RIGHT, WRONG, UNDECIDED], answer=["7"] * 3, trainer_state=state)
    for new in (6, 0):
        (source,) = import_rollouts(Request(paths=(path,)), out, quiet=True)
        assert source.counts.imported == new
    with Store(out) as store:
        verifier = store.run()["verifiers"]["recorded:sympy"]
        for step in (1, 2):
            verdicts = [*store.verdicts(f"policy/{step}", "train", verifier).values()]
            assert [verdict.reward for verdict in verdicts] == [1, 0, None]
            assert verdicts[2].reason == "the function gave no number"
        (asked,) = store.problems("train")
        assert (asked.question, asked.references) == (QUESTION, ("7",))


def _record(path: Path, text: str) -> None:
    function = recorded(reward_function("exact", "verl"), path)
    for _ in range(50):
        function(solution_str=f"x = {text * 3000}", ground_truth="7")


def test_rows_of_several_processes_and_threads_never_mix(tmp_path: Path) -> None:
    import multiprocessing

    path = tmp_path / "rows.jsonl"
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        list(pool.map(_record, [path] * 4, "1234"))
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(_record, [path] * 4, "5678"))
    rows = rows_of(path)
    assert len(rows) == 400
    assert {len(set(row["response"][4:])) for row in rows} == {1}
