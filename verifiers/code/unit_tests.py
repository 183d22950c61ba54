"""`unit_tests`: whether the program of the response passes the tests of the problem.

Takes attempts whose problems have tests in their `data` (problem_tests.py); gives verdicts. The program (program.py)
and the tests run in two sandboxed processes (sandbox.py): the tests decide, and the program can only answer their calls
with plain values. A program that crashes, ends or takes too long is wrong. Undecided: no tests, tests that fail by
themselves, a value that is no plain data where the tests do more than compare it, a sandbox that fails, and everything
as long as the user has not permitted the execution of code (permission.py).
"""

from __future__ import annotations

import concurrent.futures
import functools
import os
import sys
import time
from collections.abc import Sequence
from typing import Any

from restem.benchmarks.problem import Problem
from restem.verifiers.code.permission import permission
from restem.verifiers.code.problem_tests import BadTests, UnitTests, unit_tests_of
from restem.verifiers.code.program import Program, program_of
from restem.verifiers.code.sandbox import PASSED, WRONG, Ending, NoSandbox, Run, shared_sandbox
from restem.verifiers.options import UnitTestsOptions
from restem.verifiers.verdict import Attempt, Outcome, Verdict, fingerprint, verdict_of

VERSION = 1
NOT_ALLOWED, NO_SANDBOX = "code_not_allowed", "no_sandbox"
MAX_RESPONSE = 200_000  # characters
_OUTCOMES = {PASSED: Outcome.CORRECT, WRONG: Outcome.WRONG}


class UnitTestsVerifier:
    """The program passes the tests."""

    name = "unit_tests"

    def __init__(self, options: UnitTestsOptions) -> None:
        self.options = options

    @property
    def fingerprint(self) -> str:
        python = ".".join(map(str, sys.version_info[:2]))
        return fingerprint(self.name, VERSION, {**self.options.settings(), "python": python})

    def verify(self, attempts: Sequence[Attempt]) -> list[Verdict]:
        """One verdict per attempt, in order; equal programs for a problem run once."""
        runs: dict[tuple[str, str], tuple[Program, Run] | Verdict] = {}
        keys = [(attempt.problem.id, attempt.response) for attempt in attempts]
        for key, attempt in zip(keys, attempts, strict=True):
            if key not in runs:
                runs[key] = self._prepared(attempt)
        jobs = {key: run for key, run in runs.items() if not isinstance(run, Verdict)}
        verdicts = {key: run for key, run in runs.items() if isinstance(run, Verdict)}
        if jobs:
            verdicts |= zip(jobs, self._decided(list(jobs.values())), strict=True)
        return [verdicts[key] for key in keys]

    def unreadable_references(self, problems: Sequence[Problem]) -> list[tuple[Problem, str]]:
        """The problems without usable tests, which stand for the reference here."""
        return [(problem, reason) for problem in problems if (reason := self._unusable(problem))]

    def _unusable(self, problem: Problem) -> str | None:
        try:
            self._tests(problem)
        except BadTests as fault:
            return str(fault)
        return None

    def _tests(self, problem: Problem) -> UnitTests:
        return unit_tests_of(problem, "visible_tests" if self.options.tests == "visible" else "tests")

    def _prepared(self, attempt: Attempt) -> tuple[Program, Run] | Verdict:
        """What has to run for an attempt, or its verdict where nothing has to."""
        try:
            tests = self._tests(attempt.problem)
        except BadTests as fault:
            return verdict_of(Outcome.UNDECIDED, reason=str(fault))
        if len(attempt.response) > MAX_RESPONSE:
            return verdict_of(Outcome.UNDECIDED, reason="too_long")
        program = program_of(attempt.response, tests.prompt, tests.entry_point)
        options = self.options
        settings: dict[str, Any] = {
            "setup": tests.prompt,
            "tests": tests.source,
            "entry_point": tests.entry_point,
            "share": options.share if options.tests == "subset" else 1.0,
            "seed": options.seed,
            "wall_seconds": options.wall_seconds,
        }
        return program, Run(
            sources=program.sources,
            tests=settings,
            processor_seconds=options.seconds,
            wall_seconds=options.wall_seconds,
            memory_bytes=options.memory_mb << 20,
        )

    def _decided(self, jobs: Sequence[tuple[Program, Run]]) -> list[Verdict]:
        allowed = permission()
        if not allowed.sandboxed:
            return [verdict_of(Outcome.UNDECIDED, reason=NOT_ALLOWED)] * len(jobs)
        sandbox = shared_sandbox(unsandboxed=allowed.unsandboxed)
        try:
            sandbox.kind()
        except NoSandbox as problem:
            return [verdict_of(Outcome.UNDECIDED, reason=f"{NO_SANDBOX}: {problem}"[:200])] * len(jobs)
        with concurrent.futures.ThreadPoolExecutor(self.options.at_once or os.cpu_count() or 1) as pool:
            return list(pool.map(functools.partial(_timed, sandbox.run), jobs))


def _timed(start: Any, job: tuple[Program, Run]) -> Verdict:
    program, run = job
    began = time.perf_counter()
    ending: Ending = start(run)
    return verdict_of(
        _OUTCOMES.get(ending.outcome, Outcome.UNDECIDED),
        answer=program.text,
        span=program.span,
        rule=UnitTestsVerifier.name,
        reason=ending.reason or None,
        seconds=time.perf_counter() - began,
    )
