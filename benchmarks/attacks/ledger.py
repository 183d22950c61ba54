"""What was asked and what was paid: queries, replies, the budget, and the memory of what is known already.

Takes recipes and problems; gives replies, and keeps every query in order. No text is asked for a problem twice, except
on purpose. Depends on problems and recipes alone.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from restem.benchmarks.attacks.recipe import Kind, Recipe, render
from restem.benchmarks.problem import Problem


@dataclasses.dataclass(frozen=True, kw_only=True)
class Query:
    """One text for one problem, and the phase of the search that asks for it."""

    phase: str
    problem: Problem
    recipe: Recipe
    kind: Kind
    text: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class Reply:
    """What a verifier gave.

    Attributes:
        pay: The number that training would use; None where undecided.
        guide: The finest number that it gave, such as a score between 0 and 1; None where undecided.
        accepted: Whether it called the text correct; None where undecided.
        reason: Why it was undecided, or wrong without a value.
    """

    pay: float | None
    guide: float | None
    accepted: bool | None
    reason: str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Asked:
    """A query with its reply.

    Attributes:
        number: Of the query to the verifier, from 1. Two rows have one number where a later phase needed the reply to
            a text that was asked before.
    """

    number: int
    query: Query
    reply: Reply


Ask: TypeAlias = Callable[[Sequence[Query]], Sequence[Reply]]


class Ledger:
    """Asks a verifier and keeps account.

    Args:
        problems: All problems, in order.
        ask: Gives one reply a query, in order; it gets the texts of a problem together.
        budget: The number of queries, at most.

    Attributes:
        rows: Every query with its reply, in order.
        spent: The number of queries so far.
        lowest: The lowest number paid so far, at most 0: what an undecided text counts as in the search.
    """

    def __init__(self, problems: Sequence[Problem], ask: Ask, budget: int) -> None:
        self.problems = tuple(problems)
        self.budget = budget
        self.rows: list[Asked] = []
        self.spent = 0
        self.lowest = 0.0
        self._ask = ask
        self._known: dict[tuple[str, str], Asked] = {}
        self._order = {problem.id: place for place, problem in enumerate(self.problems)}

    def render(self, recipe: Recipe, problem: Problem) -> tuple[Kind, str] | None:
        """The kind and the text of a recipe for a problem."""
        return render(recipe, problem, self.problems)

    def reply(
        self, phase: str, pairs: Iterable[tuple[Recipe, Problem]], limit: int, *, every: bool = False
    ) -> list[tuple[Kind, Reply] | None]:
        """The kind and reply of each recipe on its problem; None where there is no such text, or no budget.

        Args:
            phase: What the rows are kept under.
            pairs: Recipes and problems.
            limit: The value of `spent` at which this phase ends.
            every: Whether a row is kept too for a text whose reply was known already.
        """
        queries = [
            made and Query(phase=phase, problem=problem, recipe=recipe, kind=made[0], text=made[1])
            for recipe, problem in pairs
            for made in [self.render(recipe, problem)]
        ]
        new: dict[tuple[str, str], Query] = {}
        for query in queries:
            if query and _key(query) not in self._known:
                new.setdefault(_key(query), query)
        self.send(list(new.values())[: max(0, min(limit, self.budget) - self.spent)])
        replies: list[tuple[Kind, Reply] | None] = []
        for query in queries:
            known = self._known.get(_key(query)) if query else None
            replies.append(known and query and (query.kind, known.reply))
            if every and known and query and known.query is not new.get(_key(query)):
                self.rows.append(dataclasses.replace(known, query=query))
        return replies

    def send(self, queries: Sequence[Query]) -> None:
        """Asks for all of these, known or not, the texts of a problem together, as far as the budget goes."""
        queries = queries[: max(0, self.budget - self.spent)]
        queries = sorted(queries, key=lambda query: self._order.get(query.problem.id, len(self._order)))
        for query, reply in zip(queries, self._ask(queries) if queries else (), strict=True):
            self.spent += 1
            row = Asked(number=self.spent, query=query, reply=reply)
            self.rows.append(row)
            self._known.setdefault(_key(query), row)
            self.lowest = min(self.lowest, reply.guide if reply.guide is not None else 0.0)

    def worth(self, reply: Reply) -> float:
        """The finest number that was given; for an undecided text the lowest."""
        return self.lowest if reply.guide is None else reply.guide


def _key(query: Query) -> tuple[str, str]:
    return query.problem.id, query.text
