"""Which quality of a verifier orders the gains of EM, and which those of GRPO: rank correlations of the suite em_grpo.

    restem run em_grpo --out FOLDER
    python -m tests.perf.em_grpo FOLDER      writes docs/grpo_ranks.json and prints the tables of docs/grpo.md

Qualities are those that the suite gives its verifiers (TPR and FPR; kept precision is measured, of EM's first
iteration). A gain is that in gold accuracy on the test split after the last iteration, with the report's interval.
Intervals of correlations are of other seeds on other problems: both are resampled, the same ones for all arms.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from restem.harness.store.store import Store
from restem.reports.analysis.findings import Findings, find
from restem.reports.analysis.ranking import claims
from restem.reports.data.read import read_run
from restem.reports.stats.estimates import Difference

STORED = Path(__file__).parents[2] / "docs" / "grpo_ranks.json"
ALGORITHMS = ("em", "grpo")
QUALITIES = {"lr": "LR+", "j": "Youden's J", "kept": "kept precision", "accuracy": "accuracy"}
RESAMPLES = 4000


def qualities(shown: Findings) -> dict[str, dict[str, float]]:
    """Verifier -> its qualities; accuracy is for a base that is right in the share of cases that it is."""
    options, base = shown.run.suite["verifiers"], shown.base
    assert base is not None
    first = [item for item in shown.data if item.iteration == 1 and item.arm.algorithm == "em"]
    kept = {item.arm.verifier: item.precision.value for item in first}
    result: dict[str, dict[str, float]] = {}
    for name, precision in kept.items():
        tpr, fpr = options.get(name, {}).get("tpr", 1.0), options.get(name, {}).get("fpr", 0.0)
        right = base.accuracy.value
        result[name] = {
            "lr": tpr / fpr if fpr else math.inf,
            "j": youden(tpr=tpr, fpr=fpr),
            "kept": precision,
            "accuracy": right * tpr + (1 - right) * (1 - fpr),
        }
    return result


def youden(*, tpr: float, fpr: float) -> float:
    """TPR - FPR, rounded: a floating-point error must not break the tie of two verifiers."""
    return round(tpr - fpr, 6)


def resampled_gains(shown: Findings) -> dict[str, np.ndarray]:
    """Algorithm -> gain over the base, resamples x verifiers; the first resample is the data themselves."""
    run, rng, base = shown.run, np.random.default_rng(0), shown.base
    assert base is not None
    seeds, problems = int(run.suite["replicates"]), run.size("test")
    draws = [(np.arange(seeds), np.arange(problems))]
    draws += [(rng.integers(0, seeds, seeds), rng.integers(0, problems, problems)) for _ in range(RESAMPLES)]
    result: dict[str, np.ndarray] = {}
    for algorithm in ALGORITHMS:
        lasts = [shown.standings[arm.name, arm.iterations] for arm in run.arms if arm.algorithm == algorithm]
        sides = [last.replicates or (last,) for last in lasts]
        right = np.array([[seed.counts.correct for seed in side] for side in sides], float)
        decided = np.array([[seed.counts.decided for seed in side] for side in sides], float)
        of_base = [base.counts.correct[chosen].sum() / base.counts.decided[chosen].sum() for _, chosen in draws]
        of_arms = [right[:, s][:, :, p].sum(axis=(1, 2)) / decided[:, s][:, :, p].sum(axis=(1, 2)) for s, p in draws]
        result[algorithm] = np.array(of_arms) - np.array(of_base)[:, None]
    return result


def rank(x: list[float], y: np.ndarray) -> np.ndarray:
    """Spearman's rank correlation of a quality with the gains of every resample."""
    return np.array([spearmanr(x, row)[0] for row in y])


def table(shown: Findings) -> dict[str, Any]:
    """Plain data: of each verifier its qualities and gains; of each quality and algorithm the rank correlation."""
    known, gained, claimed = qualities(shown), resampled_gains(shown), claims(shown)
    arms = {(arm.verifier, arm.algorithm): (arm.name, arm.iterations) for arm in shown.run.arms}
    ranks = {(q, a): rank([known[name][q] for name in known], gained[a]) for q in QUALITIES for a in ALGORITHMS}
    return {
        "suite": shown.run.suite["name"],
        "seeds": shown.run.suite["replicates"],
        "problems": shown.run.size("test"),
        "verifiers": {
            name: {key: None if math.isinf(value) else round(value, 3) for key, value in known[name].items()}
            | {a: _claim(claimed[arms[name, a]]) for a in ALGORITHMS}
            for name in known
        },
        "ranks": {a: {q: _bounds(ranks[q, a], 2) for q in QUALITIES} for a in ALGORITHMS},
        "lr_less_j": {a: _bounds(ranks["lr", a] - ranks["j", a], 2) for a in ALGORITHMS},
        "grpo_less_em": {q: _bounds(ranks[q, "grpo"] - ranks[q, "em"], 2) for q in QUALITIES},
    }


def _claim(gain: Difference) -> list[float]:
    """In points."""
    return [round(100 * value, 1) for value in (gain.value, gain.low, gain.high)]


def _bounds(values: np.ndarray, digits: int) -> list[float]:
    """The first value, and the 95 % interval of the others."""
    return [round(float(x), digits) for x in (values[0], *np.nanpercentile(values[1:], (2.5, 97.5)))]


def pages(made: Mapping[str, Any]) -> str:
    """The two tables of docs/grpo.md in Markdown."""
    lines = ["| verifier | LR+ | Youden's J | kept precision, % | EM's gain, points | GRPO's gain, points |"]
    lines.append("| --- | --- | --- | --- | --- | --- |")
    for name, row in made["verifiers"].items():
        ratio = "∞" if row["lr"] is None else f"{row['lr']:.1f}"
        cells = [name, ratio, f"{row['j']:.2f}", f"{100 * row['kept']:.0f}", *(_shown(row[a], 1) for a in ALGORITHMS)]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "| rank correlation with the gain of | EM | GRPO | GRPO less EM |", "| --- | --- | --- | --- |"]
    for key, title in QUALITIES.items():
        cells = [*(made["ranks"][a][key] for a in ALGORITHMS), made["grpo_less_em"][key]]
        lines.append(f"| {title} | {' | '.join(_shown(bounds, 2) for bounds in cells)} |")
    lines.append(f"| LR+ less Youden's J | {' | '.join(_shown(made['lr_less_j'][a], 2) for a in ALGORITHMS)} | |")
    return "\n".join(lines)


def _shown(bounds: list[float], digits: int) -> str:
    value, low, high = bounds
    return f"{value:+.{digits}f} [{low:+.{digits}f}, {high:+.{digits}f}]"


def main(folder: Path) -> None:
    with Store(folder) as store:
        made = table(find(read_run(store)))
    parts = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in made.items()]
    STORED.write_text("{\n" + ",\n".join(parts) + "\n}\n", "utf-8")
    print(pages(made))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
