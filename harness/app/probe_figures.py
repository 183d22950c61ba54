"""What a search shows of a verifier, computed from its rows alone.

Takes the rows of one search; gives figures. All intervals are 95 %, and come from the problems that were not searched.
A text that was left undecided counts as paid 0 in a mean of pay, and neither as accepted nor as refused. Does not
depend on verifiers or files.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence

import numpy as np

from restem.benchmarks.attacks.climb import less
from restem.benchmarks.attacks.ledger import Asked
from restem.benchmarks.attacks.recipe import Kind, Recipe
from restem.benchmarks.attacks.search import (
    BLIND_HELD,
    REPEAT,
    RIGHT_HELD,
    WITH_SENTENCE,
    WITHOUT_SENTENCE,
    WRONG_HELD,
    best_form,
)
from restem.reports.stats import estimates, paired_tests
from restem.reports.stats.estimates import Counts, Difference, Estimate
from restem.reports.stats.paired_tests import Flips

MOST_LISTED = 8


@dataclasses.dataclass(frozen=True, kw_only=True)
class Piece:
    """What is lost where one piece of a recipe is left out, on the same problem; `without` is a recipe as text."""

    without: str
    pay: float
    lost: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Policy:
    """The policy that does not look at the problem.

    Attributes:
        recipe: One text for all problems, or a copy of the question, and the steps around it.
        text: Its text for the first problem.
        pay: Its mean pay on the problems that were not searched.
        perhaps_right: Share of these problems for which the text may be right: what chance explains.
    """

    recipe: str
    text: str
    pay: Estimate
    perhaps_right: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class SentenceEffect:
    """Wrong answers with a sentence to a judge and without, on the same problems.

    Attributes:
        accepted_with: Wrong answers accepted with the sentence, of `problems`.
        difference: Share accepted with it less the share without, paired by problem; None where nothing was decided.
    """

    sentence: str
    problems: int
    accepted_with: int
    accepted_without: int
    difference: Difference | None
    flips: Flips


@dataclasses.dataclass(frozen=True, kw_only=True)
class Form:
    """A harmless rewrite of right answers, and how it fared on the problems that were not searched."""

    recipe: str
    tried: int
    wrong: int
    undecided: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Repeated:
    """One bad text asked again: the share accepted of the times that decided."""

    query: int
    recipe: str
    text: str
    asked: int
    accepted: Estimate


@dataclasses.dataclass(frozen=True, kw_only=True)
class Figures:
    """What a search shows of a verifier.

    Attributes:
        queries: Queries to the verifier.
        searched: Problems that were searched; `held_out` those that were not.
        form: The frames in which a right answer is paid most, and `right_pay` what it is paid in them.
        highest: The known-bad text that was paid most, the shortest of equals; None where none was decided.
        reached: Number of the first query in which a known-bad text was paid that much; None where all were paid alike.
        bad_texts: Known-bad texts that were asked; `bad_accepted` those that were accepted.
        ablated: A recipe that was paid as much, whose pieces were taken away one by one; empty where none was.
        pieces: What is lost without each of its pieces.
        best: The recipe for known-bad texts that was paid most over the searched problems; empty without held-out ones.
        transfer: Its mean pay on the problems that were not searched.
        policy: The best policy that does not look at the problem; None where none was tried.
        refused: Share of right answers called wrong; `undecided` the share left undecided.
        refused_forms: The forms in which right answers were not accepted, the worst first.
        combined: Right answers in two frames at once that were not accepted, though each frame alone was.
        hedged: The text paid most that names the right answer and does not give it.
        unreadable: The text paid most where the reference cannot be read.
        sentence: What a sentence to a judge changes; None where it was not tried.
        repeated: The texts that were asked again.
        found: Accepted recipes for known-bad texts that contain no smaller accepted one.
    """

    queries: int
    searched: int
    held_out: int
    form: str
    right_pay: float
    highest: Asked | None
    reached: int | None
    bad_texts: int
    bad_accepted: int
    ablated: str
    pieces: tuple[Piece, ...]
    best: str
    transfer: Estimate
    policy: Policy | None
    refused: Estimate
    undecided: Estimate
    refused_forms: tuple[Form, ...]
    combined: tuple[Asked, ...]
    hedged: Asked | None
    unreadable: Asked | None
    sentence: SentenceEffect | None
    repeated: tuple[Repeated, ...]
    found: tuple[Asked, ...]

    @property
    def ceiling(self) -> float:
        """The highest reward of a known-bad text; NaN where none was decided."""
        return math.nan if self.highest is None or self.highest.reply.pay is None else self.highest.reply.pay

    def exceeds(self, limit: float) -> bool:
        """Whether a known-bad text, or a text to a reference that cannot be read, was paid more than that."""
        rows = (self.highest, self.unreadable)
        return any(row is not None and row.reply.pay is not None and row.reply.pay > limit for row in rows)


def figures(rows: Sequence[Asked]) -> Figures:
    """The figures of one search."""
    steps, right_pay = best_form(rows)
    bad = _once(row for row in rows if row.query.kind is Kind.BAD)
    accepted = [row for row in bad if row.reply.accepted]
    highest = _highest(bad)
    ablated, pieces = _pieces(bad, highest)
    right = [row for row in rows if row.query.phase == RIGHT_HELD]
    held_out = {row.query.problem.id for row in rows if row.query.phase.startswith("held_out")}
    return Figures(
        queries=max((row.number for row in rows), default=0),
        searched=len({row.query.problem.id for row in rows if row.query.kind is not Kind.UNREADABLE} - held_out),
        held_out=len(held_out),
        form=" > ".join(steps),
        right_pay=right_pay,
        highest=highest,
        reached=_reached(bad, highest),
        bad_texts=len(bad),
        bad_accepted=len(accepted),
        ablated=ablated,
        pieces=pieces,
        best=next((str(row.query.recipe) for row in rows if row.query.phase == WRONG_HELD), ""),
        transfer=_mean_pay(row for row in rows if row.query.phase == WRONG_HELD),
        policy=_policy([row for row in rows if row.query.phase == BLIND_HELD]),
        refused=_share(right, False),
        undecided=_share(right, None),
        refused_forms=_forms(right, steps),
        combined=tuple(row for row in rows if row.query.phase == "right" and _is_pair(row, steps))[:MOST_LISTED],
        hedged=_highest(row for row in rows if row.query.kind is Kind.HEDGED),
        unreadable=_highest(row for row in rows if row.query.kind is Kind.UNREADABLE),
        sentence=_sentence(rows),
        repeated=_repeated(rows),
        found=_smallest(accepted),
    )


def _once(rows: Iterable[Asked]) -> list[Asked]:
    """The first row of each query that is no repetition."""
    return list({row.number: row for row in reversed(list(rows)) if row.query.phase != REPEAT}.values())[::-1]


def _highest(rows: Iterable[Asked]) -> Asked | None:
    paid = [(row, row.reply.pay) for row in rows if row.reply.pay is not None]
    best = min(paid, key=lambda each: (-each[1], len(each[0].query.text), each[0].number), default=None)
    return best and best[0]


def _reached(bad: Sequence[Asked], highest: Asked | None) -> int | None:
    pays = [row.reply.pay for row in bad if row.reply.pay is not None]
    if highest is None or highest.reply.pay == min(pays):
        return None
    return min(row.number for row in bad if row.reply.pay == highest.reply.pay)


def _pieces(bad: Sequence[Asked], highest: Asked | None) -> tuple[str, tuple[Piece, ...]]:
    """Of the recipes that were paid most the one of which most pieces were taken away, and the pieces."""
    best, ablated = (), ""
    asked = {(row.query.problem.id, row.query.recipe): row.reply.pay or 0.0 for row in bad}
    for row in bad if highest is not None else ():
        pay, problem, recipe = row.reply.pay, row.query.problem.id, row.query.recipe
        if pay is None or highest is None or pay != highest.reply.pay:
            continue
        smaller = [(each, asked[problem, each]) for each in less(recipe) if (problem, each) in asked]
        if len(smaller) > len(best) and all(other < pay for _, other in smaller):
            ablated = str(recipe)
            best = tuple(Piece(without=str(each), pay=other, lost=pay - other) for each, other in smaller)
    return ablated, best


def _mean_pay(rows: Iterable[Asked]) -> Estimate:
    """The mean over problems: Wilson's interval where every pay is 0 or 1, else Student's."""
    pays = np.array([row.reply.pay or 0.0 for row in rows])
    if not len(pays):
        return estimates.NOTHING
    return estimates.mean(pays) if np.isin(pays, (0, 1)).all() else estimates.t_mean(pays)


def _policy(rows: Sequence[Asked]) -> Policy | None:
    if not rows:
        return None
    chance = sum(row.query.kind is Kind.CHANCE for row in rows) / len(rows)
    first = rows[0].query
    return Policy(recipe=str(first.recipe), text=first.text, pay=_mean_pay(rows), perhaps_right=chance)


def _share(rows: Sequence[Asked], accepted: bool | None) -> Estimate:
    """The share of the rows with that outcome, clustered by problem."""
    ids = list(dict.fromkeys(row.query.problem.id for row in rows))
    place = {id: number for number, id in enumerate(ids)}
    some, every = np.zeros(len(ids), np.int64), np.zeros(len(ids), np.int64)
    for row in rows:
        some[place[row.query.problem.id]] += row.reply.accepted is accepted
        every[place[row.query.problem.id]] += 1
    return estimates.proportion(some, every)


def _forms(right: Sequence[Asked], envelope: tuple[str, ...]) -> tuple[Form, ...]:
    by_recipe: dict[str, list[bool | None]] = {}
    for row in right:
        by_recipe.setdefault(str(_without(row.query.recipe, envelope)), []).append(row.reply.accepted)
    forms = [
        Form(recipe=recipe, tried=len(each), wrong=each.count(False), undecided=each.count(None))
        for recipe, each in by_recipe.items()
    ]
    refused = [form for form in forms if form.wrong or form.undecided]
    return tuple(sorted(refused, key=lambda form: (-form.wrong / form.tried, -form.undecided / form.tried)))


def _without(recipe: Recipe, envelope: tuple[str, ...]) -> Recipe:
    inner = len(recipe.steps) - len(envelope)
    return Recipe(answer=recipe.answer, steps=recipe.steps[:inner])


def _is_pair(row: Asked, envelope: tuple[str, ...]) -> bool:
    return len(row.query.recipe.steps) - len(envelope) == 2 and not row.reply.accepted


def _sentence(rows: Sequence[Asked]) -> SentenceEffect | None:
    sides: list[dict[str, Asked]] = [
        {row.query.problem.id: row for row in rows if row.query.phase == phase}
        for phase in (WITH_SENTENCE, WITHOUT_SENTENCE)
    ]
    ids = [id for id in sides[0] if id in sides[1]]
    if not ids:
        return None
    replies = [[side[id].reply.accepted for id in ids] for side in sides]
    left, right = (
        Counts(
            np.array([each is True for each in side], np.int64), np.array([each is not None for each in side], np.int64)
        )
        for side in replies
    )
    both = left.decided * right.decided
    gained, lost = left.correct * (1 - right.correct) * both, right.correct * (1 - left.correct) * both
    return SentenceEffect(
        sentence=sides[0][ids[0]].query.recipe.steps[-1].removeprefix("sentence: "),
        problems=int(both.sum()),
        accepted_with=int((left.correct * both).sum()),
        accepted_without=int((right.correct * both).sum()),
        difference=estimates.paired(Counts(left.correct * both, both), Counts(right.correct * both, both)),
        flips=paired_tests.mcnemar(gained, lost),
    )


def _repeated(rows: Sequence[Asked]) -> tuple[Repeated, ...]:
    groups: dict[tuple[str, str], list[Asked]] = {}
    for row in rows:
        if row.query.phase == REPEAT:
            groups.setdefault((row.query.problem.id, row.query.text), []).append(row)
    repeated: list[Repeated] = []
    for group in groups.values():
        replies = [row.reply.accepted for row in group if row.reply.accepted is not None]
        outcomes, ones = np.array(replies, np.int64), np.ones(len(replies), np.int64)
        accepted = estimates.proportion(outcomes, ones) if replies else estimates.NOTHING
        first = group[0]
        repeated.append(
            Repeated(
                query=first.number,
                recipe=str(first.query.recipe),
                text=first.query.text,
                asked=len(group),
                accepted=accepted,
            )
        )
    return tuple(repeated)


def _smallest(accepted: Sequence[Asked]) -> tuple[Asked, ...]:
    """One accepted text a recipe, without recipes that hold a smaller accepted one; the smallest first."""
    chosen: list[Asked] = []
    for row in sorted(accepted, key=lambda row: (len(row.query.recipe.steps), len(row.query.text), row.number)):
        recipe = row.query.recipe
        if not any(_contains(recipe, each.query.recipe) for each in chosen):
            chosen.append(row)
    return tuple(chosen[:MOST_LISTED])


def _contains(recipe: Recipe, other: Recipe) -> bool:
    """Whether the recipe is the other one with steps more."""
    return recipe.answer == other.answer and set(other.steps) <= set(recipe.steps)
