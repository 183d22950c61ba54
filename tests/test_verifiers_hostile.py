"""No text, as response, reference or question, is accepted, executed or slow, or changes any later verdict."""

from __future__ import annotations

import builtins
import contextlib
import functools
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from restem.benchmarks.problem import Problem
from restem.verifiers import catalog
from restem.verifiers.verdict import Attempt, Outcome, Verdict, Verifier, checked
from tests import building
from tests.hostile import FAR, HOSTILE, MARKER, MASTER_KEYS, SYMBOLS, Hostile, question
from tests.judge_server import JudgeServer
from tests.strategies import mixed_texts, mutated_texts

COMPARING = ("sympy", "exact", "substitution", "majority")  # they compare the value or text of the answer
NAMES = (*COMPARING, "format_only")
# Every other built-in verifier: made of those above, or independent of the response, or a foreign package, or asking a
# judge, here one that accepts nothing.
OTHERS = tuple(name for name in catalog.names() if name not in NAMES)
ACCEPTING = {"accept_all", "random", "inverted", "noisy", "math_verify"}  # they accept wrong answers by design
CPU_LIMIT = 0.05
SIBLINGS = 3  # right responses to the same problem, for a majority
FAR_QUESTION = question(FAR)

by_name = pytest.mark.parametrize("name", NAMES)
by_comparing = pytest.mark.parametrize("name", COMPARING)


@functools.cache
def built(name: str) -> Verifier:
    return catalog.build(name, {judge: {"model": "m"} for judge in catalog.JUDGES})


@pytest.fixture(scope="module", autouse=True)
def judge_that_accepts_nothing() -> Iterator[None]:
    """The server of all judges in this file. It answers 0, so that an accepted response was accepted by our code."""
    with JudgeServer() as server, pytest.MonkeyPatch.context() as patch:
        server.answer = lambda prompt: "0"
        patch.setenv("OPENAI_BASE_URL", server.base_url)
        yield


def verdict(name: str, response: str, reference: str, asked: str) -> Verdict:
    """The verdict on a response; for `majority`, beside right responses to the same problem."""
    problem = Problem(id="p", question=asked, reference=reference, split="test", source="test")
    texts = [response, *[f"The answer is {reference[:60]}."] * (SIBLINGS if name == "majority" else 0)]
    return checked(built(name), [Attempt(problem=problem, response=text) for text in texts])[0]


def cpu_seconds(name: str, response: str, reference: str, asked: str) -> float:
    """CPU time of this process, the least of ten tries, because a busy machine lengthens CPU time too."""
    problem = Problem(id="p", question=asked, reference=reference, split="test", source="test")
    least = float("inf")
    for _ in range(10):
        began = time.process_time()
        built(name).verify([Attempt(problem=problem, response=response)])
        least = min(least, time.process_time() - began)
        if least < CPU_LIMIT:
            break
    return least


# -- Auditing what Python executes ------------------------------------------------------------------------------------

RUNS = {"compile", "exec", "os.system", "os.exec", "os.kill", "os.posix_spawn", "subprocess.Popen", "shutil.rmtree"}
_seen: list[str] | None = None


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if _seen is not None and (event in RUNS or (event == "open" and str(arguments[0]) == str(MARKER))):
        _seen.append(event)


sys.addaudithook(_watch)


@contextlib.contextmanager
def watched() -> Iterator[list[str]]:
    """The audit events of compilation, execution and new processes during the block."""
    global _seen
    _seen = events = []
    try:
        yield events
    finally:
        _seen = None


def globals_now() -> tuple[object, ...]:
    """The global state that a response might change for later responses."""
    return (
        sympy.Integer(5) == 6,
        *(dict(vars(owner)) for owner in (builtins, sympy.Integer, sympy.Rational, Fraction)),
        *(sys.get_int_max_str_digits(), sys.getrecursionlimit(), signal.getsignal(signal.SIGALRM), os.getcwd()),
        dict(os.environ),
    )


def test_the_audit_sees_an_evaluation() -> None:
    with watched() as seen:
        eval("6 + 1")
    assert seen == ["compile", "exec"]


# -- The corpus --------------------------------------------------------------------------------------------------------


@by_comparing
def test_no_hostile_text_is_accepted(name: str) -> None:
    verdicts = [(hostile, verdict(name, hostile.text, hostile.gold, question(hostile.gold))) for hostile in HOSTILE]
    accepted = [text.label for text, verdict in verdicts if verdict.outcome is Outcome.CORRECT and not text.right]
    assert accepted == []


@pytest.mark.parametrize("name", ["sympy", "substitution"])
def test_an_odd_text_of_the_right_value_is_never_called_wrong(name: str) -> None:
    right = [hostile for hostile in HOSTILE if hostile.right]
    assert right
    verdicts = {hostile.label: verdict(name, hostile.text, hostile.gold, question(hostile.gold)) for hostile in right}
    assert [label for label, verdict in verdicts.items() if verdict.outcome is Outcome.WRONG] == []


@by_name
def test_no_hostile_text_is_run_or_changes_anything(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    verdict(name, "x = 7", "7", question("7"))  # imports what it needs
    verdict(name, "x = 7", "x + 1", question("x + 1"))
    before = globals_now()
    numeric = [hostile for hostile in HOSTILE if hostile not in SYMBOLS]
    with watched() as seen:
        for hostile in numeric:
            verdict(name, f"x = {hostile.text}", "7", question("7"))
    assert seen == []
    assert globals_now() == before
    assert not MARKER.exists()
    assert list(tmp_path.iterdir()) == []


@by_name
def test_no_hostile_text_takes_long(name: str) -> None:
    def seconds(hostile: Hostile) -> float:
        return cpu_seconds(name, hostile.text, "7", question("7"))

    verdict(name, "x = 7.0 or so, one says", "7", question("7"))  # compiles the patterns of this variable
    assert [hostile.label for hostile in HOSTILE if seconds(hostile) > CPU_LIMIT] == []


# Questions that name no letter to solve for, so that answers are read in marks and sentences, and their references.
OPEN = (
    ("How many apples are left?", FAR),
    ("Who is the fastest, Ana or Cleo?", "\\text{Cleo}"),
    ("Find the polynomial.", "x^2 + 1"),
)
# Each asks the patterns for sentences, marks and denials to look at thousands of places.
FLOODS = ("$", "(", "{", " (", "**7** ", "7, ", "= 7 ", "so 7 ", "a b c ", "7 of the ", "no apples are ", "Ana is ")
FLOODED = (*(hostile.text for hostile in HOSTILE), *(flood * (8000 // len(flood)) for flood in FLOODS))


@pytest.mark.parametrize(("asked", "reference"), OPEN)
def test_no_hostile_answer_to_an_open_question_is_accepted_or_takes_long(asked: str, reference: str) -> None:
    assert [text[:40] for text in FLOODED if verdict("sympy", text, reference, asked).outcome is Outcome.CORRECT] == []
    assert [text[:40] for text in FLOODED if cpu_seconds("sympy", text, reference, asked) > CPU_LIMIT] == []


@by_name
def test_a_hostile_question_or_reference_breaks_nothing_and_accepts_nothing(name: str) -> None:
    accepted: list[str] = []
    for hostile in HOSTILE:
        verdicts = [
            verdict(name, "x = 8", FAR, hostile.text),
            verdict(name, "x = 8", FAR, f"Solve {hostile.text} = 0 for x."),
            verdict(name, f"x = {FAR}", hostile.text, FAR_QUESTION) if name != "substitution" else None,
        ]
        if name in ("sympy", "exact", "majority") and Outcome.CORRECT in [
            verdict.outcome for verdict in verdicts if verdict
        ]:
            accepted.append(hostile.label)
        verdict(name, hostile.text, hostile.text, hostile.text)  # it may equal itself
    assert accepted == []


@by_name
def test_half_a_surrogate_pair_is_only_a_character(name: str) -> None:
    for text in ("\ud800", "x = 7\udfff", "\ud83d 7"):
        assert name == "format_only" or verdict(name, text, FAR, FAR_QUESTION).outcome is not Outcome.CORRECT
        verdict(name, "x = 7", text, text)


def test_master_keys_are_wrong_by_rule_without_a_call() -> None:
    judge = building.judge(name="judge", base_url="http://127.0.0.1:9/v1", max_attempts=1)  # no server listens there
    problem = Problem(id="p", question=question("7"), reference="7", split="test", source="test")
    verdicts = checked(judge, [Attempt(problem=problem, response=key.text) for key in MASTER_KEYS])
    assert {verdict.outcome for verdict in verdicts} == {Outcome.WRONG}
    assert sum(verdict.tokens for verdict in verdicts) == 0


@pytest.mark.parametrize("name", OTHERS)
def test_every_other_verifier_gives_valid_verdicts_on_hostile_text_and_executes_none(name: str) -> None:
    problems = [
        Problem(id=str(index), question=question(hostile.gold), reference=hostile.gold, split="test", source="test")
        for index, hostile in enumerate(HOSTILE)
    ]
    attempts = [Attempt(problem=p, response=hostile.text) for p, hostile in zip(problems, HOSTILE, strict=True)]
    verdicts = checked(built(name), attempts)
    accepted = [
        hostile.label
        for hostile, verdict in zip(HOSTILE, verdicts, strict=True)
        if verdict.outcome is Outcome.CORRECT and not hostile.right
    ]
    assert name in ACCEPTING or accepted == []
    assert not MARKER.exists()


# -- Symbolic references: these answers go to the worker ---------------------------------------------------------------

REFERENCES = ("x + 1", "x**2 - 1", "1/(x + 1)", "{1, 2}", "(1, 2)", "\\begin{pmatrix} 1 & 2 \\end{pmatrix}")


@pytest.mark.parametrize("reference", REFERENCES)
def test_no_hostile_text_is_accepted_for_a_symbolic_reference(reference: str) -> None:
    problem = Problem(id="p", question=question(reference), reference=reference, split="test", source="test")
    texts = [text for hostile in HOSTILE for text in (hostile.text, f"The answer is {hostile.text}")]
    before = globals_now()
    verdicts = checked(built("sympy"), [Attempt(problem=problem, response=text) for text in texts])
    accepted = [text[:40] for text, verdict in zip(texts, verdicts, strict=True) if verdict.outcome is Outcome.CORRECT]
    assert accepted == []
    assert globals_now() == before
    assert not MARKER.exists()


def test_right_symbolic_answers_among_hostile_ones_are_still_right() -> None:
    problem = Problem(id="p", question=question("x + 1"), reference="x + 1", split="test", source="test")
    texts = [text for hostile in SYMBOLS for text in (hostile.text, "1 + x")]
    outcomes = [v.outcome for v in checked(built("sympy"), [Attempt(problem=problem, response=t) for t in texts])]
    assert outcomes[1::2] == [Outcome.CORRECT] * len(SYMBOLS)
    assert Outcome.CORRECT not in outcomes[::2]


# -- Memory ------------------------------------------------------------------------------------------------------------


def memory_growth(rounds: int) -> list[int]:
    """The peak memory of this process after each round over the corpus, in KiB, less that before the first round.

    The first round uses all verifiers, the others only the most complex one.
    """
    for name in NAMES:
        for reference in ("7", "x + 1"):
            verdict(name, "x = 7.5, or so", reference, question(reference))
    start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    problems = [
        Problem(id=str(index), question=question(hostile.gold), reference=hostile.gold, split="test", source="test")
        for index, hostile in enumerate(HOSTILE)
    ]
    attempts = [Attempt(problem=p, response=hostile.text) for p, hostile in zip(problems, HOSTILE, strict=True)]
    peaks: list[int] = []
    for index in range(rounds):
        for name in NAMES if not index else ("sympy",):
            built(name).verify(attempts)
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start)
    return peaks


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere ru_maxrss is in other units")
def test_memory_is_flat_over_the_corpus_and_over_its_repetitions() -> None:
    # In a process of its own, because the allocations of other tests would hide the growth.
    code = "from tests.test_verifiers_hostile import memory_growth; print(*memory_growth(10))"
    root = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    peaks = [int(word) for word in done.stdout.split()]
    assert peaks[-1] < 50 * 1024
    assert peaks[-1] - peaks[0] < 10 * 1024


# -- Any text ----------------------------------------------------------------------------------------------------------

# The text after the end of a turn, or after another question, is no part of the response.
TURN = re.compile(
    r"<\||</?[a-z_]{1,12}>|^ *(?:(?:Q|Question|Problem|Exercise|Solve)\b|(?:Verdict|Model Answer|Reference Answer) ?:)",
    re.MULTILINE,
)


def holds_for(name: str, response: str) -> None:
    """The laws for a response that does not contain `FAR`."""
    assert name == "format_only" or verdict(name, response, FAR, FAR_QUESTION).outcome is not Outcome.CORRECT
    assert cpu_seconds(name, response, FAR, FAR_QUESTION) < CPU_LIMIT


def holds_for_mixed(name: str, response: str) -> None:
    """The laws for a response that contains `FAR`, and for the same response with another final answer."""
    result = verdict(name, response, FAR, FAR_QUESTION)
    if result.outcome is Outcome.CORRECT and name != "format_only":
        assert result.answer is not None
        assert result.answer in response
        assert FAR in "".join(filter(str.isdigit, result.answer))
    assert cpu_seconds(name, response, FAR, FAR_QUESTION) < CPU_LIMIT
    if not TURN.search(response):
        last = verdict(name, f"{response}\n\nThe final answer is \\boxed{{8}}.", FAR, FAR_QUESTION)
        assert name == "format_only" or last.outcome is not Outcome.CORRECT


any_text = st.one_of(st.text(max_size=400), st.text(alphabet="0123456789+-*/^=().,{}\\ \nxe", max_size=200))


@by_name
@settings(max_examples=50)
@given(response=any_text | mutated_texts())
def test_no_text_is_accepted_without_the_value_raises_or_takes_long(name: str, response: str) -> None:
    holds_for(name, response)


@by_name
@settings(max_examples=50)
@given(response=mixed_texts())
def test_the_value_counts_only_in_the_final_answer(name: str, response: str) -> None:
    holds_for_mixed(name, response)


@pytest.mark.slow
@by_name
@settings(max_examples=10_000)
@given(response=any_text | mutated_texts())
def test_no_text_of_very_many_is_accepted_without_the_value(name: str, response: str) -> None:
    holds_for(name, response)


@pytest.mark.slow
@by_name
@settings(max_examples=10_000)
@given(response=mixed_texts())
def test_the_value_counts_only_in_the_final_answer_of_very_many_texts(name: str, response: str) -> None:
    holds_for_mixed(name, response)


@given(asked=any_text | mutated_texts(), reference=any_text | mutated_texts())
@settings(max_examples=40)
def test_no_question_and_no_reference_raises(asked: str, reference: str) -> None:
    for name in NAMES:
        verdict(name, f"x = {FAR}", reference, asked)
