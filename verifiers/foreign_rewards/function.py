"""A foreign reward function as a verifier.

Takes the name of a function and its options; gives verdicts. The function runs in a killable process with limits on
time and memory, is called as its trainer calls it, and sees the environment variables that the user names and no
others. Does not depend on any trainer: what a convention passes stands in `calls`, which runs in that process.

A function that is given whole groups is called once for each problem, with all of its responses in the batch. Where
such a call fails, because it hangs, raises, or ends the process, each of its responses is tried alone, so that one
response does not make its siblings undecided. Verdicts are not checked for their order, as those of plug-ins are:
these functions give plain lists, and further calls may cost money.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from restem.benchmarks.problem import Problem
from restem.verifiers.child_process import Surroundings
from restem.verifiers.foreign_rewards.group import QUESTION, REFERENCE
from restem.verifiers.foreign_rewards.names import parse
from restem.verifiers.foreign_rewards.verdicts import graded_verdict
from restem.verifiers.options import RewardOptions
from restem.verifiers.verdict import Attempt, Outcome, UnknownVerifier, Verdict, WorkerFailed, fingerprint
from restem.verifiers.worker import Failure, Worker

VERSION = 1
_PREPARE = "restem.verifiers.foreign_rewards.child:prepare"
_Result: TypeAlias = "tuple[float | None, str | None, str | None]"
_MAX_LISTED = 12


class RewardFunction:
    """A function of another project, called by that project's convention.

    Args:
        name: Such as `trl:rewards.py:accuracy`.
        options: The threshold, the limits, and what the function is given besides.

    Raises:
        UnknownVerifier: There is no such file, module or function, or it cannot be imported.
        WorkerFailed: Its process does not start.
    """

    def __init__(self, name: str, options: RewardOptions) -> None:
        self.name = name
        self.options = options
        parsed = parse(name)
        self._worker = _worker(
            json.dumps(
                {
                    "convention": parsed.convention,
                    "target": parsed.target,
                    "is_file": parsed.is_file,
                    "function": parsed.function,
                    "keywords": options.keywords,
                    "key": options.key,
                    "completions": options.completions,
                    # Not for the function: another content is another worker.
                    "sha256": hashlib.sha256(Path(parsed.target).read_bytes()).hexdigest() if parsed.is_file else None,
                },
                sort_keys=True,
            ),
            limits=(options.seconds, options.memory_mb, options.start_seconds),
            variables=options.environment,
            interpreter=_interpreter(name, options),
            folder=str(Path.cwd()),
        )
        self._called = f"{parsed.convention}.{parsed.function.replace('/', '.')}"
        self._description = self._described()
        self._form = ""

    def _described(self) -> Mapping[str, Any]:
        try:
            (description,) = self._worker.map([{"describe": True}])
        except RuntimeError as problem:
            cause = (str(problem).partition("does not start: ")[2] or str(problem)).removeprefix("LookupError: ")
            raise UnknownVerifier(f"verifier {self.name!r}: does not load: {' '.join(cause.split())[:400]}") from None
        except WorkerFailed as problem:
            raise WorkerFailed(f"verifier {self.name!r}: {problem}") from None
        if isinstance(description, Failure):
            raise UnknownVerifier(
                f"verifier {self.name!r}: cannot be described ({description.kind}: {description.detail})"
            )
        return description

    @property
    def fingerprint(self) -> str:
        described = {key: self._description[key] for key in ("convention", "signature", "files", "packages")}
        return fingerprint(self._called, VERSION, {**self.options.settings(), **described})

    @property
    def note(self) -> str:
        """How the function is called, what it asked for and where its numbers become verdicts, in one line."""
        described = self._description
        parts = [f"called as {described['convention']} calls {described['signature']}"]
        parts.append("with all responses to a problem" if described["whole_groups"] else "with one response at a time")
        if described["forms"]:
            parts.append(f"completions as {(self._form or described['forms'][0])}")
        if described["needs"]:
            parts.append(f"columns {', '.join(described['needs'][:_MAX_LISTED])}")
        if described["asks"]:
            parts.append(f"also asks for {', '.join(described['asks'][:_MAX_LISTED])}")
        parts.append(f"correct from {self.options.threshold:g}")
        return "; ".join(parts)

    def missing(self, problem: Problem) -> list[str]:
        """The columns that the function needs and the problem does not have."""
        return [name for name in self._description["needs"] if name not in _columns(problem)]

    def check_problems(self, problems: Sequence[Problem]) -> None:
        """Checks that the function can be called at all.

        Raises:
            UnknownVerifier: No problem has a column that the function needs.
        """
        for name in self._description["needs"]:
            if problems and not any(name in _columns(problem) for problem in problems):
                held = sorted({key for problem in problems for key in problem.data}) or ["none"]
                kind = "reference" if name in REFERENCE else "column of that name"
                raise UnknownVerifier(
                    f"verifier {self.name!r}: asks for {name!r}, and no problem has a {kind}; columns of the problems "
                    f"(field data) are {', '.join(held[:_MAX_LISTED])}"
                )

    def verify(self, attempts: Sequence[Attempt]) -> list[Verdict]:
        """One verdict per attempt, in order."""
        verdicts: list[list[Verdict]] = [[] for _ in attempts]
        calls: list[tuple[dict[str, Any], list[int]]] = []
        for problem, places in _by_problem(attempts):
            if missing := self.missing(problem):
                for place in places:
                    verdicts[place].append(graded_verdict(None, 0, reason=f"no column {missing[0]!r}"))
                continue
            groups = [places] if self._description["whole_groups"] else [[place] for place in places]
            calls += [
                (_item(problem, references, [attempts[place].response for place in group]), group)
                for references in self._references(problem)
                for group in groups
            ]
        for (_, places), results in zip(calls, self._called_with([item for item, _ in calls]), strict=True):
            for place, verdict in zip(places, results, strict=True):
                verdicts[place].append(verdict)
        return [_best(of) for of in verdicts]

    def _references(self, problem: Problem) -> list[list[str]]:
        """The references of each call. A function that takes one reference is called once for each accepted answer."""
        references = problem.references
        if self._description["all_references"] or not references:
            return [list(references)]
        return [[reference] for reference in references]

    def _called_with(self, items: Sequence[dict[str, Any]]) -> list[list[Verdict]]:
        """The verdicts of each item. Responses whose call failed together are tried alone."""
        answers = self._worker.map([{**item, "form": self._form} for item in items])
        self._form = next((answer["form"] for answer in answers if isinstance(answer, dict)), "") or self._form
        whole = [self._verdicts(len(item["responses"]), each) for item, each in zip(items, answers, strict=True)]
        apart = [
            {**item, "responses": [response]}
            for item, verdicts in zip(items, whole, strict=True)
            if verdicts is None
            for response in item["responses"]
        ]
        singles = iter(self._called_with(apart) if apart else [])
        return [
            [next(singles)[0] for _ in item["responses"]] if verdicts is None else verdicts
            for item, verdicts in zip(items, whole, strict=True)
        ]

    def _verdicts(self, count: int, answer: Any) -> list[Verdict] | None:
        """The verdicts on the responses of one call; None where the call of several responses failed."""
        if isinstance(answer, Failure):
            detail = f": {answer.detail}" if answer.detail else ""
            results: list[_Result] = [(None, f"worker: {answer.kind}{detail}", None)] * count
            seconds = self.options.seconds if answer.kind == "timeout" else 0.0
        else:
            results, seconds = answer["results"], answer["seconds"]
        if count > 1 and (isinstance(answer, Failure) or all(_raised(reason) for _, reason, _ in results)):
            return None
        rule = self._description["convention"].replace(" ", "_")
        return [
            graded_verdict(
                number,
                self.options.threshold,
                reason=reason,
                answer=answer_read,
                rule=rule,
                seconds=seconds / count,
            )
            for number, reason, answer_read in results
        ]


def _raised(reason: str | None) -> bool:
    return reason is not None and reason.startswith("raised ")


def _best(verdicts: Sequence[Verdict]) -> Verdict:
    """The verdict for all accepted answers: the most favourable one; undecided beats wrong, since it may be right."""
    rank = {Outcome.CORRECT: 2, Outcome.UNDECIDED: 1, Outcome.WRONG: 0}
    return max(verdicts, key=lambda verdict: (rank[verdict.outcome], verdict.score or 0.0))


def _by_problem(attempts: Sequence[Attempt]) -> Iterator[tuple[Problem, list[int]]]:
    places: dict[str, list[int]] = {}
    for place, attempt in enumerate(attempts):
        places.setdefault(attempt.problem.id, []).append(place)
    for group in places.values():
        yield attempts[group[0]].problem, group


def _item(problem: Problem, references: Sequence[str], responses: Sequence[str]) -> dict[str, Any]:
    """A group as JSON, for the worker."""
    return {
        "question": problem.question,
        "references": list(references),
        "data": dict(problem.data),
        "strata": dict(problem.strata),
        "responses": list(responses),
    }


def _columns(problem: Problem) -> set[str]:
    """The names under which a function finds something of the problem."""
    usual = {*QUESTION, *(REFERENCE if problem.references else ())}
    return usual | problem.data.keys() | problem.strata.keys()


def _interpreter(name: str, options: RewardOptions) -> str | None:
    """The absolute path of the interpreter that the options name. A link stays one: it belongs to its environment."""
    if options.python is None:
        return None
    path = Path(options.python).expanduser().absolute()
    if not path.is_file():
        raise UnknownVerifier(
            f"verifier {name!r}: option 'python': found {options.python!r}, expected the path of a Python interpreter"
        )
    return str(path)


@functools.lru_cache(maxsize=32)
def _worker(
    setup: str, *, limits: tuple[float, int, float], variables: tuple[str, ...], interpreter: str | None, folder: str
) -> Worker:
    """The worker of a function, shared in this process: checking a name and using it load the function once."""
    seconds, memory, start_seconds = limits
    return Worker(
        _PREPARE,
        seconds_per_item=seconds,
        memory_bytes=memory << 20,
        start_seconds=start_seconds,
        setup=json.loads(setup),
        surroundings=Surroundings(folder=folder, variables=variables, interpreter=interpreter, may_write=True),
    )
