"""The adapter to Math-Verify: its verdicts pass through, its failures are undecided."""

from __future__ import annotations

import threading
import time

import pytest

from restem.benchmarks.problem import Problem
from restem.verifiers.verdict import Attempt, Outcome, Verdict, checked
from restem.verifiers.worker import Worker

math_verify = pytest.importorskip(
    "restem.verifiers.exact.math_verify", reason="needs the extra math_verify", exc_type=ImportError
)


def attempt(reference: str | None, response: str) -> Attempt:
    question = "Solve 3*x + 2 = 23 for x."
    return Attempt(
        problem=Problem(id="p", question=question, reference=reference, split="", source=""), response=response
    )


def verdict(reference: str | None, response: str) -> Verdict:
    return checked(math_verify.MathVerify(), [attempt(reference, response)])[0]


@pytest.mark.parametrize(
    ("reference", "response", "outcome"),
    [
        ("7", "x = 7", Outcome.CORRECT),
        ("7", "The answer is $\\frac{14}{2}$.", Outcome.CORRECT),
        ("7", "\\boxed{8}", Outcome.WRONG),
        ("3*x + 1", "\\boxed{1 + 3x}", Outcome.CORRECT),
        ("3*x + 1", "\\boxed{1}", Outcome.WRONG),
        ("-3*(q - 2)**2", "$-3q^2 + 12q - 12$", Outcome.CORRECT),
        ("7", "no number here", Outcome.UNDECIDED),
        ("7", "", Outcome.UNDECIDED),
        ("", "7", Outcome.UNDECIDED),
        (None, "7", Outcome.UNDECIDED),
        ("???", "7", Outcome.UNDECIDED),
    ],
)
def test_the_verdict_of_the_package_is_returned(reference: str | None, response: str, outcome: Outcome) -> None:
    result = verdict(reference, response)
    assert result.outcome is outcome
    assert (result.reason is None) is (outcome is not Outcome.UNDECIDED)


def test_a_batch_keeps_its_order_and_a_response_that_hangs_affects_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    impatient = Worker("restem.verifiers.exact.math_verify:graded", seconds_per_item=1.0, memory_bytes=1 << 30)
    monkeypatch.setattr(math_verify, "_WORKER", impatient)
    hangs = "\\boxed{1E1000000000}"
    began = time.perf_counter()
    results = checked(math_verify.MathVerify(), [attempt("7", text) for text in ("7", hangs, "8", hangs, "x = 7")])
    impatient.close()
    assert [verdict.reward for verdict in results] == [1, None, 0, None, 1]
    assert results[1].reason in ("worker: timeout", "worker: memory")
    assert time.perf_counter() - began < 60


def test_it_works_from_a_thread() -> None:
    """With its own timeouts the package refuses, because they are alarms."""
    verdicts: list[Verdict] = []
    thread = threading.Thread(target=lambda: verdicts.append(verdict("7", "x = 7")))
    thread.start()
    thread.join()
    assert verdicts[0].outcome is Outcome.CORRECT


def test_the_fingerprint_holds_the_packages_version(monkeypatch: pytest.MonkeyPatch) -> None:
    before = math_verify.MathVerify().fingerprint
    monkeypatch.setattr(math_verify, "version", lambda _: "0.0.0")
    assert math_verify.MathVerify().fingerprint != before
