"""`sympy` and `exact`: numbers, batches, the worker, and fingerprints."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from restem.benchmarks.problem import Problem
from restem.verifiers.composed import controls, noise
from restem.verifiers.composed.controls import AcceptAll, FormatOnly, Majority
from restem.verifiers.exact import substitution, sympy_exact
from restem.verifiers.exact.substitution import Substitution
from restem.verifiers.exact.sympy_exact import Exact, Sympy
from restem.verifiers.verdict import Attempt, Outcome, Verdict, Verifier, checked
from restem.verifiers.worker import Worker
from tests import building

QUESTION = "Solve 3*x + 2 = 23 for x."


def verdict(
    reference: str | None, response: str, question: str = QUESTION, verifier: Sympy | Exact | None = None
) -> Verdict:
    asked = Problem(id="p", question=question, reference=reference, split="test", source="test")
    return checked(verifier or Sympy(), [Attempt(problem=asked, response=response)])[0]


def test_a_right_value_is_correct_with_its_text_span_and_rule() -> None:
    result = verdict("7", "So x = 14/2.")
    assert (result.outcome, result.score, result.answer, result.span, result.rule) == (
        Outcome.CORRECT,
        1.0,
        "14/2",
        (7, 11),
        "assignment",
    )
    assert result.seconds > 0


@pytest.mark.parametrize("response", ["x = 8", "7 or 8", "x < 8", "y = 7", "x = 15/", "\\boxed{7, 8}", "x is not 7"])
def test_a_response_with_another_value_or_without_a_single_one_is_wrong(response: str) -> None:
    result = verdict("7", response)
    assert (result.outcome, result.score, result.reward) == (Outcome.WRONG, 0.0, 0)


@pytest.mark.parametrize("response", ["x = 7 apples", "\\boxed{7!}", "x = 7y", "Thought process", "7%"])
def test_an_unreadable_answer_is_undecided_and_no_number_is_extracted_from_it(response: str) -> None:
    result = verdict("7", response)
    assert (result.outcome, result.score, result.reward) == (Outcome.UNDECIDED, None, None)
    assert result.reason


@pytest.mark.parametrize("reference", [None, "", "  ", "?!", "1/0", "\\int x"])
def test_without_a_readable_reference_nothing_is_decided(reference: str | None) -> None:
    result = verdict(reference, "x = 7")
    assert result.outcome is Outcome.UNDECIDED
    assert result.reason is not None
    assert "reference" in result.reason


def attempt(reference: str, response: str) -> Attempt:
    asked = Problem(id="p", question="Simplify.", reference=reference, split="test", source="test")
    return Attempt(problem=asked, response=response)


def test_a_comparison_over_the_workers_limit_is_undecided_and_affects_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    hard = attempt("x", "(a + b + c + d)^30")
    attempts = [attempt("7", "x = 7"), hard, attempt("7", "x = 8"), hard, attempt("x, y", "x, y")]
    impatient = Worker("restem.verifiers.algebra.symbolic:compare", seconds_per_item=0.001, memory_bytes=1 << 29)
    monkeypatch.setattr(sympy_exact, "_WORKER", impatient)
    result = checked(Sympy(), attempts)
    impatient.close()
    assert [verdict.reward for verdict in result] == [1, None, 0, None, 1]
    assert result[1].reason == result[3].reason == "worker: timeout"
    assert all(verdict.seconds > 0 for verdict in result)


def test_a_batch_of_symbolic_comparisons_keeps_its_order() -> None:
    attempts = [attempt("x + 1", f"{k} + x") for k in (1, 2, 1, 3)] + [attempt("7", "x = 7"), attempt("x + 1", "1 + x")]
    assert [verdict.reward for verdict in checked(Sympy(), attempts)] == [1, 0, 1, 0, 1, 1]


@pytest.mark.parametrize(
    ("response", "outcome"),
    [
        ("7", Outcome.CORRECT),
        ("x = 7", Outcome.CORRECT),
        ("\\boxed{7}", Outcome.CORRECT),
        ("The answer is +7.", Outcome.CORRECT),
        ("7.0", Outcome.WRONG),
        ("14/2", Outcome.WRONG),
        ("8", Outcome.WRONG),
        ("Thought process", Outcome.UNDECIDED),
    ],
)
def test_exact_compares_the_final_answer_as_text(response: str, outcome: Outcome) -> None:
    assert verdict("7", response, verifier=Exact()).outcome is outcome


@given(st.integers(-(10**9), 10**9), st.integers(-(10**9), 10**9))
def test_equality_is_symmetric(left: int, right: int) -> None:
    assert verdict(str(left), str(right)).outcome is verdict(str(right), str(left)).outcome
    assert (verdict(str(left), str(right)).outcome is Outcome.CORRECT) == (left == right)


def test_a_batch_keeps_its_order() -> None:
    asked = Problem(id="p", question=QUESTION, reference="7", split="test", source="test")
    responses = ["7", "8", "", "x = 7"] * 20
    verdicts = checked(Sympy(), [Attempt(problem=asked, response=response) for response in responses])
    assert [result.reward for result in verdicts] == [1, 0, 0, 1] * 20


def test_different_verifiers_have_different_fingerprints() -> None:
    assert Sympy().fingerprint == Sympy().fingerprint != Exact().fingerprint


@pytest.mark.parametrize(
    ("module", "reader"),
    [
        (sympy_exact, Sympy()),
        (sympy_exact, Exact()),
        (substitution, Substitution()),
        (controls, FormatOnly()),
        (controls, Majority()),
        (noise, building.noisy(base=AcceptAll(), tied_to="answer")),
    ],
    ids=lambda part: getattr(part, "name", ""),
)
def test_another_reader_version_is_another_verifier(
    module: ModuleType, reader: Verifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    blind = building.noisy(base=AcceptAll()).fingerprint
    before = reader.fingerprint
    monkeypatch.setattr(module, "READER_VERSION", sympy_exact.READER_VERSION + 1)
    assert reader.fingerprint != before
    assert building.noisy(base=AcceptAll()).fingerprint == blind  # noise per sample reads no answer


def test_numbers_start_no_worker_and_algebra_loads_no_sympy_in_this_process() -> None:
    script = (
        "import sys\n"
        "from restem.benchmarks.problem import Problem\n"
        "from restem.verifiers.exact.sympy_exact import Sympy\n"
        "from restem.verifiers.verdict import Attempt\n"
        "p = Problem(id='p', question='Solve x = 7 for x.', reference='7', split='', source='')\n"
        "import restem.verifiers.exact.sympy_exact as room\n"
        "Sympy().verify([Attempt(problem=p, response=r) for r in ('7', 'x = 14/2', '7, 8', 'x+y', 'sqrt(2)')])\n"
        "assert room._WORKER._child is None\n"
        "q = Problem(id='q', question='Expand.', reference='2*sqrt(2)', split='', source='')\n"
        "assert Sympy().verify([Attempt(problem=q, response='sqrt(8)')])[0].reward == 1\n"
        "assert room._WORKER._child is not None\n"
        "assert 'sympy' not in sys.modules\n"
    )
    root = Path(__file__).parents[1]
    subprocess.run([sys.executable, "-c", script], cwd=root, check=True, timeout=60)


@pytest.mark.parametrize(
    ("question", "reference", "response", "outcome"),
    [
        ("What is it?", "a cat", "Answer: a cat", Outcome.CORRECT),
        ("What is it?", "a cat", "It is a cat.", Outcome.CORRECT),
        ("What is it?", "a cat", "Answer: a dog", Outcome.WRONG),
        ("Which?", "a big blue square", "Final answer: a big red square", Outcome.WRONG),
        ("Which?", "a big blue square", "Final answer: a small blue square or a big blue square", Outcome.UNDECIDED),
        ("What is the capital of France?", "Paris", "The capital of France is Paris.", Outcome.CORRECT),
        ("What is the capital of France?", "Berlin", "The capital of France is Paris.", Outcome.WRONG),
        ("Who is the tallest, Leo or Maya?", "Leo", "The tallest of the children is Leo.", Outcome.CORRECT),
        ("Who is it, Leo or Ana?", "Leo", "Leo is German.", Outcome.UNDECIDED),
        ("What is it?", "B", "<choice>H2O</choice>", Outcome.UNDECIDED),
    ],
)
def test_names_and_nouns_are_compared_as_words(question: str, reference: str, response: str, outcome: Outcome) -> None:
    problem = Problem(id="p", question=question, reference=reference, split="test", source="test")
    (verdict,) = Sympy().verify([Attempt(problem=problem, response=response)])
    assert verdict.outcome is outcome
