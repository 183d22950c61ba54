"""`math_verify`: the verdicts of the Math-Verify package.

Takes attempts; gives verdicts. The response is passed to the package unchanged, because its extraction of the answer is
part of the comparison; the reference is passed as LaTeX, because the package reads only numbers from other text
(`3*x + 1` as 1). Runs in the killable worker with the package's timeouts off: they are alarms, which a loop in C delays
and which only the main thread may set. A response that raises, is killed, or parses to nothing is undecided. Needs the
extra `math_verify`.

Measured with version 0.9.0: on 2,000 plain linear_1d responses 15 % of the right ones refused (a sign other
than `-`, a bracketed value, a remark after the answer) and 0.1 % of the wrong ones accepted, at 426 responses a
processor second; on 580 tricky ones 34 % and 9 % (it accepts `The answer is not 7.`, `7%`, `7:00`, `Answer: 58? 59?
60?`). Its comparison is not symmetric. With its timeouts on, `\\boxed{1E1000000000}` hung past them, and a tower of
powers stalled it for 5 s, the time of 2,100 plain responses.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

from restem.benchmarks.problem import Problem
from restem.verifiers.exact.references import accepted_texts, against_any
from restem.verifiers.verdict import Attempt, Outcome, Verdict, fingerprint, verdict_of
from restem.verifiers.worker import Failure, Worker

# No import statement, because a type checker would resolve the name to this file.
_PACKAGE: Any = importlib.import_module("math_verify")

VERSION = 1
SECONDS_PER_RESPONSE = 3.0
MEMORY_BYTES = 1 << 30
MAX_SHOWN = 200
UNREAD = "unread_reference"

# Shared by all verifiers of a process; its child starts at the first response.
_WORKER = Worker(
    "restem.verifiers.exact.math_verify:graded", seconds_per_item=SECONDS_PER_RESPONSE, memory_bytes=MEMORY_BYTES
)


class MathVerify:
    """Math-Verify finds the value of a reference in the response."""

    name = "math_verify"

    @property
    def fingerprint(self) -> str:
        settings = {"math-verify": version("math-verify"), "seconds": SECONDS_PER_RESPONSE}
        return fingerprint(self.name, VERSION, settings)

    def verify(self, attempts: Sequence[Attempt]) -> list[Verdict]:
        """One verdict per attempt, in order."""
        groups = [
            [(reference.strip(), attempt.response) for reference in accepted_texts(attempt.problem)]
            for attempt in attempts
        ]
        pairs = list(dict.fromkeys(pair for group in groups for pair in group))
        began = time.perf_counter()
        results = dict(zip(pairs, _WORKER.map(pairs), strict=True))
        seconds = (time.perf_counter() - began) / max(1, sum(map(len, groups)))
        missing = verdict_of(Outcome.UNDECIDED, reason="no_reference")
        return [
            against_any([_verdict(results[pair], seconds) for pair in group]) if group else missing for group in groups
        ]

    def unreadable_references(self, problems: Sequence[Problem]) -> list[tuple[Problem, str]]:
        """The problems none of whose references the package can read, each with the reason of its first one."""
        groups = [[(reference.strip(), "") for reference in accepted_texts(problem)] for problem in problems]
        pairs = list(dict.fromkeys(pair for group in groups for pair in group))
        reasons = {pair: _unread(result) for pair, result in zip(pairs, _WORKER.map(pairs), strict=True)}
        unread = [[reasons[pair] for pair in group] or ["no_reference"] for group in groups]
        return [(problem, texts[0]) for problem, texts in zip(problems, unread, strict=True) if texts[0] and all(texts)]


def _verdict(result: Failure | tuple[bool | None, str], seconds: float) -> Verdict:
    """The verdict that a result of `graded` stands for."""
    if isinstance(result, Failure):
        detail = f": {result.detail}" if result.kind == "raised" else ""
        return verdict_of(Outcome.UNDECIDED, reason=f"worker: {result.kind}{detail}", seconds=seconds)
    is_equal, text = result
    if is_equal is None:
        return verdict_of(Outcome.UNDECIDED, reason=text, seconds=seconds)
    return verdict_of(is_equal, answer=text, rule="math_verify", seconds=seconds)


def _unread(result: Failure | tuple[bool | None, str]) -> str | None:
    """Why the reference was not read, from the result for an empty response; None where it was."""
    if isinstance(result, Failure):
        return f"worker: {result.kind}"
    return result[1] if result[1] == UNREAD else None


def graded(pair: tuple[str, str]) -> tuple[bool | None, str]:
    """Whether the package accepts the response, and the text that it read as answer; or None and the reason.

    Runs in the worker. The package's parser gives values followed by the texts from which they were read; a text
    without a value is one that it could not read.
    """
    reference, response = pair
    gold = _PACKAGE.parse(f"${reference.replace('**', '^')}$", parsing_timeout=None, raise_on_error=True)
    if all(isinstance(part, str) for part in gold):
        return None, UNREAD
    answer = _PACKAGE.parse(response, parsing_timeout=None, raise_on_error=True)
    texts = [part for part in answer if isinstance(part, str)]
    if len(texts) == len(answer):
        return None, "unparsed" if texts else "not_found"
    is_equal = _PACKAGE.verify(gold, answer, timeout_seconds=None, raise_on_error=True)
    return bool(is_equal), " ".join(texts)[:MAX_SHOWN]
