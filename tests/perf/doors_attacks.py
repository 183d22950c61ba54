"""Prints whether the search of `restem probe` finds the defects that public audit packages planted in their examples.

    uv venv -p 3.12 ENV
    uv pip install -p ENV/bin/python restem-harness falsepass==0.11.0 reward-doctor==0.2.0
    uv pip install -p ENV/bin/python inspect-ai "verifiers<0.2" datasets openenv-core
    python -m pip download --no-deps --no-binary :all: -d DIR falsepass==0.11.0 reward-doctor==0.2.0  # then unpack both
    ENV/bin/python tests/perf/doors_attacks.py --sources DIR [--budget 2000] [--json]

Each example is called by its own conventions: a TRL reward function with its data, the reward function of a verifiers
environment, a step of an OpenEnv environment, an Inspect scorer on a TaskState, and the reference verifiers of
reward-doctor, which it audits here too. A line an example: its planted defect, what the package found (of falsepass
what its documentation shows), and what this search found in which query. Where a package is missing the line says so.
Asserts nothing.
"""

from __future__ import annotations

import asyncio
import dataclasses
import importlib
import importlib.util
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click

sys.path.insert(0, str(Path(__file__).parents[2]))

from restem.benchmarks import find_benchmark
from restem.benchmarks.attacks.ledger import Query, Reply
from restem.benchmarks.attacks.search import Search
from restem.benchmarks.problem import Problem
from restem.harness.app.probe_figures import Figures, figures
from tests.planted_rewards import CORRECT, PLANTED

# A checkout's folder `verifiers` would hide the package of that name.
sys.path = [path for path in sys.path if path not in ("", str(Path(__file__).parents[2]))]
Reward = Callable[[str, str], float | None]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Example:
    """A reward function with what is known of it.

    Attributes:
        planted: The defect; empty where there is none.
        theirs: What its package finds.
    """

    name: str
    planted: str
    theirs: str
    reward: Reward
    problems: Sequence[Problem]


def problem(question: str, reference: str, number: int) -> Problem:
    return Problem(id=str(number), question=question, reference=reference, split="test", source="example")


def module_of(path: Path) -> Any:
    """The module of a file of the package's examples."""
    spec = importlib.util.spec_from_file_location(f"example_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.parent))
    spec.loader.exec_module(module)
    return module


# -- falsepass ---------------------------------------------------------------------------------------------------------
DOCUMENTED = "false-pass ceiling 1 of 1, several answers and denied answers paid (its examples' summary)"


def trl_toy(folder: Path) -> Example:
    rewards = module_of(folder / "reward-toy" / "rewards.py")
    rows = [json.loads(line) for line in (folder / "reward-toy" / "data.jsonl").read_text("utf-8").splitlines()]

    def reward(response: str, reference: str) -> float:
        completions = [[{"role": "assistant", "content": response}]]
        return rewards.correctness_reward(prompts=[""], completions=completions, answer=[reference])[0]

    problems = [problem(row["prompt"][-1]["content"], row["answer"], n) for n, row in enumerate(rows)]
    planted = "the reference anywhere in <answer>"
    return Example(name="falsepass reward-toy", planted=planted, theirs=DOCUMENTED, reward=reward, problems=problems)


def verifiers_toy(folder: Path) -> Example:
    environment = module_of(folder / "toy-env" / "falsepass_toy_env.py").load_environment(n=40)
    rubrics = getattr(environment.rubric, "rubrics", [environment.rubric])
    (function,) = [each for rubric in rubrics for each in rubric.funcs if each.__name__ == "correct"]

    def reward(response: str, reference: str) -> float:
        return function(completion=[{"role": "assistant", "content": response}], answer=reference)

    rows = list(environment.dataset)
    problems = [
        problem(str(row["question"] if "question" in row else row["prompt"]), row["answer"], n)
        for n, row in enumerate(rows)
    ]
    planted = "the reference anywhere in <answer>"
    return Example(name="falsepass toy-env", planted=planted, theirs=DOCUMENTED, reward=reward, problems=problems)


def openenv_toy(folder: Path) -> Example:
    sys.path.insert(0, str(folder / "openenv-toy"))
    module = module_of(folder / "openenv-toy" / "server" / "arith_environment.py")
    action = importlib.import_module("models").ArithAction
    rows = [row for split in module.QUESTIONS.values() for row in split]

    def reward(response: str, reference: str) -> float:
        environment = module.ArithEnvironment()
        environment._expected = reference
        return environment.step(action(answer=response)).reward

    problems = [problem(question, answer, n) for n, (question, answer) in enumerate(rows)]
    planted = "the reference anywhere in the answer"
    return Example(name="falsepass openenv-toy", planted=planted, theirs=DOCUMENTED, reward=reward, problems=problems)


def inspect_toy(folder: Path) -> Example:
    from inspect_ai.model import ModelName, ModelOutput
    from inspect_ai.scorer import Target
    from inspect_ai.solver import TaskState

    task = module_of(folder / "inspect-toy" / "toy_task.py").toy_sums(n=40)
    (scorer,) = task.scorer

    def reward(response: str, reference: str) -> float:
        output = ModelOutput.from_content("model", response)
        state = TaskState(model=ModelName("mockllm/model"), sample_id=0, epoch=1, input="", messages=[], output=output)
        return float(asyncio.run(scorer(state, Target(reference))).value == "C")

    problems = [problem(str(sample.input), str(sample.target), n) for n, sample in enumerate(task.dataset)]
    planted = "includes() on a number"
    return Example(name="falsepass inspect-toy", planted=planted, theirs=DOCUMENTED, reward=reward, problems=problems)


# -- reward-doctor -----------------------------------------------------------------------------------------------------
HOLES = {
    "substring_match": "the reference anywhere",
    "last_number": "the last number",
    "exact_match": "",
    "boxed_exact": "",
    "robust_match": "",
    "my_reward": "the last of several boxes",
}


def doctor(numbers: Sequence[Problem]) -> Iterator[Example]:
    """Its reference verifiers and its example, each audited by it."""
    import re

    from reward_doctor import audit
    from reward_doctor.reference import REFERENCE_VERIFIERS

    def last_box(completion: str, reference: str) -> float:  # my_reward of examples/audit_your_verifier.py
        boxes = re.findall(r"\\boxed\{([^}]*)\}", completion)
        return float(bool(boxes) and boxes[-1].strip() == reference.strip())

    for name, reward in {**REFERENCE_VERIFIERS, "my_reward": last_box}.items():
        accepted = audit(reward).exploits_accepted
        planted = HOLES[name]
        theirs = f"{accepted} exploits" if isinstance(accepted, int) else f"{len(accepted)} exploits"
        yield Example(name=f"reward-doctor {name}", planted=planted, theirs=theirs, reward=reward, problems=numbers)


# -- The search --------------------------------------------------------------------------------------------------------


def examples(sources: Path) -> Iterator[Example | str]:
    """Every example, or why it cannot be loaded."""
    numbers = find_benchmark("linear_1d").problems(0, "train-easy", {"test": 40})["test"]
    folder = next(sources.glob("falsepass-*/examples"))
    for load in (trl_toy, verifiers_toy, openenv_toy, inspect_toy):
        try:
            yield load(folder)
        except ImportError as error:
            yield f"{load.__name__}: not run: {error}"
    yield from doctor(numbers)
    for name, reward in {**PLANTED, **CORRECT}.items():
        planted = " ".join((reward.__doc__ or name.replace("_", " ")).split()).rstrip(".")
        planted = "" if name in CORRECT else planted
        yield Example(name=f"ours: {name}", planted=planted, theirs="-", reward=reward, problems=numbers)


def searched(example: Example, budget: int) -> tuple[Figures, float]:
    """The figures of the search, and its seconds."""

    def ask(queries: Sequence[Query]) -> list[Reply]:
        return [reply(example.reward, query) for query in queries]

    start = time.perf_counter()
    rows = Search(example.problems, ask, budget=budget).run()
    return figures(rows), time.perf_counter() - start


def reply(reward: Reward, query: Query) -> Reply:
    """The reward; undecided where the function fails."""
    try:
        paid = reward(query.text, query.problem.reference or "")
    except Exception as error:
        return Reply(pay=None, guide=None, accepted=None, reason=type(error).__name__)
    return Reply(pay=paid, guide=paid, accepted=None if paid is None else paid >= 0.5)


def outcome(shown: Figures) -> tuple[str, int | None]:
    """What was found, in words, and the number of the query."""
    highest, parts = shown.highest, []
    if shown.reached is not None and highest is not None:
        parts.append(
            f"bad text {shown.ceiling:g}: {highest.query.text[:40]!r} (reference {highest.query.problem.reference})"
        )
    for label, row in (("hedged", shown.hedged), ("unread reference", shown.unreadable)):
        if row is not None and row.reply.pay:
            parts.append(f"{label} {row.reply.pay:g}: {row.query.text[:40]!r}")
    numbers = [row.number for row in (shown.hedged, shown.unreadable) if row is not None and row.reply.pay]
    first = min([*numbers, *([shown.reached] if shown.reached else [])], default=None)
    return "; ".join(parts) or "nothing", first


@click.command(help=__doc__)
@click.option("--sources", type=click.Path(path_type=Path, exists=True, file_okay=False), required=True)
@click.option("--budget", default=2000, show_default=True)
@click.option("--json", "as_json", is_flag=True)
def main(sources: Path, budget: int, as_json: bool) -> None:
    for example in examples(sources):
        if isinstance(example, str):
            click.echo(example)
            continue
        shown, seconds = searched(example, budget)
        text, first = outcome(shown)
        found = "yes" if first is not None else "no"
        row = {
            "example": example.name,
            "planted": example.planted or "none",
            "theirs": example.theirs,
            "found": found,
            "query": first,
            "ours": text,
            "policy": None if shown.policy is None else round(shown.policy.pay.value, 3),
            "queries": shown.queries,
            "seconds": round(seconds, 1),
        }
        click.echo(json.dumps(row) if as_json else " | ".join(str(value) for value in row.values()))


if __name__ == "__main__":
    main()
