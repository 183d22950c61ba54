"""What `restem.verifiers` and its wings offer, and that asking for it loads nothing heavy."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

PUBLIC = {
    "restem.verifiers": [
        *("Attempt", "ContractBreach", "JudgeUnavailable", "Outcome", "UnknownVerifier", "Verdict", "Verifier"),
        *("VerifierError", "build", "check", "checked", "fingerprint", "names", "verdict_of"),
    ],
    "restem.verifiers.adapters": ["FORMS", "UndecidedResponse", "recorded", "reward_function"],
    "restem.verifiers.algebra": [
        *("Many", "NeedsAlgebra", "Node", "Number", "Operation", "Symbol", "Unreadable", "canonical", "equality"),
        *("exact_value", "fraction", "is_evaluated", "parse", "read_value", "same_value", "value"),
    ],
    "restem.verifiers.answers": [
        *("READER_VERSION", "Answer", "Reading", "asked_variable", "find", "find_expression", "find_word"),
        "read_answer",
    ],
    "restem.verifiers.exact": ["Exact", "Substitution", "Sympy"],
    "restem.verifiers.chat": [
        *("CallStore", "ChatClient", "ChatReply", "ChatRequest", "Endpoint", "Progress", "Rejected", "Transport"),
        "connect",
    ],
    "restem.verifiers.composed": [
        *("AcceptAll", "AllOf", "AnyOf", "Cascade", "FormatOnly", "Inverted", "Majority", "Noisy", "Random"),
        *("RejectAll", "Vote"),
    ],
    "restem.verifiers.judge": ["Judge"],
    "restem.verifiers.code": ["NoSandbox", "UnitTestsVerifier", "code_allowed"],
}
HEAVY = ("jax", "sympy", "openai", "matplotlib", "scipy", "numpy", "aiohttp")


@pytest.mark.parametrize("package", PUBLIC)
def test_a_package_offers_exactly_these_names(package: str) -> None:
    module = importlib.import_module(package)
    assert module.__all__ == PUBLIC[package]
    assert all(hasattr(module, name) for name in module.__all__)


def test_another_name_is_no_attribute() -> None:
    with pytest.raises(AttributeError, match="judges"):
        importlib.import_module("restem.verifiers").judges  # noqa: B018


@pytest.mark.parametrize(
    ("package", "kept_out"), [(package, HEAVY) for package in PUBLIC] + [("restem.verifiers", ("pydantic",))]
)
def test_importing_a_package_loads_nothing_heavy(package: str, kept_out: tuple[str, ...]) -> None:
    script = f"import sys, {package}; print(*{{*{kept_out!r}}} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_building_exact_loads_nothing_that_it_does_not_need() -> None:
    kept_out = (*HEAVY, "asyncio", "ssl", "restem.verifiers.judge")
    script = (
        f"import sys; from restem.verifiers import build; build('exact'); print(*{{*{kept_out!r}}} & {{*sys.modules}})"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
