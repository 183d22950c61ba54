"""What a reward function may be given: one problem with its responses, in the forms and under the names in use.

Takes a problem's parts as JSON; gives texts, chat messages and dataset columns. Runs in the worker, in any environment:
it imports the standard library alone, and does not depend on any convention.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

# The names under which reward functions expect the reference and the question.
REFERENCE = (
    *("reference", "answer", "solution", "ground_truth", "gt", "gts", "gold", "gold_answer", "label", "target"),
    *("expected", "expected_answer", "final_answer", "reference_answer", "correct_answer", "ground_truths"),
)
QUESTION = ("question", "problem", "input", "instruction", "query")
TEXT, MESSAGES = "text", "messages"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Group:
    """A problem and responses to it.

    Attributes:
        question: The text that the policy was given.
        references: The reference, or all of them for a function that takes several; empty where there is none.
        data: The problem's further columns.
        strata: The parts of the benchmark that the problem belongs to, such as `data_source`.
        responses: The texts.
        form: TEXT or MESSAGES: how prompts and completions are given.
    """

    question: str
    references: tuple[str, ...]
    data: Mapping[str, Any]
    strata: Mapping[str, str]
    responses: tuple[str, ...]
    form: str = TEXT

    @property
    def reference(self) -> str | None:
        return self.references[0] if self.references else None

    def prompts(self) -> list[Any]:
        """The question once for each response."""
        text = self.question
        return [self._formed("user", text) for _ in self.responses]

    def completions(self) -> list[Any]:
        return [self._formed("assistant", response) for response in self.responses]

    def _formed(self, role: str, text: str) -> Any:
        return [{"role": role, "content": text}] if self.form == MESSAGES else text

    def columns(self) -> dict[str, Any]:
        """Column -> value: the question and the reference under every usual name, then the problem's own columns."""
        columns: dict[str, Any] = dict.fromkeys(QUESTION, self.question)
        columns |= dict.fromkeys(REFERENCE, self.reference) if self.references else {}
        return {**columns, **self.strata, **self.data}


def group_of(item: Mapping[str, Any], form: str) -> Group:
    """The group that an item of the worker describes."""
    return Group(
        question=item["question"],
        references=tuple(item["references"]),
        data=item["data"],
        strata=item["strata"],
        responses=tuple(item["responses"]),
        form=form,
    )
