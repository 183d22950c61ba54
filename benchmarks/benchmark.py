"""The record of a benchmark: a named set of problems with its regimes, step check, chance level and gold verifier.

Gives also what most benchmarks share: problems from a generator, and the chance level. Depends on problem.py alone. A
new benchmark is a file that makes a `Benchmark` (see arithmetic_mixed.py) or a `Family`, and a line in catalog.py.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from restem.benchmarks.problem import Problem, canonical_form, identity, problem_id, split_of

# A named regime of difficulty or a pair of numbers; None for a benchmark that has no regimes.
Regime: TypeAlias = str | tuple[float, float] | None
Solution: TypeAlias = Callable[[Problem], str | None]
MAX_REPEATS = 2_000  # draws in a row without a new problem, after which the regime is exhausted


@dataclasses.dataclass(frozen=True, kw_only=True)
class StepCheck:
    """A benchmark's check of the steps that a response writes down.

    Attributes:
        id: Part of the fingerprint of the verifier `steps`; it stays the same when the code moves.
        applies: Whether the check can read a question.
        check: (question, response) -> `hold`, `broken` or `missing`; raises ValueError for a question it cannot read.
    """

    id: str
    applies: Callable[[str], bool]
    check: Callable[[str, str], str]


def chance_level(problems: Sequence[Problem]) -> float:
    """The share of problems for which the best constant answer is right."""
    answers = Counter(answer for problem in problems for answer in set(problem.references))
    return answers.most_common(1)[0][1] / len(problems) if answers else 0.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Benchmark:
    """A named set of problems.

    Attributes:
        name: The value of a suite's `benchmark.name`.
        splits: The names of its splits.
        stream: (seed, regime) -> its problems, each once; may end. For a regime that it does not know it raises
            ValueError when it is called, before a problem is drawn.
        regimes: The names of its regimes; empty where the difficulty cannot be set.
        default_regime: The regime of a suite that names none.
        few_shot_file: A text of worked examples with `{question}` in its place, for base models; None where there is
            none.
        steps: The check of written steps; None where there is none.
        solution: Problem -> the text of a right response with its steps, in the manner of the embedded policy or of the
            file that the problem is from; None for a problem without one. None where no problem has one.
        chance: Problems -> the accuracy of a policy that ignores the questions.
        gold: The verifier taken as truth where a suite names none: a catalogue name or `package.module:factory`.
        fixed: Whether it is a set of given problems, not a generator; a split may then have fewer than requested.
    """

    name: str
    splits: Sequence[str]
    stream: Callable[[int, Regime], Iterator[Problem]]
    regimes: Collection[str] = ()
    default_regime: Regime = None
    few_shot_file: Path | None = None
    steps: StepCheck | None = None
    solution: Solution | None = None
    chance: Callable[[Sequence[Problem]], float] = chance_level
    gold: str = "sympy"
    fixed: bool = False

    @property
    def few_shot(self) -> str | None:
        """The text of worked examples."""
        return None if self.few_shot_file is None else self.few_shot_file.read_text("utf-8").rstrip("\n")

    def check_splits(self, splits: Iterable[str]) -> None:
        """Raises ValueError where it lacks one of these splits; the message names those it has."""
        if unknown := set(splits) - set(self.splits):
            raise ValueError(f"unknown split {sorted(unknown)}: known are {', '.join(self.splits)}")

    def problems(self, seed: int, regime: Regime, counts: Mapping[str, int]) -> dict[str, list[Problem]]:
        """The first `counts[split]` problems of each split, in the order of the stream.

        Raises:
            ValueError: A split is unknown, or has too few problems; of a fixed set, a split with one problem is enough.
        """
        self.check_splits(counts)
        chosen: dict[str, list[Problem]] = {split: [] for split in counts}
        draws = self.stream(seed, regime)
        while short := [split for split, count in counts.items() if len(chosen[split]) < count]:
            problem = next(draws, None)
            if problem is None:
                break
            if problem.split in short:
                chosen[problem.split].append(problem)
        for split in short:
            if not self.fixed or not chosen[split]:
                remedy = f'; a row puts its problem there by "split": "{split}"' if self.fixed else ""
                raise ValueError(f"{self.name}: only {len(chosen[split])} problems fall into the {split} split{remedy}")
        return chosen


@dataclasses.dataclass(frozen=True, kw_only=True)
class Family:
    """Benchmarks that are named by a rule, too many for a line each.

    Attributes:
        title: How documents name them, in Markdown.
        names: Their names, as far as they are known without an import; for hints and lists.
        find: Name -> the benchmark, or None where the name does not follow the rule; raises ValueError where it does
            and there is no such benchmark.
        example: The benchmark whose splits, regimes and gold stand for all in documents.
    """

    title: str
    names: Sequence[str]
    find: Callable[[str], Benchmark | None]
    example: Benchmark


def generated(
    name: str,
    shares: Mapping[str, float],
    draw: Callable[[int], tuple[str, str]],
    source: str,
    salt: str = "",
    strata: Mapping[str, str] | None = None,
    form: Callable[[str], str] = canonical_form,
) -> Iterator[Problem]:
    """Endless problems from a generator, equal ones once.

    Args:
        name: The benchmark's name, with which the ids begin.
        shares: Split -> share of the problems, see `split_of`.
        draw: Index -> question and answer; the same for the same index.
        source: Generator and settings; the index is added.
        salt: See `split_of`.
        strata: Those of every problem.
        form: See `identity`; another one where single letters are no variables.

    Raises:
        ValueError: The generator gives no new problems any more.
    """
    seen: set[str] = set()
    index = fresh = 0
    while index - fresh < MAX_REPEATS:
        question, answer = draw(index)
        known = identity(question, form=form)
        if known not in seen:
            seen.add(known)
            fresh = index
            yield Problem(
                id=problem_id(name, question, form=form),
                question=question,
                reference=answer,
                split=split_of(question, shares, salt),
                source=f"{source} index={index}",
                strata=strata or {},
            )
        index += 1
    raise ValueError(f"{source} has no more than about {len(seen)} distinct problems")
