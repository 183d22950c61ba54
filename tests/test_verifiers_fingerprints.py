"""Fingerprints and call keys that stand in committed runs: a later version gives the very same ones.

But for the version of the reader of answers, which is a part of the fingerprints and rises when readings change.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from restem.benchmarks.catalog import BENCHMARKS
from restem.harness.loop.steps_verifier import StepsVerifier
from restem.verifiers import catalog
from restem.verifiers.chat.endpoint import ChatRequest, Endpoint
from restem.verifiers.composed import controls, noise
from restem.verifiers.exact import reasoning_gym, substitution, sympy_exact
from restem.verifiers.judge.judge import Judge

EXAMPLES = Path(__file__).parents[1] / "reports" / "examples"
RUNS = ("dose_response", "linear_1d")


def rows(run: str, query: str) -> Iterator[tuple[Any, ...]]:
    with closing(sqlite3.connect(f"file:{EXAMPLES / run / 'run.db'}?mode=ro&immutable=1", uri=True)) as database:
        yield from database.execute(query)


def stored_verifiers() -> list[Any]:
    return [
        pytest.param(fingerprint, name, json.loads(settings), id=f"{run}-{name}")
        for run in RUNS
        for fingerprint, name, settings in rows(run, "SELECT fingerprint, name, settings FROM verifier ORDER BY name")
    ]


@pytest.fixture
def reader_of_the_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (sympy_exact, substitution, reasoning_gym, controls, noise):
        monkeypatch.setattr(module, "READER_VERSION", 6)


@pytest.mark.usefixtures("reader_of_the_runs")
@pytest.mark.parametrize(("fingerprint", "name", "settings"), stored_verifiers())
def test_a_stored_verifier_keeps_its_fingerprint(fingerprint: str, name: str, settings: dict[str, Any]) -> None:
    if name == "steps":
        steps = BENCHMARKS["linear_1d"].steps
        assert steps is not None
        assert StepsVerifier(steps.check, steps.id).fingerprint == fingerprint
    else:
        assert catalog.build(name, {name: settings}).fingerprint == fingerprint


def test_a_stored_call_keeps_its_key() -> None:
    """The very request that a judge would send now has the key under which its reply is stored."""
    tables = {name: json.loads(text) for name, text in rows("linear_1d", "SELECT name, settings FROM verifier")}
    by_print = {print_: name for print_, name in rows("linear_1d", "SELECT fingerprint, name FROM verifier")}
    endpoints: dict[str, Endpoint] = {}
    calls = 0
    for key, print_, request in rows("linear_1d", "SELECT request_sha256, verifier, request FROM judge_call"):
        if print_ not in endpoints:
            judge = catalog.build(by_print[print_], tables)
            assert isinstance(judge, Judge)
            endpoints[print_] = judge.endpoint
        body = json.loads(request)
        again = ChatRequest(messages=body["messages"], max_tokens=body["max_tokens"], seed=body.get("seed"))
        assert endpoints[print_].digest(endpoints[print_].body(again)) == key
        calls += 1
    assert calls > 4000
