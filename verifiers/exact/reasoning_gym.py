"""`reasoning_gym`: the score that a reasoning-gym task gives to an answer, compared with a threshold.

Takes attempts at problems of the benchmarks `reasoning_gym:TASK`; gives verdicts. The answer is read by
`task_answers.py`; where several texts may be the answer, the best score counts. The task's code runs in the killable
worker, through `reasoning_gym_scores.py`.

A text that is refused, an exception, a timeout, and a problem without a task are undecided. The score of a wrong
verdict is the task's own, below the threshold: many tasks give part of the score to a partly right answer, and by
default a task gives len(reference) / len(answer) to every text that contains the reference. Needs the extra
`reasoning_gym`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from restem.benchmarks.problem import Problem
from restem.benchmarks.reasoning_gym_package import package_version
from restem.verifiers.answers.final_answer import CANNOT_TELL, READER_VERSION
from restem.verifiers.exact.task_answers import TaskAnswer, task_answer
from restem.verifiers.options import ReasoningGymOptions
from restem.verifiers.verdict import Attempt, Outcome, Verdict, fingerprint, verdict_of
from restem.verifiers.worker import Failure, Worker

VERSION = 2
SECONDS_PER_ANSWER = 20.0
MEMORY_BYTES = 1 << 30

# Shared by all verifiers of a process; its child starts at the first response.
_WORKER = Worker(
    "restem.verifiers.exact.reasoning_gym_scores:scored",
    seconds_per_item=SECONDS_PER_ANSWER,
    memory_bytes=MEMORY_BYTES,
    start_seconds=600.0,  # the package's import takes seven processor seconds, more on a busy machine
)


class ReasoningGym:
    """The task's own score reaches the threshold."""

    name = "reasoning_gym"

    def __init__(self, options: ReasoningGymOptions | None = None) -> None:
        self.options = options or ReasoningGymOptions()

    @property
    def fingerprint(self) -> str:
        settings = {
            **self.options.settings(),
            "reasoning-gym": package_version(),
            "reader": READER_VERSION,
            "seconds": SECONDS_PER_ANSWER,
        }
        return fingerprint(self.name, VERSION, settings)

    def verify(self, attempts: Sequence[Attempt]) -> list[Verdict]:
        """One verdict per attempt, in order; equal answers to a problem are scored once."""
        began = time.perf_counter()
        answers = [_answer(attempt) for attempt in attempts]
        # Attempts at a problem share its record; two problems of one id may have other data.
        keys = [(id(attempt.problem), answer.texts) for attempt, answer in zip(attempts, answers, strict=True)]
        items = {key: _item(attempt.problem, key[1]) for key, attempt in zip(keys, attempts, strict=True) if key[1]}
        results = dict(zip(items, _WORKER.map(list(items.values())), strict=True))
        seconds = (time.perf_counter() - began) / max(1, len(attempts))
        return [
            self._verdict(attempt, answer, results.get(key), seconds)
            for attempt, answer, key in zip(attempts, answers, keys, strict=True)
        ]

    def unreadable_references(self, problems: Sequence[Problem]) -> list[tuple[Problem, str]]:
        """The problems that no task can score, each with the reason."""
        return [(problem, reason) for problem in problems if (reason := _without_task(problem))]

    def _verdict(self, attempt: Attempt, answer: TaskAnswer, result: Any, seconds: float) -> Verdict:
        if not answer.texts:
            return _without_answer(answer, seconds)
        if isinstance(result, Failure):
            detail = f": {result.detail}" if result.kind == "raised" else ""
            return verdict_of(Outcome.UNDECIDED, reason=f"worker: {result.kind}{detail}", seconds=seconds)
        scores = [(score, -place) for place, score in enumerate(result) if not isinstance(score, str)]
        score, place = max(scores, default=(0.0, 0))
        text = answer.texts[-place]
        at = attempt.response.rfind(text)
        read = {"answer": text, "span": (at, at + len(text)) if at >= 0 else None, "rule": answer.rule}
        if scores and score >= self.options.threshold:
            return verdict_of(Outcome.CORRECT, score=score, seconds=seconds, **read)
        if answer.reason is not None:
            return _without_answer(answer, seconds)
        if not scores:
            return verdict_of(Outcome.UNDECIDED, reason=result[0], seconds=seconds, **read)
        if not answer.certain:
            return verdict_of(Outcome.UNDECIDED, reason="unread", seconds=seconds, **read)
        return verdict_of(Outcome.WRONG, score=score, seconds=seconds, **read)


def _without_answer(answer: TaskAnswer, seconds: float) -> Verdict:
    undecided = answer.reason in CANNOT_TELL or answer.reason in _NO_TASK
    outcome = Outcome.UNDECIDED if undecided else Outcome.WRONG
    return verdict_of(outcome, rule=answer.rule, reason=answer.reason, seconds=seconds)


_NO_TASK = ("no_task", "other_version")


def _without_task(problem: Problem) -> str | None:
    """Why no task can score answers to the problem, or None."""
    if not isinstance(problem.data.get("task"), str) or not isinstance(problem.data.get("metadata"), Mapping):
        return "no_task"
    return None if problem.data.get("version") == package_version() else "other_version"


def _answer(attempt: Attempt) -> TaskAnswer:
    if reason := _without_task(attempt.problem):
        return TaskAnswer(reason=reason)
    return task_answer(attempt.response, attempt.problem.question, attempt.problem.reference)


def _item(problem: Problem, texts: Sequence[str]) -> list[Any]:
    data = problem.data
    return [data["task"], data.get("regime"), problem.question, problem.reference, data["metadata"], list(texts)]
