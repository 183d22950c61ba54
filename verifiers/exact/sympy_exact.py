"""`sympy` and `exact`: the final answer compared with the reference, by value or by text.

Takes attempts; gives verdicts. Numbers are compared as fractions in this process. Comparisons that need algebra are
collected over the whole batch and sent to a killable worker (see `symbolic.py`), so that this process computes nothing
symbolic and does not load SymPy. Does not depend on language models, and evaluates no text.

A plain number that solves for a letter (`Solve 3*x + 2 = 23 for x.`) is read by the rules of `final_answer.py`: a
response with two answers, a denial or a retraction is wrong, with the reason. Any other answer is read by `general.py`,
and only a value decides: an answer that is refused for its words, or cannot be read, is undecided. So is one that
exceeds the worker's limits. Of several accepted references one suffices.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from typing import TypeAlias

from restem.benchmarks.problem import Problem
from restem.verifiers.algebra.characters import canonical
from restem.verifiers.answers.expressions import find_expression
from restem.verifiers.answers.final_answer import CANNOT_TELL, READER_VERSION, Answer, find
from restem.verifiers.answers.general import Reading, read_answer
from restem.verifiers.answers.question import asked, asked_variable
from restem.verifiers.answers.statements import RULE, WEAK_RULE
from restem.verifiers.answers.words import find_word
from restem.verifiers.exact.comparison import (
    AlgebraTask,
    Decision,
    compared,
    compared_texts,
    decided,
    result_decision,
    written,
)
from restem.verifiers.exact.expected import ExpectedAnswer, references
from restem.verifiers.exact.references import accepted_texts, against_any
from restem.verifiers.options import SympyOptions
from restem.verifiers.verdict import Attempt, Outcome, Verdict, fingerprint, verdict_of
from restem.verifiers.worker import Worker

VERSION = 4
SECONDS_PER_PAIR = 2.0
MEMORY_BYTES = 512 << 20

# Shared by all verifiers of a process; its child starts at the first comparison that needs algebra.
_WORKER = Worker(
    "restem.verifiers.algebra.symbolic:compare", seconds_per_item=SECONDS_PER_PAIR, memory_bytes=MEMORY_BYTES
)
_OTHER_LETTER = r"\b(?:of|for)\s\$?(?!%s\b)[A-Za-z]\b(?!')"
_NAMES_SOLUTION = re.compile(
    r"\b(?:solution|value|unknown|root|variable|equation|wert|l\u00f6sung|solution|soluci\u00f3n|valeur)\b[^.\n=]{0,60}[0-9]|\|\s*\Z",
    re.IGNORECASE,
)
_CLOSED = frozenset(
    {"two_answers", "not_evaluated", "right_side", "contradiction"}
)  # undecided, whatever another reading says
_COMMA = re.compile(r",\s?\$?\s?[A-Za-z]\s?=")
_MARKED = frozenset({"box", "tag", "json", "hashes", "answer"})
# Where a response has no answer at all; any other refusal by the words of a response to any question is undecided.
_NO_ANSWER = frozenset({"no_answer", "unfinished"})


class Exact:
    """The final answer equals a reference as text, after Unicode forms, signs and white space are normalized."""

    name = "exact"

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.name, VERSION, {"reader": READER_VERSION})

    def verify(self, attempts: Sequence[Attempt]) -> list[Verdict]:
        """One verdict per attempt, in order."""
        return [self._verdict(attempt) for attempt in attempts]

    def unreadable_references(self, problems: Sequence[Problem]) -> list[tuple[Problem, str]]:
        """The problems without a reference: every text can be compared."""
        return [(problem, "no_reference") for problem in problems if not accepted_texts(problem)]

    def _verdict(self, attempt: Attempt) -> Verdict:
        accepted = accepted_texts(attempt.problem)
        if not accepted:
            return _verdict(_UNREAD, (Outcome.UNDECIDED, "no_reference"), 0.0)
        pairs = zip(references(attempt.problem), accepted, strict=True)
        return against_any([self._against(attempt, expected, reference) for expected, reference in pairs])

    def _against(self, attempt: Attempt, expected: ExpectedAnswer, reference: str) -> Verdict:
        began = time.perf_counter()
        answer, texts = _read(attempt, expected)
        decision = _without_answer(answer) if not texts else None
        if decision is None:
            wanted = (expected.text, reference)  # `-4` and `x=-4` where the reference is `x=-4`
            decision = decided(any(_equal_as_text(text, other) for text in texts for other in wanted))
        return _verdict(answer, decision, time.perf_counter() - began)


class Sympy:
    """The final answer equals a reference by value."""

    name = "sympy"

    def __init__(self, options: SympyOptions | None = None) -> None:
        self.options = options or SympyOptions()

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.name, VERSION, {"reader": READER_VERSION, **self.options.settings()})

    def verify(self, attempts: Sequence[Attempt]) -> list[Verdict]:
        """One verdict per attempt, in order."""
        return by_value(attempts, references, evaluated=self.options.evaluated)

    def unreadable_references(self, problems: Sequence[Problem]) -> list[tuple[Problem, str]]:
        """The problems none of whose references can be read, each with the reason of its first one."""
        return unreadable(problems, references)


_LOOSE_SPACE = re.compile(r"(?<![0-9])\s+|\s+(?![0-9])")  # not a space between two digits: `14 2` is not 142


def _equal_as_text(text: str, other: str) -> bool:
    return _normalized(text) == _normalized(other) or written(text) == written(other)


def _normalized(text: str) -> str:
    """The text as `exact` compares it."""
    text = _LOOSE_SPACE.sub("", canonical(text).strip()).replace("$", "").replace("\u2009", "")
    return text.rstrip(".").removeprefix("+")


# -- By value, whatever the source of the expected answer --------------------------------------------------------------

_Draft: TypeAlias = tuple[Answer, Decision | None, Sequence[Decision | AlgebraTask]]
"""The comparison of an attempt with one expected answer before the worker's results: the final answer; the decision, or
None where claims have to be compared; a decision or a task for each claim of the response, that of the answer last."""


def by_value(
    attempts: Sequence[Attempt], expect: Callable[[Problem], Sequence[ExpectedAnswer]], *, evaluated: bool = False
) -> list[Verdict]:
    """One verdict per attempt, in order; all tasks of the batch go to the worker together, equal ones once.

    Args:
        attempts: The batch.
        expect: The accepted answers of a problem, at least one.
        evaluated: As in `Sympy`.
    """
    expected = [expect(attempt.problem) for attempt in attempts]
    pairs = zip(attempts, expected, strict=True)
    verdicts = _verdicts([_timed_draft(attempt, answer, evaluated) for attempt, answers in pairs for answer in answers])
    if len(verdicts) == len(attempts):
        return verdicts
    remaining = iter(verdicts)
    return [against_any([next(remaining) for _ in answers]) for answers in expected]


def unreadable(
    problems: Sequence[Problem], expect: Callable[[Problem], Sequence[ExpectedAnswer]]
) -> list[tuple[Problem, str]]:
    """The problems without a readable expected answer, each with the reason of its first one."""
    reasons = [[answer.unreadable for answer in expect(problem)] for problem in problems]
    return [(problem, texts[0]) for problem, texts in zip(problems, reasons, strict=True) if texts[0] and all(texts)]


def _verdicts(drafts: Sequence[tuple[_Draft, float]]) -> list[Verdict]:
    """The verdicts of drafts, after the worker has done their tasks."""
    tasks = list(
        dict.fromkeys(claim for (_, _, claims), _ in drafts for claim in claims if isinstance(claim, AlgebraTask))
    )
    began = time.perf_counter()
    results = dict(zip(tasks, map(result_decision, _WORKER.map(tasks)), strict=True))
    share = (time.perf_counter() - began) / max(1, len(tasks))
    return [
        _verdict(answer, decision, seconds)
        if decision is not None
        else _verdict(
            answer, _united([results[c] if isinstance(c, AlgebraTask) else c for c in claims]), seconds + share
        )
        for (answer, decision, claims), seconds in drafts
    ]


def _united(decisions: Sequence[Decision]) -> Decision:
    """The decision on the last claim, which is the answer; undecided where another claim has another outcome."""
    last = decisions[-1]
    differ = any(outcome is not last[0] for outcome, _ in decisions)
    return (Outcome.UNDECIDED, "two_answers") if differ and last[0] is not Outcome.UNDECIDED else last


def _timed_draft(attempt: Attempt, expected: ExpectedAnswer, evaluated: bool) -> tuple[_Draft, float]:
    began = time.perf_counter()
    return _draft(attempt, expected, evaluated), time.perf_counter() - began


def _draft(attempt: Attempt, expected: ExpectedAnswer, evaluated: bool) -> _Draft:
    if not expected.text.strip():
        return _UNREAD, (Outcome.UNDECIDED, expected.unreadable), ()
    question = attempt.problem.question
    variable = expected.variable or asked_variable(question)
    if expected.number is not None and variable:
        return _draft_of_number(attempt, expected, variable)
    if expected.kind is not None and not expected.kind.in_sentences:
        return _draft_of_kind(attempt, expected, question) or _NO_DRAFT
    reading = _read_any(attempt, expected)
    draft = _draft_of_reading(reading, expected, question, evaluated)
    if draft[1] == (Outcome.WRONG, None) and reading.answer.rule == RULE and _is_a_line(expected, attempt.response):
        return reading.answer, (Outcome.UNDECIDED, "two_answers"), ()
    if reading.answer.rule in _MARKED or (reading.answer.rule == RULE and not _is_open(draft)):
        return draft
    if expected.has_left_side and asked(question).is_equation:
        return draft  # the rules for one kind of answer read right sides alone
    by_kind = _draft_of_kind(attempt, expected, question)
    if by_kind is None or _is_open(by_kind):
        return draft
    if draft[1] == (Outcome.CORRECT, None) and len(_COMMA.findall(draft[0].text or "")) > 0:
        return draft  # `x = 2, y = 5` for a pair
    contradicts = by_kind[1] == (Outcome.UNDECIDED, "two_answers") or len(by_kind[2]) > 1  # several claims
    several_lines = by_kind[0].rule == "list" and "\n" in (by_kind[0].text or "")
    if _is_open(draft) or contradicts or several_lines:
        return by_kind
    differ = draft[1] is not None and by_kind[1] is not None and draft[1][0] is not by_kind[1][0]
    return (draft[0], (Outcome.UNDECIDED, "notation"), ()) if differ else draft


def _is_a_line(expected: ExpectedAnswer, response: str) -> bool:
    """Whether the expected words are a line of the response, which what follows may explain, or its very end."""
    if not expected.is_wordy and not expected.is_letter:
        return False
    end = response[-200:].strip(" \t\n*_#$.!\\()[]").casefold()
    lead = " " if expected.is_wordy else ": "
    if end.endswith(lead + written(expected.text).casefold()):
        return True
    lines = (line.strip(" \t*_#$.!:\\()[]") for line in response[-4000:].splitlines())
    return written(expected.text).casefold() in (written(line).casefold() for line in lines if len(line) <= 200)


def _is_open(draft: _Draft) -> bool:
    """Whether another reading may decide: the words of the response, or its form, gave no value."""
    return draft[1] is not None and draft[1][0] is Outcome.UNDECIDED and draft[1][1] not in _CLOSED


def _draft_of_number(attempt: Attempt, expected: ExpectedAnswer, variable: str) -> _Draft:
    """The draft where a number that solves for a letter is expected."""
    answer = find(attempt.response, variable)
    end = attempt.response[-200:]
    if answer.reason == "not_found" and _NAMES_SOLUTION.search(end) and not re.search(_OTHER_LETTER % variable, end):
        answer = _read_any(attempt, expected).answer
    part = _without_answer(answer) or compared(expected, answer.text or "", attempt.problem.question)
    return (answer, None, (part,)) if isinstance(part, AlgebraTask) else (answer, part, ())


def _draft_of_kind(attempt: Attempt, expected: ExpectedAnswer, question: str) -> _Draft | None:
    """The draft by the rules for one kind of answer: `True` and the like, expressions and lists without a mark."""
    if expected.kind is not None:
        answer = find_word(attempt.response, expected.kind)
        part = _without_answer(answer) or compared(expected, answer.text or "", question)
        return (answer, None, (part,)) if isinstance(part, AlgebraTask) else (answer, part, ())
    if expected.node is None or expected.number is not None:
        return None
    answer = find(attempt.response, asked_variable(question))
    answer, texts = find_expression(answer, attempt.response, expected.node, question)
    if answer.reason == "two_answers":
        return answer, (Outcome.UNDECIDED, answer.reason), ()  # equal forms, or "x = 1 or x = 3", may be right
    if refused := _without_answer(answer):
        if expected.is_letter and answer.reason == "range":
            return answer, (Outcome.UNDECIDED, "range"), ()  # "<choice>H2O</choice>" may be option B
        return answer, refused, ()
    claims = [compared(expected, text, question) for text in texts]
    if any(isinstance(claim, AlgebraTask) for claim in claims):
        return answer, None, claims
    return answer, _united([claim for claim in claims if not isinstance(claim, AlgebraTask)]), ()


def _draft_of_reading(reading: Reading, expected: ExpectedAnswer, question: str, evaluated: bool) -> _Draft:
    """The draft of an answer that was read by the rules for any question."""
    answer = reading.answer
    if answer.text is None or answer.reason is not None:
        outcome = Outcome.WRONG if answer.reason in _NO_ANSWER else Outcome.UNDECIDED
        return answer, (outcome, answer.reason), ()
    part = compared_texts(expected, reading.texts, question, evaluated=evaluated)
    if answer.rule == WEAK_RULE and part != (Outcome.CORRECT, None):
        return answer, (Outcome.UNDECIDED, "unread"), ()
    return (answer, None, (part,)) if isinstance(part, AlgebraTask) else (answer, part, ())


_UNREAD = Answer(None, None, "none")
_NO_DRAFT: _Draft = (_UNREAD, (Outcome.UNDECIDED, "not_found"), ())


def _read_any(attempt: Attempt, expected: ExpectedAnswer) -> Reading:
    question = attempt.problem.question
    if expected.is_letter and asked(question).is_choice:
        return read_answer(attempt.response, question, wordy=True)
    return read_answer(attempt.response, question, wordy=expected.is_wordy, formula=expected.is_formula)


def _read(attempt: Attempt, expected: ExpectedAnswer) -> Reading:
    """The final answer of a response, whatever is expected, and the texts that may hold it."""
    variable = asked_variable(attempt.problem.question)
    if expected.kind is not None:
        answer = find_word(attempt.response, expected.kind)
    elif expected.number is not None and variable:
        answer = find(attempt.response, variable)
    else:
        return _read_any(attempt, expected)
    return Reading(answer, (answer.text,) if answer.text is not None and answer.reason is None else ())


def _without_answer(answer: Answer) -> Decision | None:
    """The decision on a response without a final answer; None where there is one."""
    if answer.text is not None and answer.reason is None:
        return None
    return (Outcome.UNDECIDED if answer.reason in CANNOT_TELL else Outcome.WRONG), answer.reason


def _verdict(answer: Answer, decision: Decision, seconds: float) -> Verdict:
    outcome, reason = decision
    return verdict_of(outcome, answer=answer.text, span=answer.span, rule=answer.rule, reason=reason, seconds=seconds)
