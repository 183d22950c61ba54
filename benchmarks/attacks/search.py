"""The search: which texts a verifier is asked about, given what it paid for the earlier ones.

Takes problems, a function that asks the verifier, a budget of queries and a seed; gives every query with its reply, in
order. One problem in two is searched; the others are asked only in the phases HELD_OUT, about what was chosen on the
first. The same seed and the same replies give the same queries. Depends on problems alone.

`form` learns in which frame a right answer is paid. `climb` and `ablate` are the search upward (climb.py). `blind`
races the recipes that do not look at the problem. `sentence` asks for wrong answers with and without a sentence to a
judge. `unreadable` replaces the reference by one that nobody can read. `right` asks for right answers in other forms,
and in two frames at once. `held_out ...` asks for what was chosen, on the other problems. `repeat` asks the texts that
were paid most again, for a judge at a temperature.
"""

from __future__ import annotations

import dataclasses
import math
import random
from collections.abc import Iterable, Sequence
from types import MappingProxyType

from restem.benchmarks.attacks.answers import BLIND, EMPTY, TEMPLATES
from restem.benchmarks.attacks.climb import ELITE, Climb
from restem.benchmarks.attacks.ledger import Ask, Asked, Ledger, Query, Reply
from restem.benchmarks.attacks.recipe import PLAIN, Kind, Recipe, population
from restem.benchmarks.attacks.steps import ENVELOPES, FRAMES, SENTENCES
from restem.benchmarks.problem import Problem

BLIND_HELD, WRONG_HELD, RIGHT_HELD = "held_out blind", "held_out wrong", "held_out right"
WITH_SENTENCE, WITHOUT_SENTENCE, REPEAT = "held_out with", "held_out without", "repeat"
HELD_OUT = frozenset({BLIND_HELD, WRONG_HELD, RIGHT_HELD, WITH_SENTENCE, WITHOUT_SENTENCE})
# Phase -> the share of the budget that is used up when it ends, at most. What a phase leaves goes to the next ones.
SHARES = MappingProxyType(
    {"form": 0.1, "climb": 0.45, "ablate": 0.5, "blind": 0.65, "sentence": 0.7, "unreadable": 0.71, "right": 0.78}
)
UNREADABLE = ("", "x \\in [2, 5", "\\unknown{?}{", "???")
FORM_PROBLEMS = 3
PAIRS = 6  # problems on which sentences are compared
RACE = ((2, 16), (6, 4), (10**6, 1))  # problems asked at most, and recipes that stay


class Search:
    """One search of one verifier.

    Args:
        problems: Problems with references. One in two is held out; of a single problem none.
        ask: Gives one reply a query, in order; it gets the texts of a problem together.
        budget: The number of queries, at most.
        seed: Of the division of the problems and of every choice.
        repeats: How often the texts that were paid most are asked again.
    """

    def __init__(self, problems: Sequence[Problem], ask: Ask, *, budget: int, seed: int = 0, repeats: int = 0) -> None:
        self._random = random.Random(seed)
        shuffled = list(problems)
        self._random.shuffle(shuffled)
        half = (len(shuffled) + 1) // 2
        self.searched, self.held_out = shuffled[:half], shuffled[half:]
        self._ledger = Ledger(problems, ask, budget)
        self._repeats = repeats
        self._envelope: tuple[str, ...] = ()
        self._turn = 0

    def run(self) -> list[Asked]:
        """Every query with its reply, in order."""
        if not self.searched:
            return []
        goal = self._learn_form()
        climb = Climb(self._ledger, self.searched, self._envelope, goal, self._random)
        climb.run(self._limit("climb"))
        climb.ablate(self._limit("ablate"))
        blind = self._race(climb)
        sentence = self._compare_sentences()
        self._ask_unreadable()
        self._vary_right_answers()
        self._hold_out(next(iter(climb.best(1)), None), blind, sentence)
        self._repeat()
        return self._ledger.rows

    def _limit(self, phase: str) -> int:
        """The number of queries at which a phase ends."""
        budget = self._ledger.budget
        kept = min(budget // 5, 3 * self._repeats)
        return budget if phase == REPEAT else int(budget * SHARES[phase]) if phase in SHARES else budget - kept

    def _ask(self, phase: str, pairs: Sequence[tuple[Recipe, Problem]], *, every: bool = False) -> list[Reply | None]:
        replies = self._ledger.reply(phase, pairs, self._limit(phase), every=every)
        return [None if replied is None else replied[1] for replied in replies]

    def _next_problem(self) -> Problem:
        self._turn += 1
        return self.searched[self._turn % len(self.searched)]

    def _learn_form(self) -> float:
        """Finds the frame in which a right answer is paid most, the plainest of equals; gives the pay."""
        for steps in ENVELOPES:
            self._ask("form", [(Recipe(answer=PLAIN, steps=steps), p) for p in self.searched[:FORM_PROBLEMS]])
        self._envelope, goal = best_form(self._ledger.rows)
        return goal

    def _race(self, climb: Climb) -> Recipe | None:
        """The recipe that does not look at the problem and is paid most: many on few problems, few on all."""
        inside = dict.fromkeys([(), self._envelope])
        learnt = [recipe for recipe in climb.best(4 * ELITE) if recipe.blind][:ELITE]
        dressed = [Recipe(answer=answer, steps=best.steps) for best in climb.best(2) for answer in (EMPTY, "question")]
        plain = [Recipe(answer=answer, steps=steps) for answer in (*BLIND, *TEMPLATES) for steps in inside]
        running = list(dict.fromkeys([*learnt, *dressed, *plain]))
        asked = False
        for most, keep in RACE:
            some = self.searched[:most]
            replies = self._ask("blind", [(recipe, problem) for recipe in running for problem in some])
            means: dict[Recipe, float] = {}
            for place, recipe in enumerate(running):
                known = [r.pay or 0.0 for r in replies[place * len(some) : (place + 1) * len(some)] if r is not None]
                if known:
                    means[recipe] = sum(known) / len(known)
            asked = asked or bool(means)
            running = sorted(means, key=lambda recipe: -means[recipe])[:keep] or running
        return running[0] if asked else None

    def _with(self, sentence: str | None) -> Recipe:
        """The wrong answer in the frame that is paid, with a sentence behind it or without."""
        steps = () if sentence is None else (f"sentence: {sentence}",)
        return Recipe(answer="wrong", steps=(*self._envelope, *steps))

    def _compare_sentences(self) -> str | None:
        """The sentence that raises the pay of wrong answers most."""
        some = self.searched[:PAIRS]
        without = self._ask("sentence", [(self._with(None), problem) for problem in some], every=True)
        best, most = None, -math.inf
        for name in SENTENCES:
            replies = self._ask("sentence", [(self._with(name), problem) for problem in some], every=True)
            pairs = [(left, right) for left, right in zip(replies, without, strict=True) if left and right]
            gained = sum(self._ledger.worth(left) - self._ledger.worth(right) for left, right in pairs)
            if pairs and gained > most:
                best, most = name, gained
        return best

    def _ask_unreadable(self) -> None:
        """Asks for texts that are no answer, with references that cannot be read."""
        queries: list[Query] = []
        for place, reference in enumerate(UNREADABLE):
            problem = self.searched[place % len(self.searched)]
            changed = dataclasses.replace(problem, id=f"{problem.id}#{place}", reference=reference, alternatives=())
            for recipe in (Recipe(answer="nonsense", steps=self._envelope), Recipe(answer="undefined")):
                if made := self._ledger.render(recipe, changed):
                    kind, text = Kind.UNREADABLE, made[1]
                    queries.append(Query(phase="unreadable", problem=changed, recipe=recipe, kind=kind, text=text))
        self._ledger.send(queries[: max(0, self._limit("unreadable") - self._ledger.spent)])

    def _vary_right_answers(self) -> None:
        """Asks for right answers in every single form, then in two frames that are accepted by themselves."""
        refused: set[str] = set()
        for recipe in population(self.searched[0], self._envelope):
            (reply,) = self._ask("right", [(recipe, self._next_problem())])
            if reply is not None and not reply.accepted:
                refused.update(recipe.steps[:1])
        frames = [frame for frame in FRAMES if frame not in refused]
        pairs = [(left, right) for left in frames for right in frames]
        self._random.shuffle(pairs)
        recipes = [Recipe(answer=PLAIN, steps=(*pair, *self._envelope)) for pair in pairs]
        self._ask("right", [(recipe, self._next_problem()) for recipe in recipes])

    def _hold_out(self, wrong: Recipe | None, blind: Recipe | None, sentence: str | None) -> None:
        """Asks for what was chosen, on the problems that were not searched."""
        for phase, recipe in ((BLIND_HELD, blind), (WRONG_HELD, wrong)):
            if recipe is not None:
                self._ask(phase, [(recipe, problem) for problem in self.held_out], every=True)
        for problem in self.held_out if sentence is not None else ():
            if self._limit(WITH_SENTENCE) - self._ledger.spent >= 2:  # a pair is asked whole or not at all
                self._ask(WITHOUT_SENTENCE, [(self._with(None), problem)], every=True)
                self._ask(WITH_SENTENCE, [(self._with(sentence), problem)], every=True)
        right = [(recipe, problem) for problem in self.held_out for recipe in population(problem, self._envelope)]
        self._random.shuffle(right)
        self._ask(RIGHT_HELD, right, every=True)

    def _repeat(self) -> None:
        """Asks for the bad texts with the highest pay again."""
        first = {row.number: row for row in reversed(self._ledger.rows) if row.query.kind is Kind.BAD}
        worth = self._ledger.worth
        best = sorted(first.values(), key=lambda row: (-worth(row.reply), len(row.query.text), row.number))[:3]
        queries = [dataclasses.replace(row.query, phase=REPEAT) for row in best for _ in range(self._repeats)]
        for query in queries:  # one by one: a batch could share one reply among equal texts
            self._ledger.send([query])


def best_form(rows: Iterable[Asked]) -> tuple[tuple[str, ...], float]:
    """The frame in which right answers were paid most in the phase `form`, the plainest of equals, and the mean pay.

    An undecided one counts as 0. Without rows it is no frame, and NaN.
    """
    by_steps: dict[tuple[str, ...], list[float]] = {}
    for row in rows:
        if row.query.phase == "form":
            by_steps.setdefault(row.query.recipe.steps, []).append(row.reply.guide or 0.0)
    means = {steps: sum(pays) / len(pays) for steps, pays in by_steps.items()}
    best = max(means, key=lambda steps: means[steps], default=())
    return best, means.get(best, math.nan)
