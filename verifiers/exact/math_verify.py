"""`math_verify`: what the Math-Verify package says of a response.

Takes attempts; gives verdicts. The response goes to the package as it is, for its extraction is part of what is
compared; the reference is its gold, set as LaTeX because plain text is read for numbers alone (`3*x + 1` as 1). Runs in
the killable worker with the package's own timeouts off: they are alarms, which a loop in C never hears and which no
thread but the first may set. What raises, is killed, or parses to nothing is undecided. Needs the extra `math_verify`.

What it is worth, measured with 0.9.0: on 2,000 plain linear_1d responses 15 % of the right ones refused (a sign other
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

from restem.verifiers.verdict import Attempt, Outcome, Verdict, fingerprint
from restem.verifiers.worker import Failure, Worker

# No import statement: a type checker takes this very file for the package of its name.
_PACKAGE: Any = importlib.import_module("math_verify")

VERSION = 1
SECONDS_PER_RESPONSE = 3.0
MEMORY_BYTES = 1 << 30
MAX_SHOWN = 200

# One for all verifiers of a process; it starts with the first response.
_WORKER = Worker(
    "restem.verifiers.exact.math_verify:graded", seconds_per_item=SECONDS_PER_RESPONSE, memory_bytes=MEMORY_BYTES
)


class MathVerify:
    """Math-Verify finds the reference's value in the response."""

    name = "math_verify"

    @property
    def fingerprint(self) -> str:
        settings = {"math-verify": version("math-verify"), "seconds": SECONDS_PER_RESPONSE}
        return fingerprint(self.name, VERSION, settings)

    def verify(self, attempts: Sequence[Attempt]) -> list[Verdict]:
        """One verdict per attempt, in order."""
        asked = [
            (reference, attempt.response)
            for attempt in attempts
            if (reference := (attempt.problem.reference or "").strip())
        ]
        pairs = list(dict.fromkeys(asked))
        began = time.perf_counter()
        results = dict(zip(pairs, _WORKER.map(pairs), strict=True))
        seconds = (time.perf_counter() - began) / max(1, len(attempts))
        return [_verdict(attempt, results, seconds) for attempt in attempts]


def _verdict(attempt: Attempt, results: dict[tuple[str, str], Any], seconds: float) -> Verdict:
    reference = (attempt.problem.reference or "").strip()
    if not reference:
        return Verdict(outcome=Outcome.UNDECIDED, reason="no_reference", seconds=seconds)
    result = results[reference, attempt.response]
    if isinstance(result, Failure):
        detail = f": {result.detail}" if result.kind == "raised" else ""
        return Verdict(outcome=Outcome.UNDECIDED, reason=f"worker: {result.kind}{detail}", seconds=seconds)
    equal, said = result
    if equal is None:
        return Verdict(outcome=Outcome.UNDECIDED, reason=said, seconds=seconds)
    outcome = Outcome.CORRECT if equal else Outcome.WRONG
    return Verdict(outcome=outcome, score=float(equal), answer=said, rule="math_verify", seconds=seconds)


def graded(pair: tuple[str, str]) -> tuple[bool | None, str]:
    """Whether the package takes the response for right, and the text it took as answer; or None and why. In the worker.

    Its parser gives values and, after them, the texts they were read from; a text alone is one that it could not read.
    """
    reference, response = pair
    gold = _PACKAGE.parse(f"${reference.replace('**', '^')}$", parsing_timeout=None, raise_on_error=True)
    if all(isinstance(part, str) for part in gold):
        return None, "unread_reference"
    found = _PACKAGE.parse(response, parsing_timeout=None, raise_on_error=True)
    texts = [part for part in found if isinstance(part, str)]
    if len(texts) == len(found):
        return None, "unparsed" if texts else "not_found"
    equal = _PACKAGE.verify(gold, found, timeout_seconds=None, raise_on_error=True)
    return bool(equal), " ".join(texts)[:MAX_SHOWN]
