"""One response with all that a verifier has to know about it, and how the values of other frameworks become that.

Takes prompts, completions and references as frameworks pass them: texts, messages, numbers, lists, arrays; gives plain
texts. Does not depend on verifiers, or on any framework.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from restem.benchmarks.chat_templates import plain_question, plain_response
from restem.benchmarks.columns import ANSWERS, QUESTIONS, SOLUTION
from restem.benchmarks.problem import Problem
from restem.verifiers.verdict import Attempt, UnknownVerifier

# How a framework calls a list of references; singular names are those of files of problems.
REFERENCES = (*ANSWERS, "answers")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Columns:
    """Which columns of a framework's rows hold what; None: found by its usual names.

    Attributes:
        question: The question, where the prompt is not it.
        reference: The accepted answer, or a list of accepted answers.
        data: What the problem's own verifier needs, such as unit tests: an object, or its JSON.
    """

    question: str | None = None
    reference: str | None = None
    data: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Item:
    """One response.

    Attributes:
        question: The last turn of the user, without a chat template; empty where the framework does not pass it.
        response: What the policy wrote.
        references: The accepted answers.
        data: What the problem's own verifier needs.
        step: The training step, where the framework passes it.
        index: The framework's own number of the sample.
        group: The framework's own id of the problem.
    """

    question: str
    response: str
    references: tuple[str, ...] = ()
    data: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    step: int | None = None
    index: int | None = None
    group: str | None = None

    def attempt(self, call: int = 0) -> Attempt:
        """The item for a verifier. Items with the same question, references and data are of one problem.

        Args:
            call: Keeps items of different calls apart, for a verifier that compares the responses to a problem.
        """
        reference, *alternatives = self.references or (None,)
        identity = json.dumps([self.question, self.references, dict(self.data), call], sort_keys=True, default=str)
        problem = Problem(
            id=f"adapter/{hashlib.sha256(identity.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}",
            question=self.question,
            reference=reference,
            split="train",
            source="adapter",
            alternatives=tuple(text for text in alternatives if text is not None),
            data=self.data,
        )
        return Attempt(problem=problem, response=self.response)


# -- Values ------------------------------------------------------------------------------------------------------------


def plain(value: Any) -> Any:
    """A tensor or array as numbers and lists; any other value as it is."""
    return value.tolist() if hasattr(value, "tolist") else value


def references_of(value: Any) -> tuple[str, ...]:
    """The accepted answers: a text, a number, or a list of these; none for None.

    Raises:
        TypeError: It is something else.
    """
    value = plain(value)
    values = value if isinstance(value, list | tuple) else [] if value is None else [value]
    for each in values:
        if not isinstance(each, str | int | float):
            raise TypeError(f"a reference is a text, a number or a list of these, found {type(each).__name__}")
    return tuple(dict.fromkeys(str(each) for each in values))


def question_of(prompt: Any) -> str:
    """The question of a prompt: its last turn of the user; empty where there is none."""
    return plain_question(plain(prompt)) or ""


def response_of(completion: Any) -> str:
    """The policy's text: of messages the last turn of the policy; empty where it wrote nothing."""
    return plain_response(completion) or ""


def data_of(value: Any) -> Mapping[str, Any]:
    """A problem's data, an object or its JSON.

    Raises:
        TypeError: It is neither.
    """
    if isinstance(value, str):
        value = json.loads(value)
    if value is None or isinstance(value, Mapping):
        return value or {}
    raise TypeError(f"a problem's data is an object or its JSON, found {type(value).__name__}")


# -- Columns -----------------------------------------------------------------------------------------------------------


def reference_in(row: Mapping[str, Any], columns: Columns) -> Any:
    """The value of the column with the reference; None where no column has a usual name.

    Raises:
        UnknownVerifier: The named column is not there, or several columns could be meant.
    """
    if columns.reference is not None:
        return named(row, columns.reference, "reference")
    usual = [name for name in REFERENCES if row.get(name) is not None]
    if len(usual) > 1:
        listed = ", ".join(map(repr, usual))
        raise UnknownVerifier(f"the reference may be in {listed}: say which, as in reference={usual[0]!r}")
    return row.get(usual[0] if usual else SOLUTION)


def question_in(row: Mapping[str, Any], columns: Columns, prompt: Any = None) -> str:
    """The question: of the named column, else of the prompt, else of the first column with a usual name."""
    if columns.question is not None:
        return question_of(named(row, columns.question, "question"))
    if prompt is not None:
        return question_of(prompt)
    return next((question_of(row[name]) for name in QUESTIONS if row.get(name) is not None), "")


def data_in(row: Mapping[str, Any], columns: Columns) -> Mapping[str, Any]:
    """The problem's data; empty where no column is named for them."""
    return {} if columns.data is None else data_of(named(row, columns.data, "data"))


def named(row: Mapping[str, Any], name: str, parameter: str) -> Any:
    """The value of a named column; a name may lead into objects by dots.

    Raises:
        UnknownVerifier: It is not there.
    """
    value: Any = row
    for part in [name] if name in row else name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            listed = ", ".join(map(str, row)) or "none"
            raise UnknownVerifier(f"{parameter}={name!r}: there is no such column; there are: {listed}")
        value = value[part]
    return value


def rows_of(columns: Mapping[str, Any], count: int) -> Sequence[Mapping[str, Any]]:
    """Columns as rows: those that are lists of that length are divided, all others are the same in every row."""
    values = {name: plain(value) for name, value in columns.items()}
    lists = {name: value for name, value in values.items() if isinstance(value, list | tuple) and len(value) == count}
    fixed = {name: value for name, value in columns.items() if name not in lists}
    return [{**fixed, **{name: value[row] for name, value in lists.items()}} for row in range(count)]
