"""The tasks of the embedded policy: which problems, and the solutions that it learns from.

Takes a tokenizer and random seeds; gives examples for training. All problems are from the `pretrain` split of their
benchmark, which no run trains or tests on.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import multiprocessing
import random
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from restem.benchmarks import linear_1d as linear_1d_problems
from restem.benchmarks.mathematics_dataset import draw
from restem.benchmarks.problem import split_of
from restem.benchmarks.worked import add_or_sub, collect, kth_biggest, linear_1d
from restem.harness.model.tokenizer import Tokenizer
from restem.harness.training.example import Example

Questions: TypeAlias = list[tuple[str, str]]  # question and answer


@dataclasses.dataclass(frozen=True, kw_only=True)
class Task:
    """A benchmark at one regime.

    Attributes:
        name: The benchmark's.
        entropy: Its regime.
        draws: Problems generated for training.
        share: Of all demonstrations.
        solve: (question, answer, habits, random generator) -> a response; it raises ValueError for a question without
            a single answer.
        careful: The habits of correct solutions.
        crowd: The habits of the simulated crowd.
        rewritten: (question, answer, random generator) -> another problem, made from this one; None where there is
            no way to make one.
    """

    name: str
    entropy: tuple[float, float]
    draws: int
    share: float
    solve: Callable[[str, str, Any, random.Random], str]
    careful: Any
    crowd: Any
    rewritten: Callable[[str, str, random.Random], tuple[str, str]] | None = None

    def draw(self, seed: int) -> tuple[str, str]:
        """The question and the answer that the benchmark's generator makes of a seed."""
        of_its_own = self.name == "linear_1d"
        return linear_1d_problems.draw(seed, self.entropy) if of_its_own else draw(self.name, seed, self.entropy)


TASKS = (
    Task(
        name="linear_1d",
        entropy=(3.0, 4.5),
        draws=120_000,
        share=0.4,
        solve=linear_1d.crowd_solution,
        careful=linear_1d.Habits(),
        crowd=linear_1d.Habits(guess=0.14, keep_sign=0.38, slip=0.05, subtract=0.3, lose_minus=0.2),
        rewritten=linear_1d.rewritten,
    ),
    Task(
        name="polynomials__collect",
        entropy=(1.0, 3.0),
        draws=60_000,
        share=0.2,
        solve=collect.crowd_solution,
        careful=collect.Habits(),
        crowd=collect.Habits(guess=0.22, lose_minus=0.25, drop=0.1, slip=0.05, unlike=0.25),
        rewritten=collect.rewritten,
    ),
    Task(
        name="comparison__kth_biggest",
        entropy=(1.0, 2.0),
        draws=60_000,
        share=0.2,
        solve=kth_biggest.crowd_solution,
        careful=kth_biggest.Habits(),
        crowd=kth_biggest.Habits(guess=0.3, swap=0.22, other_side=0.27, next_rank=0.2),
        rewritten=kth_biggest.rewritten,
    ),
    Task(
        name="arithmetic__add_or_sub",
        entropy=(1.0, 2.5),
        draws=60_000,
        share=0.2,
        solve=add_or_sub.crowd_solution,
        careful=add_or_sub.Habits(),
        crowd=add_or_sub.Habits(guess=0.3, sign=0.32, place=0.35, slip=0.24),
    ),
)


def _pretrain_problem(task: Task, seed: int) -> tuple[str, str] | None:
    question, answer = task.draw(seed)
    return (question, answer) if split_of(question, linear_1d_problems.SHARES) == "pretrain" else None


def pretrain_questions(task: Task, seed: int, work: Path) -> Questions:
    """The pretrain split of generated problems; generated once on all cores, then read from `work`."""
    path = work / f"{task.name}.json"
    if not path.exists():
        seeds = [((seed + 1_000_000) << 32) + i for i in range(task.draws)]
        with multiprocessing.get_context("spawn").Pool() as pool:
            drawn = pool.imap(functools.partial(_pretrain_problem, task), seeds, chunksize=500)
            problems = dict(pair for pair in drawn if pair)
        path.write_text(json.dumps(sorted(problems.items())))
    return [(question, answer) for question, answer in json.loads(path.read_text())]


def demonstrations(
    questions: Mapping[str, Questions], tokenizer: Tokenizer, longest: int, seed: int, *, crowd: bool
) -> Iterator[Example]:
    """Endless examples of all tasks by their shares; half of them on rewritten problems where a task can rewrite.

    Args:
        questions: Name of a task -> its problems.
        tokenizer: Makes the ids.
        longest: Longer examples are left out.
        seed: Of the choices.
        crowd: Whether solutions are those of the crowd, with mistakes.
    """
    rng = random.Random(seed)
    while True:
        (task,) = rng.choices(TASKS, [task.share for task in TASKS])
        question, answer = rng.choice(questions[task.name])
        if task.rewritten is not None and rng.random() < 0.5:
            question, answer = task.rewritten(question, answer, rng)
            if split_of(question, linear_1d_problems.SHARES) != "pretrain":
                continue
        try:
            response = task.solve(question, answer, task.crowd if crowd else task.careful, rng)
        except ValueError:
            continue
        prompt_ids, response_ids = tokenizer.encode_prompt(question), tokenizer.encode_response(response)
        if len(prompt_ids) + len(response_ids) - 1 <= longest:
            yield Example(prompt_ids=tuple(prompt_ids), response_ids=tuple(response_ids))
