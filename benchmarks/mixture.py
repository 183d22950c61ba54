"""Several benchmarks as one: their problems in turn, each with the id and split that its own benchmark gives it.

Takes benchmarks with their regimes; gives a Benchmark. Each part gives an equal share of every split, so that a report
can compare the parts. Depends on benchmark.py and problem.py alone.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from restem.benchmarks.benchmark import Benchmark, Regime, Solution
from restem.benchmarks.problem import Problem


class Part(NamedTuple):
    """One benchmark of a mixture, and the strata that the mixture adds to its problems."""

    benchmark: Benchmark
    regime: Regime
    strata: Mapping[str, str]

    def draw(self, seed: int, counts: Mapping[str, int]) -> dict[str, list[Problem]]:
        """Its problems of each split; none are drawn where none are wanted."""
        wanted = {split: count for split, count in counts.items() if count}
        drawn = self.benchmark.problems(seed, self.regime, wanted) if wanted else {}
        return {split: [self.marked(problem) for problem in problems] for split, problems in drawn.items()}

    def marked(self, problem: Problem) -> Problem:
        """A problem of its benchmark with the strata of the mixture."""
        return dataclasses.replace(problem, strata={**problem.strata, **self.strata})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Mixture(Benchmark):
    """A benchmark that is made of others.

    Attributes:
        parts: Regime -> the parts; raises ValueError for a regime that it does not know.
    """

    parts: Callable[[Regime], Sequence[Part]]

    def problems(self, seed: int, regime: Regime, counts: Mapping[str, int]) -> dict[str, list[Problem]]:
        """Of each split `counts[split]` problems, one part after the other; the first parts give one more where needed.

        Raises:
            ValueError: A split is unknown, a part has too few problems, or two parts have a problem in common.
        """
        self.check_splits(counts)
        parts = self.parts(regime)
        drawn = [
            part.draw(seed, {split: _share(count, place, len(parts)) for split, count in counts.items()})
            for place, part in enumerate(parts)
        ]
        _check_ids(parts, drawn)
        return {split: list(_in_turn([each.get(split, []) for each in drawn])) for split in counts}


def mixture(
    name: str,
    splits: Sequence[str],
    parts: Callable[[Regime], Sequence[Part]],
    *,
    regimes: Sequence[str] = (),
    default_regime: Regime = None,
    gold: str = "sympy",
    solution: Solution | None = None,
) -> Mixture:
    """A benchmark of these parts, without worked examples and without a check of steps."""

    def stream(seed: int, regime: Regime) -> Iterator[Problem]:
        streams = [map(part.marked, part.benchmark.stream(seed, part.regime)) for part in parts(regime)]
        return _in_turn(streams)

    return Mixture(
        name=name,
        splits=splits,
        stream=stream,
        regimes=regimes,
        default_regime=default_regime,
        gold=gold,
        solution=solution,
        parts=parts,
    )


def first_solution(solutions: Iterable[Solution | None]) -> Solution | None:
    """What gives the first solution that one of these has for a problem; None where there are none of them."""
    known = [solution for solution in solutions if solution]

    def solution(problem: Problem) -> str | None:
        return next((text for each in known if (text := each(problem)) is not None), None)

    return solution if known else None


def mixed(name: str, parts: Mapping[str, tuple[Benchmark, Regime]]) -> Mixture:
    """A mixture of chosen benchmarks, each with its regime; its name is a stratum of its problems.

    Raises:
        ValueError: There are none, or they have different golds.
    """
    if not parts:
        raise ValueError("parts: expected at least one benchmark with its regime")
    benchmarks = [benchmark for benchmark, _ in parts.values()]
    golds = {benchmark.gold: benchmark.name for benchmark in benchmarks}
    if len(golds) > 1:
        named = ", ".join(f"{gold} of {of}" for gold, of in golds.items())
        raise ValueError(f"parts: expected benchmarks with one gold verifier, found {named}")
    chosen = [Part(benchmark, regime, {"benchmark": of}) for of, (benchmark, regime) in parts.items()]
    splits = [split for split in benchmarks[0].splits if all(split in benchmark.splits for benchmark in benchmarks)]
    solution = first_solution(benchmark.solution for benchmark in benchmarks)
    return mixture(name, splits, lambda _: chosen, gold=benchmarks[0].gold, solution=solution)


def _share(count: int, place: int, parts: int) -> int:
    """How many of `count` problems, dealt one by one, the part at `place` gives."""
    return (count - place + parts - 1) // parts


def _in_turn(parts: Sequence[Iterable[Problem]]) -> Iterator[Problem]:
    """The first of each part, the second of each, and so on; a part that ends is left out from there on."""
    end = object()
    for several in itertools.zip_longest(*parts, fillvalue=end):
        yield from (problem for problem in several if isinstance(problem, Problem))


def _check_ids(parts: Sequence[Part], drawn: Sequence[Mapping[str, Sequence[Problem]]]) -> None:
    owner: dict[str, str] = {}
    for part, splits in zip(parts, drawn, strict=True):
        for problem in itertools.chain.from_iterable(splits.values()):
            other = owner.setdefault(problem.id, part.benchmark.name)
            if other != part.benchmark.name:
                raise ValueError(f"parts: {other} and {part.benchmark.name} both have the problem {problem.id}")
