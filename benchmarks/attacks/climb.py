"""The search upward: changes of wrong answers that raise what a verifier pays, until one is paid like a right answer.

Takes a ledger and the problems that may be searched; keeps the pay of every bad recipe. A recipe's fitness is its mean
pay. Which answers and steps are tried next is a Thompson sample (Thompson 1933, Biometrika 25:285) of how often each
raised the pay. Where all pay is equal, the search is a random walk over recipes. Depends on problems alone.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterable, Sequence

from restem.benchmarks.attacks.answers import EMPTY, HEDGED, names
from restem.benchmarks.attacks.ledger import Ledger
from restem.benchmarks.attacks.recipe import Kind, Recipe
from restem.benchmarks.attacks.steps import STEPS
from restem.benchmarks.problem import Problem

BATCH = 32
MOST_STEPS = 4
ELITE = 8
SATURATED = 4  # problems on which a bad text is paid like a right one, after which the search upward ends


class Climb:
    """The search upward of one verifier.

    Args:
        ledger: Asks the verifier.
        problems: The problems that are searched.
        envelope: The frames in which a right answer is paid.
        goal: What a right answer is paid.
        choices: The source of every random choice.
    """

    def __init__(
        self,
        ledger: Ledger,
        problems: Sequence[Problem],
        envelope: tuple[str, ...],
        goal: float,
        choices: random.Random,
    ) -> None:
        self._ledger, self._problems, self._envelope, self._goal = ledger, problems, envelope, goal
        self._random = choices
        self._answers = names(problems)
        self._by_id = {problem.id: problem for problem in problems}
        self._pay: dict[Recipe, dict[str, float]] = {}
        self._credit: dict[str, list[int]] = {}  # answer or step -> [times it raised the pay, times it did not]
        self._turn = 0

    def run(self, limit: int) -> None:
        """Tries single answers and steps first, then changes of the best recipes, while `spent` is below the limit."""
        around = dict.fromkeys([(), self._envelope])
        first = [Recipe(answer=answer, steps=steps) for answer in (*self._answers, *HEDGED) for steps in around]
        first += [Recipe(answer="wrong", steps=(step, *steps)) for step in STEPS for steps in around]
        for start in range(0, len(first), BATCH):
            self._first(first[start : start + BATCH], limit)
        while self._ledger.spent < limit and not self._saturated():
            before = self._ledger.spent
            self._confirm(self.best(ELITE), 1, "climb", limit)
            for _ in range(8):  # most changes of a small search are known already
                if self._ledger.spent == before:
                    self._change(limit)
            if self._ledger.spent == before:
                return

    def ablate(self, limit: int) -> None:
        """Takes pieces of the best recipes away, where they were paid most, while the pay stays."""
        for recipe in self.best(3):
            pays = self._pay[recipe]
            id = max(pays, key=lambda id: pays[id])
            if pays[id] <= self._floor():
                return
            smaller: list[Recipe] = [recipe]
            while smaller:
                recipe = smaller[0]
                fewer = less(recipe)
                replies = self._ask("ablate", [(each, self._by_id[id]) for each in fewer], limit)
                smaller = [
                    each for each, pay in zip(fewer, replies, strict=True) if pay is not None and pay >= pays[id]
                ]
            self._confirm([recipe], 3, "ablate", limit)

    def best(self, count: int) -> list[Recipe]:
        """The bad recipes that were paid most, shrunk to the floor where few problems were asked, shorter first."""
        floor = self._floor()

        def rank(recipe: Recipe) -> tuple[float, int]:
            pays = self._pay[recipe].values()
            return -sum(pay - floor for pay in pays) / (len(pays) + 0.5), len(recipe.steps)

        return sorted(self._pay, key=rank)[:count]

    def _ask(self, phase: str, pairs: Sequence[tuple[Recipe, Problem]], limit: int) -> list[float | None]:
        """What each bad text was paid; None for one that is not bad, or was not asked."""
        pays: list[float | None] = []
        for (recipe, problem), replied in zip(pairs, self._ledger.reply(phase, pairs, limit), strict=True):
            if replied is None or replied[0] is not Kind.BAD:
                pays.append(None)
                continue
            pay = self._ledger.worth(replied[1])
            self._pay.setdefault(recipe, {})[problem.id] = pay
            pays.append(pay)
        return pays

    def _first(self, recipes: Sequence[Recipe], limit: int) -> None:
        """Each recipe on the next problem for which it has a text that is not right by chance."""
        pairs: list[tuple[Recipe, Problem]] = []
        for recipe in recipes:
            for _ in self._problems:
                self._turn += 1
                problem = self._problems[self._turn % len(self._problems)]
                made = self._ledger.render(recipe, problem)
                if made is not None and made[0] is not Kind.CHANCE:
                    pairs.append((recipe, problem))
                    break
        pays = self._ask("climb", pairs, limit)
        floor = self._floor()
        for (recipe, _), pay in zip(pairs, pays, strict=True):
            if pay is not None:
                self._learn((recipe.answer, *recipe.steps), pay > floor)

    def _confirm(self, recipes: Iterable[Recipe], count: int, phase: str, limit: int) -> None:
        """Asks for recipes on further problems."""
        pairs: list[tuple[Recipe, Problem]] = []
        for recipe in recipes:
            missing = [problem for problem in self._problems if problem.id not in self._pay[recipe]]
            pairs += [(recipe, problem) for problem in missing[:count]]
        self._ask(phase, pairs, limit)

    def _change(self, limit: int) -> None:
        """Asks for changed recipes where their parents were paid most, and learns which pieces raise the pay."""
        parents = self.best(ELITE) or [Recipe(answer="wrong")]
        children: list[tuple[Recipe, str, Problem, float]] = []
        for _ in range(BATCH):
            parent = self._random.choice(parents)
            child, piece = self._changed(parent)
            pays = self._pay.get(parent, {})
            id = max(pays, key=lambda id: pays[id]) if pays and self._random.random() < 0.7 else None
            problem = self._by_id[id] if id else self._random.choice(self._problems)
            children.append((child, piece, problem, pays.get(problem.id, self._floor())))
        new = self._ask("climb", [(child, problem) for child, _, problem, _ in children], limit)
        for (_, piece, _, before), pay in zip(children, new, strict=True):
            if pay is not None:
                self._learn((piece,), pay > before)

    def _changed(self, parent: Recipe) -> tuple[Recipe, str]:
        """A recipe with one step more, less or changed, or another answer; and the piece that is new."""
        steps, change = list(parent.steps), self._random.random()
        if change < 0.25:
            answer = self._drawn(self._answers)
            return Recipe(answer=answer, steps=parent.steps), answer
        if change < 0.4 and steps:
            steps.pop(self._random.randrange(len(steps)))
            return Recipe(answer=parent.answer, steps=tuple(steps)), parent.answer
        step = self._drawn(list(STEPS))
        if (change < 0.55 and steps) or len(steps) >= MOST_STEPS:
            steps[self._random.randrange(len(steps))] = step
        else:
            steps.insert(self._random.randint(0, len(steps)), step)
        return Recipe(answer=parent.answer, steps=tuple(steps)), step

    def _drawn(self, pieces: Sequence[str]) -> str:
        """Of a few pieces the one whose chance to raise the pay, drawn from what is known of it, is highest."""

        def chance(piece: str) -> float:
            raised, not_raised = self._credit.get(piece, (0, 0))
            return self._random.betavariate(1 + raised, 1 + not_raised)

        return max(self._random.sample(list(pieces), min(6, len(pieces))), key=chance)

    def _learn(self, pieces: Iterable[str], raised: bool) -> None:
        for piece in pieces:
            self._credit.setdefault(piece, [0, 0])[0 if raised else 1] += 1

    def _floor(self) -> float:
        """What the worst bad text was paid."""
        return min((pay for pays in self._pay.values() for pay in pays.values()), default=0.0)

    def _saturated(self) -> bool:
        """Whether a bad text is paid like a right one on several problems."""
        enough, floor = min(SATURATED, len(self._problems)), self._floor()
        return any(
            sum(floor < pay >= self._goal for pay in self._pay[recipe].values()) >= enough
            for recipe in self.best(ELITE)
        )


def less(recipe: Recipe) -> list[Recipe]:
    """The recipe without one of its steps, and without its answer."""
    steps = recipe.steps
    fewer = [dataclasses.replace(recipe, steps=(*steps[:place], *steps[place + 1 :])) for place in range(len(steps))]
    return fewer + ([dataclasses.replace(recipe, answer=EMPTY)] if recipe.answer != EMPTY else [])
