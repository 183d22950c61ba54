"""Measures the embedded policy and judge on problems that they were not trained on, and writes their cards.

    uv run python -m restem.harness.assets.card --run runs/linear_1d --run runs/mixed

The policy is measured by sampling the test split of each of its tasks, the judge on the responses in finished runs, at
the base and at every later checkpoint; in a run on several benchmarks at the base also for each of them. A card is
`card.json` in the asset's folder; the report prints the judge's.
"""

from __future__ import annotations

import dataclasses
import json
import statistics
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np

from restem.benchmarks.benchmark import chance_level
from restem.benchmarks.catalog import find_benchmark
from restem.benchmarks.linear_equations import Steps, check_steps, is_question
from restem.benchmarks.problem import Problem
from restem.harness.assets.make import JUDGE_PHASES, PHASES, SEED
from restem.harness.assets.tasks import TASKS, Task
from restem.harness.assets.verdicts import responses
from restem.harness.model.architecture import ASSETS
from restem.harness.model.policy import Policy, load_policy
from restem.harness.names import BASE
from restem.harness.sampling.sampler import GREEDY_TOP_K, Decoding
from restem.harness.store.store import Store
from restem.verifiers import catalog
from restem.verifiers.verdict import Attempt, Outcome

TEST_SEED, TEST_PROBLEMS, SAMPLES = 12_345, 512, 16
TEMPERATURE = 0.7


def policy_quality(policy: Policy, task: Task, count: int = TEST_PROBLEMS) -> dict[str, Any]:
    """Greedy accuracy, pass@1, pass@16 on the test split of a task; where steps can be checked, the share of right
    answers with a wrong step."""
    chosen = find_benchmark(task.name).problems(TEST_SEED, task.entropy, {"test": count})["test"]
    sampled = Decoding(temperature=TEMPERATURE, max_new_tokens=56, stop_ids=policy.tokenizer.stop_ids)
    texts = _drawn(policy, chosen, SAMPLES, sampled)
    correct = _right(chosen, texts)
    greedy = _right(chosen, _drawn(policy, chosen, 1, dataclasses.replace(sampled, top_k=GREEDY_TOP_K)))
    quality = {
        "problems": count,
        "chance": round(chance_level(chosen), 4),
        "greedy": round(float(greedy.mean()), 4),
        "pass@1": round(float(correct.mean()), 4),
        f"pass@{SAMPLES}": round(float(correct.any(axis=1).mean()), 4),
    }
    if all(is_question(problem.question) for problem in chosen):
        holds = np.array(
            [
                [check_steps(problem.question, text) is Steps.HOLD for text in row]
                for problem, row in zip(chosen, texts, strict=True)
            ]
        )
        quality["right_by_wrong_steps"] = round(float((correct & ~holds).sum() / max(1, correct.sum())), 4)
    return quality


def _drawn(policy: Policy, problems: Sequence[Problem], samples: int, decoding: Decoding) -> list[list[str]]:
    questions, names = [problem.question for problem in problems], [problem.id for problem in problems]
    return responses(policy, questions, names, samples, decoding, TEST_SEED)


def _right(problems: Sequence[Problem], texts: Sequence[Sequence[str]]) -> np.ndarray:
    attempts = [Attempt(problem=p, response=text) for p, row in zip(problems, texts, strict=True) for text in row]
    outcomes = [verdict.outcome is Outcome.CORRECT for verdict in catalog.build("sympy").verify(attempts)]
    return np.array(outcomes).reshape(len(problems), -1)


def judge_quality(run: Path) -> tuple[str, dict[str, Any]]:
    """The benchmark of a finished run, and judge -> checkpoint -> TPR, FPR and share decided on its test samples.

    The gold is `sympy`. Of a mixture, `base` is given for each of its benchmarks too, as `base on NAME`.
    """
    quality: dict[str, Any] = {}
    with Store(run) as store:
        facts = store.run()
        test = store.problems("test")
        for name in ("judge", "judge_blind"):
            for checkpoint in (c.id for c in store.checkpoints() if c.kind != "candidate"):
                quality.setdefault(name, {})[checkpoint] = _rates(store, name, checkpoint, {p.id for p in test})
            benchmarks = {p.strata["benchmark"] for p in test if "benchmark" in p.strata}
            for benchmark in sorted(benchmarks):
                of_it = {p.id for p in test if p.strata.get("benchmark") == benchmark}
                quality[name][f"{BASE} on {benchmark}"] = _rates(store, name, BASE, of_it)
    return facts["suite"]["benchmark"]["name"], quality


def _rates(store: Store, judge: str, checkpoint: str, problems: Collection[str]) -> dict[str, float]:
    """TPR, FPR and share decided of a judge on a checkpoint's samples of these test problems."""
    verifiers = store.run()["verifiers"]
    judged = store.verdicts(checkpoint, "test", verifiers[judge])
    gold = store.verdicts(checkpoint, "test", verifiers["sympy"])
    of_them = {sample.id for sample in store.samples(checkpoint, "test") if sample.problem in problems}
    pairs = [(gold[id].reward, verdict.reward) for id, verdict in judged.items() if id in of_them]
    decided = [(truth, reward) for truth, reward in pairs if reward is not None]
    return {
        "tpr": _rate(decided, 1),
        "fpr": _rate(decided, 0),
        "decided": round(len(decided) / len(pairs), 4),
    }


def _rate(decided: list[tuple[int | None, int]], truth: int) -> float:
    """The judge's mean reward on the samples whose gold reward is `truth`, of which there has to be one."""
    return round(statistics.fmean(reward for gold, reward in decided if gold == truth), 4)


@click.command(help=__doc__)
@click.option(
    "--run",
    "runs",
    multiple=True,
    type=click.Path(path_type=Path, exists=True),
    help="A finished run, to measure the judge on.",
)
def main(runs: Sequence[Path]) -> None:  # noqa: D103
    policy, judge = load_policy(ASSETS / "tiny"), load_policy(ASSETS / "judge")
    recipe = {
        "seed": SEED,
        "tasks": {task.name: _recipe(task) for task in TASKS},
        "phases": {name: dataclasses.asdict(phase) for name, phase in PHASES.items()},
    }
    quality: dict[str, Any] = {"temperature": TEMPERATURE} | {task.name: policy_quality(policy, task) for task in TASKS}
    _write("tiny", policy, "uv run python -m restem.harness.assets.make policy", recipe, quality)
    if runs:
        recipe = {"seed": SEED, "phases": {name: dataclasses.asdict(phase) for name, phase in JUDGE_PHASES.items()}}
        quality = dict(judge_quality(run) for run in runs)
        _write("judge", judge, "uv run python -m restem.harness.assets.make judge", recipe, quality)


def _recipe(task: Task) -> dict[str, Any]:
    return {
        "entropy": task.entropy,
        "draws": task.draws,
        "share": task.share,
        "crowd": dataclasses.asdict(task.crowd),
    }


def _write(name: str, policy: Policy, command: str, recipe: dict[str, Any], quality: dict[str, Any]) -> None:
    card = {
        "name": name,
        "made_by": command,
        "recipe": recipe,
        "architecture": dataclasses.asdict(policy.architecture),
        "params_sha256": policy.params_sha256,
        "quality": quality,
    }
    (ASSETS / name / "card.json").write_text(json.dumps(card, indent=1) + "\n")
    click.echo(json.dumps(quality))


if __name__ == "__main__":
    main()
