"""The study of docs/prediction.md: predictions of gains beside what training brought.

    python tests/perf/prediction.py run [SUITE...]          trains the suites of benchmarks/suites/prediction
    python tests/perf/prediction.py rows RUN... > ROWS.json  what the base showed and what came, a row an arm-iteration
    python tests/perf/prediction.py table                    the tables, from docs/prediction/*.json alone
    python tests/perf/prediction.py figure OUT.png           predicted against observed

Suites `chosen_*` are those on which the form and the constants of every predictor were chosen; the other six were
predicted before they were trained (docs/prediction/predictions.json) and trained afterwards (rows.json). Features are
of the base's training samples under the first seed, as a plan has them; outcomes are means over all seeds. Accuracy is
the gold's on the test split, and every predictor starts from the base's accuracy there.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, logit
from scipy.stats import spearmanr, t
from tabulate import tabulate

sys.path.insert(0, str(Path(__file__).parents[2]))

from restem.harness.names import BASE
from restem.harness.store.store import Store
from restem.reports.analysis.findings import TEST, TRAIN
from restem.reports.analysis.forecast import (
    DISTINCT,
    DISTINCT_RIGHT,
    KEPT_DECIDED,
    KEPT_RIGHT,
    forecast,
)
from restem.reports.data.read import read_run
from restem.reports.data.run import Run
from restem.reports.stats import predictor
from restem.reports.stats.estimates import ratio

ROOT = Path(__file__).parents[2]
SUITES = ROOT / "benchmarks" / "suites" / "prediction"
STORED = ROOT / "docs" / "prediction"
Row = Mapping[str, Any]
Column = NDArray[np.float64]
Form = Callable[[Sequence[float], Mapping[str, Column]], Column]


def rows_of(run: Run) -> list[dict[str, Any]]:
    """A row an arm-iteration: features of the base, accuracy of every replicate, kept precision."""
    outcome = run.outcome(run.gold, run.rows(BASE, TEST))
    rows: list[dict[str, Any]] = []
    for arm in run.arms:
        verdict = run.outcome(arm.verifier, run.rows(BASE, TRAIN))
        gold = run.outcome(run.gold, run.rows(BASE, TRAIN))
        planned = forecast(run, arm, [arm], run.size(TRAIN))
        features = {
            "base": float(np.nanmean(outcome)),
            "kept": float(planned.iterations[0].kept[0]),
            "kept_a_problem": planned.kept,
            "distinct": float(planned.distinct[0]),
            "copies": not arm.selection.dedupe,
            "tpr": float(np.mean(verdict[gold == 1] == 1)),
            "fpr": float(np.mean(verdict[gold == 0] == 1)),
            "accuracy_of_verifier": float(np.mean(verdict == gold)),
            "accepted": float(np.mean(verdict == 1)),
            "accepted_precision": float(np.mean(gold[verdict == 1] == 1)),
            **_by_problem(planned.counts),
        }
        for iteration in range(1, run.iterations + 1):
            chains = [run.chain(replica.name) for replica in run.replicates(arm)]
            trained = [chain[iteration - 1] for chain in chains if len(chain) >= iteration]
            kept = [run.outcome(run.gold, run.choices[checkpoint.id].kept) for checkpoint in trained]
            rows.append(
                {
                    "suite": run.suite["name"],
                    "arm": arm.name,
                    "iteration": iteration,
                    "gold": arm.gold,
                    **{name: round(value, 5) for name, value in features.items()},
                    "after": [round(_accuracy(run, checkpoint.id), 5) for checkpoint in trained],
                    "kept_observed": [round(float(np.nanmean(each)), 5) for each in kept],
                }
            )
    return rows


def _by_problem(counts: NDArray[np.int64]) -> dict[str, float]:
    """What predictor G reads: shares by problem, of the kept texts with one pseudo-text, and of the distinct texts."""
    neutral = np.nan_to_num(ratio(counts[:, DISTINCT_RIGHT], counts[:, DISTINCT]))
    pulled = (counts[:, KEPT_RIGHT] + neutral) / (counts[:, KEPT_DECIDED] + 1)
    return {"pulled": float(pulled.mean()), "neutral": float(neutral.mean())}


def _accuracy(run: Run, checkpoint: str) -> float:
    return float(np.nanmean(run.outcome(run.gold, run.rows(checkpoint, TEST))))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Predictor:
    """A form with constants.

    Attributes:
        name: As the tables print it.
        written: Its name in predictions.json; "" where nothing was written. There the lines but the first are of
            accuracy and not of log-odds.
        form: Constants and columns of rows -> accuracy after training.
        start: Constants from which a fit starts.
    """

    name: str
    form: Form
    start: tuple[float, ...]
    written: str = ""


def kept_precision(x: Mapping[str, Column], change: Callable[[Column], Column]) -> Column:
    """The kept precision of each row's iteration, where `change` gives the change of log-odds of the first one."""
    followed = np.where(x["copies"] > 0, predictor.FOLLOWED_BY_COPIES, predictor.FOLLOWED_BY_TEXTS)
    later = expit(logit(x["kept"]) + followed * change(x["kept"]))
    return np.where(x["iteration"] > 1, later, x["kept"])


def ours(constants: Sequence[float], x: Mapping[str, Column]) -> Column:
    """The product's: one constant, kappa."""

    def change(kept: Column) -> Column:
        return constants[0] * (kept - x["distinct"])

    return expit(logit(x["base"]) + change(kept_precision(x, change)))


def by_log_odds(constants: Sequence[float], x: Mapping[str, Column]) -> Column:
    """H: log-odds of the kept precision, pulled towards the distinct texts' by a share, less those of the latter."""

    def change(kept: Column) -> Column:
        pulled = (1 - constants[1]) * kept + constants[1] * x["distinct"]
        return constants[0] * (_log_odds(pulled) - _log_odds(x["distinct"]))

    return expit(_log_odds(x["base"]) + change(kept_precision(x, change)))


def saturating(constants: Sequence[float], x: Mapping[str, Column]) -> Column:
    """The audit's C: enrichment in log-odds, saturating."""

    def change(kept: Column) -> Column:
        enriched = np.minimum(_log_odds(kept) - _log_odds(x["distinct"]), 8)
        return constants[1] * (1 - np.exp(-constants[0] * enriched / constants[1]))

    return expit(_log_odds(x["base"]) + change(kept_precision(x, change)))


def audit_g(constants: Sequence[float], x: Mapping[str, Column]) -> Column:
    """The audit's G: kept precision by problem with one pseudo-text."""
    return expit(_log_odds(x["base"]) + constants[0] * (_log_odds(x["pulled"]) - _log_odds(x["neutral"])))


def old_law(constants: Sequence[float], x: Mapping[str, Column]) -> Column:
    """The law that reports had before: eta of the way to the precision that TPR and FPR give."""
    odds = np.log(np.maximum(x["tpr"], 1e-3) / np.maximum(x["fpr"], 1e-4))
    return x["base"] + constants[0] * (expit(_log_odds(x["base"]) + odds) - x["base"])


def _line(
    column: Callable[[Mapping[str, Column]], Column],
) -> Callable[[Sequence[float], Mapping[str, Column]], Column]:
    """A straight line of the log-odds gained in one column: two constants."""
    return lambda constants, x: expit(_log_odds(x["base"]) + constants[0] + constants[1] * column(x))


def _log_odds(share: Column) -> Column:
    return logit(np.clip(share, 2e-3, 1 - 2e-3))


def _likelihood_ratio(x: Mapping[str, Column]) -> Column:
    return np.minimum(np.log(np.maximum(x["tpr"], 1e-3) / np.maximum(x["fpr"], 1e-3)), 5)


PREDICTORS = (
    Predictor(name="kept − distinct precision (ours)", form=ours, start=(2.5,), written="new"),
    Predictor(name="H, log-odds of both", form=by_log_odds, start=(0.74, 0.15), written="H"),
    Predictor(name="C, saturating", form=saturating, start=(0.8, 2.0), written="C"),
    Predictor(name="G, by problem", form=audit_g, start=(1.3,), written="G"),
    Predictor(name="law of TPR and FPR (before)", form=old_law, start=(0.76,), written="law"),
    Predictor(
        name="line in kept precision", form=_line(lambda x: x["kept"]), start=(-0.5, 2.0), written="kept logline"
    ),
    Predictor(
        name="line in accepted precision",
        form=_line(lambda x: x["accepted_precision"]),
        start=(-0.5, 2.0),
        written="accepted precision",
    ),
    Predictor(name="line in log LR+", form=_line(_likelihood_ratio), start=(0.0, 0.5), written="LR"),
    Predictor(name="line in Youden's J", form=_line(lambda x: x["tpr"] - x["fpr"]), start=(0.0, 1.0), written="J"),
    Predictor(
        name="line in verifier accuracy",
        form=_line(lambda x: x["accuracy_of_verifier"]),
        start=(-0.5, 2.0),
        written="verifier accuracy",
    ),
    Predictor(
        name="line in acceptance rate", form=_line(lambda x: x["accepted"]), start=(1.0, -1.0), written="acceptance"
    ),
    Predictor(name="the same gain for all", form=_line(lambda x: np.zeros_like(x["base"])), start=(1.0, 0.0)),
)


@dataclasses.dataclass(frozen=True, eq=False)
class Study:
    """Rows as columns; `after` is the mean over seeds, `seeds` its standard error."""

    rows: Sequence[Row]

    def column(self, name: str) -> Column:
        return np.array([row[name] for row in self.rows], np.float64)

    def columns(self) -> dict[str, Column]:
        numbers = [name for name, value in self.rows[0].items() if isinstance(value, int | float)]
        return {name: self.column(name) for name in numbers}

    @property
    def after(self) -> Column:
        return np.array([np.mean(row["after"]) for row in self.rows])

    @property
    def seeds(self) -> Column:
        return np.array([np.std(row["after"], ddof=1) / math.sqrt(len(row["after"])) for row in self.rows])

    @property
    def places(self) -> list[tuple[str, str]]:
        return [(row["suite"], row["arm"]) for row in self.rows]

    def part(self, keep: Sequence[bool]) -> Study:
        return Study([row for row, kept in zip(self.rows, keep, strict=True) if kept])


def fitted(rule: Predictor, study: Study) -> list[float]:
    """Constants with the least squared error of accuracy."""
    x, after = study.columns(), study.after
    found = minimize(lambda c: np.sum((rule.form(c, x) - after) ** 2), rule.start, method="Nelder-Mead")
    return [float(constant) for constant in found.x]


def carried(rule: Predictor, chosen: Study, study: Study) -> Column:
    """Predictions with constants of the suites on which all predictors were chosen; ours has the product's."""
    constants = [predictor.KAPPA] if rule.form is ours else fitted(rule, chosen)
    return rule.form(constants, study.columns())


def left_out(rule: Predictor, study: Study, groups: Sequence[Any]) -> Column:
    """Predictions of each group of rows with constants fitted on all others."""
    predicted = np.full(len(study.rows), np.nan)
    for group in dict.fromkeys(groups):
        out = np.array([other == group for other in groups])
        constants = fitted(rule, study.part((~out).tolist()))
        predicted[out] = rule.form(constants, study.part(out.tolist()).columns())
    return predicted


def rank_correlation(predicted: Column, study: Study) -> float:
    """Spearman's, within a suite and iteration, averaged; all arms."""
    keys = list(zip(study.column("iteration"), (row["suite"] for row in study.rows), strict=True))
    found: list[float] = []
    for key in dict.fromkeys(keys):
        same = [other == key for other in keys]
        if np.ptp(predicted[same]):
            found.append(float(spearmanr(predicted[same], study.after[same])[0]))
    return float(np.mean(found)) if found else math.nan


def load(name: str) -> Study:
    return Study(json.loads((STORED / name).read_text("utf-8")))


@click.group(help=__doc__)
def main() -> None:
    pass


@main.command("run")
@click.argument("suites", nargs=-1)
@click.option("--out", type=click.Path(path_type=Path), default=Path("runs/prediction"))
def run_command(suites: Sequence[str], out: Path) -> None:
    """Trains the suites: all of them, or the named ones. About ten minutes each on two cores."""
    for name in suites or sorted(path.stem for path in SUITES.glob("*.toml")):
        command = ["restem", "run", str(SUITES / f"{name}.toml"), "--out", str(out / name)]
        subprocess.run(command, check=True)


@main.command("rows")
@click.argument("runs", nargs=-1, type=click.Path(path_type=Path, exists=True))
def rows_command(runs: Sequence[Path]) -> None:
    """Prints the rows of runs as JSON."""
    rows: list[dict[str, Any]] = []
    for folder in runs:
        with Store(folder) as store:
            rows += rows_of(read_run(store))
    click.echo("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]")


@main.command("table")
def table_command() -> None:
    """Prints the tables of docs/prediction.md as Markdown."""
    chosen, study = load("chosen.json"), load("rows.json")
    others = study.column("gold") == 0
    click.echo(_summary(study, others) + "\n")
    click.echo(_table(chosen, study, others) + "\n")
    click.echo(_each(study, others))


def _summary(study: Study, others: NDArray[np.bool_]) -> str:
    """How many arm-iterations, and how well a perfect predictor of the recipe would do, given these seeds."""
    noise = study.seeds[others]
    suites = len({row["suite"] for row in study.rows})
    return (
        f"{int(others.sum())} arm-iterations of {suites} suites, the gold's own left out. Standard error of an "
        f"observed mean over its seeds: {100 * math.sqrt(np.mean(noise**2)):.1f} points (root mean square); a perfect "
        f"predictor would miss by {100 * np.mean(noise) * math.sqrt(2 / math.pi):.1f} points on average."
    )


def _table(chosen: Study, study: Study, others: NDArray[np.bool_]) -> str:
    lines: list[list[str]] = []
    for rule in PREDICTORS:
        before = carried(rule, chosen, study)
        by_arm = left_out(rule, study, study.places)
        by_suite = left_out(rule, study, [row["suite"] for row in study.rows])
        spread = _spread(rule, chosen)
        covered, width = _covered(before, spread, study, others)
        miss = np.abs(before - study.after)[others]
        log_odds = np.abs(logit(before) - logit(study.after))[others]
        lines.append(
            [
                rule.name,
                str(len(rule.start)),
                f"**{100 * miss.mean():.2f}**" if rule.form is ours else f"{100 * miss.mean():.2f}",
                _written(rule, study, others),
                f"{100 * miss.max():.1f}",
                f"{log_odds.mean():.2f}",
                f"{rank_correlation(before, study):.2f}".replace("nan", "–"),
                f"{100 * covered:.0f} %",
                f"{100 * width:.0f}",
                f"{100 * np.abs(by_arm - study.after)[others].mean():.2f}",
                f"{100 * np.abs(by_suite - study.after)[others].mean():.2f}",
            ]
        )
    heads = [
        "predictor",
        "constants",
        "MAE, points",
        "the same as written",
        "largest",
        "MAE, log-odds",
        "rank correlation",
    ]
    heads += ["95 % interval covers", "its width, points", "MAE, one arm left out", "MAE, one suite left out"]
    return tabulate(lines, heads, tablefmt="pipe", disable_numparse=True)


def _written(rule: Predictor, study: Study, others: NDArray[np.bool_]) -> str:
    """Mean absolute error, in points, of the predictions that were on disk before the suites were trained."""
    if not rule.written:
        return "–"
    stored = json.loads((STORED / "predictions.json").read_text("utf-8"))["rows"]
    before = {(row["suite"], row["arm"], row["iteration"]): row["predicted"][rule.written] for row in stored}
    keys = [(row["suite"].removeprefix("prediction_"), row["arm"], row["iteration"]) for row in study.rows]
    return f"{100 * np.abs(np.array([before[key] for key in keys]) - study.after)[others].mean():.2f}"


def _spread(rule: Predictor, chosen: Study) -> tuple[float, float]:
    """Standard deviation and degrees of freedom of the error in log-odds: the product's, or the chosen suites' own."""
    if rule.form is ours:
        return predictor.ERROR, predictor.FREEDOM
    error = logit(np.clip(carried(rule, chosen, chosen), 0.01, 0.99)) - logit(chosen.after)
    return float(np.sqrt(np.mean(error**2))), predictor.FREEDOM


def _covered(
    predicted: Column, spread: tuple[float, float], study: Study, others: NDArray[np.bool_]
) -> tuple[float, float]:
    """Share of observed means within the 95 % interval, and its mean width."""
    half = float(t.ppf(0.975, spread[1])) * spread[0]
    low, high = (expit(_log_odds(predicted) + sign * half) for sign in (-1, 1))
    inside = (low <= study.after) & (study.after <= high)
    return float(inside[others].mean()), float((high - low)[others].mean())


def _each(study: Study, others: NDArray[np.bool_]) -> str:
    """Every arm-iteration: what was predicted by the product's predictor, what came, and how it varied over seeds."""
    predicted = ours([predictor.KAPPA], study.columns())
    lines = [
        [
            row["suite"].removeprefix("prediction_"),
            row["arm"],
            str(row["iteration"]),
            f"{100 * row['base']:.1f}",
            f"{100 * row['distinct']:.1f}",
            f"{100 * row['kept']:.1f}",
            f"{100 * (before - row['base']):+.1f}",
            f"{100 * (after - row['base']):+.1f}",
            f"{100 * (after - before):+.1f}",
            f"{100 * error:.1f}",
        ]
        for row, before, after, error in zip(study.rows, predicted, study.after, study.seeds, strict=True)
    ]
    heads = ["suite", "arm", "iteration", "base, %", "distinct texts, %", "kept of the base's, %", "predicted gain"]
    return tabulate(
        [*lines], [*heads, "observed gain", "observed − predicted", "its error over seeds"], tablefmt="pipe"
    )


@main.command("figure")
@click.argument("output", type=click.Path(path_type=Path))
def figure_command(output: Path) -> None:
    """Draws predicted against observed gains: ours, and the law that reports had before."""
    from matplotlib import pyplot

    study, chosen = load("rows.json"), load("chosen.json")
    base, after = study.column("base"), study.after
    figure, both = pyplot.subplots(1, 3, figsize=(13, 4.6), layout="constrained", sharex=True, sharey=True)
    shown = [PREDICTORS[0], PREDICTORS[4], PREDICTORS[6]]
    suites = list(dict.fromkeys(row["suite"] for row in study.rows))
    for axes, rule in zip(both, shown, strict=True):
        predicted = carried(rule, chosen, study)
        for suite, marker in zip(suites, itertools.cycle("osD^vP")):
            at = np.array([row["suite"] == suite for row in study.rows])
            gains = 100 * (predicted - base)[at], 100 * (after - base)[at]
            axes.errorbar(
                *gains, yerr=196 * study.seeds[at], fmt=marker, markersize=5, linewidth=0.8, label=suite[11:], alpha=0.8
            )
        axes.axline((0, 0), slope=1, color="black", linewidth=1)
        axes.set_title(rule.name, fontsize=10)
        axes.set_xlabel("gain predicted before training, points")
        axes.grid(alpha=0.3)
    both[0].set_ylabel("gain observed, mean of five seeds, points")
    both[0].legend(fontsize=8)
    figure.savefig(output, dpi=110)


if __name__ == "__main__":
    main()
