"""Measures the embedded policy and judge on problems that they were not trained on, and writes their cards.

    uv run python -m restem.harness.assets.card --run runs/linear_1d

The policy is measured by sampling the test split of linear_1d, the judge on the responses in a finished run, at the
base and at every later checkpoint. A card is `card.json` in the asset's folder; the report prints the judge's.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import click
import numpy as np

from restem.benchmarks.linear_1d import problems
from restem.benchmarks.linear_equations import Steps, check_steps
from restem.harness.assets.make import CROWD, DRAWS, ENTROPY, JUDGE_PHASES, PHASES, SEED
from restem.harness.assets.verdicts import responses
from restem.harness.model.architecture import ASSETS
from restem.harness.model.policy import Policy, load_policy, params_hash
from restem.harness.sampling.sampler import GREEDY_TOP_K, Decoding
from restem.harness.store.store import Store
from restem.verifiers import catalog
from restem.verifiers.verdict import Attempt, Outcome

TEST_SEED, TEST_PROBLEMS, SAMPLES = 12_345, 512, 16


def policy_quality(policy: Policy) -> dict[str, Any]:
    """Greedy accuracy, pass@1, pass@16 and the share of right answers with a wrong step, on the test split."""
    chosen = problems(TEST_SEED, ENTROPY, {"test": TEST_PROBLEMS})["test"]
    sampled = Decoding(max_new_tokens=56, stop_ids=policy.tokenizer.stop_ids)
    greedy = dataclasses.replace(sampled, top_k=GREEDY_TOP_K)
    gold = catalog.build("sympy")

    def draw(samples: int, decoding: Decoding) -> list[list[str]]:
        return responses(policy, [p.question for p in chosen], [p.id for p in chosen], samples, decoding, TEST_SEED)

    def right(texts: list[list[str]]) -> np.ndarray:
        attempts = [Attempt(problem=p, response=t) for p, row in zip(chosen, texts, strict=True) for t in row]
        outcomes = [verdict.outcome is Outcome.CORRECT for verdict in gold.verify(attempts)]
        return np.array(outcomes).reshape(len(chosen), -1)

    texts = draw(SAMPLES, sampled)
    correct = right(texts)
    holds = np.array(
        [[check_steps(p.question, text) is Steps.HOLD for text in row] for p, row in zip(chosen, texts, strict=True)]
    )
    return {
        "problems": TEST_PROBLEMS,
        "temperature": sampled.temperature,
        "greedy": round(float(right(draw(1, greedy)).mean()), 4),
        "pass@1": round(float(correct.mean()), 4),
        f"pass@{SAMPLES}": round(float(correct.any(axis=1).mean()), 4),
        "right_by_wrong_steps": round(float((correct & ~holds).sum() / max(1, correct.sum())), 4),
    }


def judge_quality(run: Path) -> dict[str, dict[str, dict[str, float]]]:
    """Judge -> checkpoint -> TPR, FPR and share decided, on a finished run's test samples; gold is `sympy`."""
    quality: dict[str, dict[str, dict[str, float]]] = {}
    with Store(run) as store:
        verifiers = store.run()["verifiers"]
        for name in ("judge", "judge_blind"):
            for checkpoint in (c.id for c in store.checkpoints() if c.kind != "candidate"):
                judged = store.verdicts(checkpoint, "test", verifiers[name])
                gold = store.verdicts(checkpoint, "test", verifiers["sympy"])
                pairs = [(gold[id].reward, verdict.reward) for id, verdict in judged.items()]
                decided = [(truth, reward) for truth, reward in pairs if reward is not None]
                quality.setdefault(name, {})[checkpoint] = {
                    "tpr": _rate(decided, 1),
                    "fpr": _rate(decided, 0),
                    "decided": round(len(decided) / len(pairs), 4),
                }
    return quality


def _rate(decided: list[tuple[int | None, int]], truth: int) -> float:
    """The judge's mean reward on the samples whose gold reward is `truth`."""
    rewards = [reward for gold, reward in decided if gold == truth]
    return round(sum(rewards) / max(1, len(rewards)), 4)


@click.command(help=__doc__)
@click.option("--run", type=click.Path(path_type=Path, exists=True), help="A finished run, to measure the judge on.")
def main(run: Path | None) -> None:  # noqa: D103
    policy, judge = load_policy(ASSETS / "tiny"), load_policy(ASSETS / "judge")
    recipe = {
        "seed": SEED,
        "entropy": ENTROPY,
        "generated_questions": DRAWS,
        "phases": {name: dataclasses.asdict(phase) for name, phase in PHASES.items()},
    }
    _write("tiny", policy, "uv run python -m restem.harness.assets.make policy", recipe, policy_quality(policy))
    if run is not None:
        recipe = {
            "seed": SEED,
            "crowd": dataclasses.asdict(CROWD),
            "phases": {name: dataclasses.asdict(phase) for name, phase in JUDGE_PHASES.items()},
        }
        quality = {"linear_1d": judge_quality(run)}
        _write("judge", judge, "uv run python -m restem.harness.assets.make judge", recipe, quality)


def _write(name: str, policy: Policy, command: str, recipe: dict[str, Any], quality: dict[str, Any]) -> None:
    card = {
        "name": name,
        "made_by": command,
        "recipe": recipe,
        "architecture": dataclasses.asdict(policy.architecture),
        "params_sha256": params_hash(policy.params),
        "quality": quality,
    }
    (ASSETS / name / "card.json").write_text(json.dumps(card, indent=1) + "\n")
    click.echo(json.dumps(quality))


if __name__ == "__main__":
    main()
