"""Every task of reasoning-gym: its problems, what its gold says of its own answers and of wrong ones.

Run it by name: `uv run python tests/perf/reasoning_gym_tasks.py [--count N] [TASK ...]`. Prints a line a task: problems
drawn, seconds, how many of its own answers the gold accepts in each form, of how many answers to another problem it
accepts how many, and which texts that answer nothing it accepts. Asserts nothing; takes some minutes.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time

from restem.benchmarks import reasoning_gym
from restem.benchmarks.problem import Problem
from restem.verifiers.catalog import build
from restem.verifiers.verdict import Attempt, Outcome, checked

FORMS = ("{}", "Let us see.\n<answer>\n{}\n</answer>", "The answer is {}.")
NOTHING = (
    "nan",
    "inf",
    "0",
    "1",
    "-1",
    "[]",
    "{}",
    "()",
    "None",
    "True",
    "No",
    "Yes",
    "a",
    "1e999",
    "0, 0",
    '""',
    "#",
)
# Where a task's entries have no answer, the key of the metadata that holds one.
SOLUTIONS = {
    "graph_color": "possible_answer",
    "propositional_logic": "example_answer",
    "rubiks_cube": "example_correct_answer",
}


def own_answer(problem: Problem) -> str | None:
    """The task's own answer to its problem, None where it gives none."""
    if problem.reference is not None:
        return problem.reference
    task = problem.data["task"]
    answer = reasoning_gym.unpacked(problem.data["metadata"]).get(SOLUTIONS.get(task, ""))
    return json.dumps(answer) if isinstance(answer, dict) else answer


def row(task: str, count: int) -> str:
    """The line of a task."""
    gold = build("reasoning_gym")
    began = time.perf_counter()
    problems = list(itertools.islice(reasoning_gym.stream(task, 11, reasoning_gym.DEFAULT), count))
    seconds = time.perf_counter() - began

    def accepted(pairs: list[tuple[Problem, str]]) -> list[str]:
        verdicts = checked(gold, [Attempt(problem=problem, response=text) for problem, text in pairs])
        return [text for (_, text), v in zip(pairs, verdicts, strict=True) if v.outcome is Outcome.CORRECT]

    answered = [(problem, answer) for problem in problems if (answer := own_answer(problem)) is not None]
    right = [len(accepted([(problem, form.format(text)) for problem, text in answered])) for form in FORMS]
    others = [
        (problem, text)
        for (problem, own), (_, text) in zip(answered, answered[1:] + answered[:1], strict=True)
        if own != text
    ]
    nothing = [(problem, text) for problem, own in answered for text in NOTHING if own.strip() != text]
    wrong = f"{len(accepted(others))} of {len(others)}"
    taken = ", ".join(sorted({f"`{text}`" for text in accepted(nothing)}))
    cells = [f"`{task}`", len(problems), f"{seconds:.1f}", len(answered), *right, wrong, taken]
    return f"| {' | '.join(map(str, cells))} |"


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tasks", nargs="*")
    parser.add_argument("--count", type=int, default=10)
    arguments = parser.parse_args()
    print("| Task | Problems | Seconds | Own answers | plain | in tags | in a sentence | other answers | no answers |")
    print("|---|---|---|---|---|---|---|---|---|")
    for task in arguments.tasks or reasoning_gym.task_names():
        print(row(task, arguments.count), flush=True)


if __name__ == "__main__":
    main()
