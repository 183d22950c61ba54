"""Prints how good few labels are: bias, coverage of the intervals, and labels saved against a simple random sample.

    python -m tests.perf.label_coverage [RUN ...] [--rounds 1000]

Each population is a set of responses whose labels are all known: the base's training responses of runs, with the gold's
verdicts as labels and a run's informative verifiers as candidates (the committed examples by default), and simulated
ones, in which problems differ in difficulty and a verifier's errors lie together on some problems (ICC). Each round
draws another random order and labels its first responses. The figures are those of tables in docs/labels.md; the run
asserts nothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np

from restem.harness.store.store import Store
from restem.reports.analysis.labels import population
from restem.reports.data.read import read_run
from restem.reports.stats import label_design, labelled_rates
from restem.reports.stats.estimates import Floats
from restem.reports.stats.label_design import Strata
from restem.reports.stats.labelled_rates import LabelledRates, LabelledSample

EXAMPLES = [Path(__file__).parents[2] / "reports" / "examples" / name for name in ("linear_1d", "dose_response")]
LABELS = (50, 100, 200)
RATES = ("tpr", "fpr", "precision", "youden", "likelihood_ratio")
SIMULATED = {  # ICC of the errors -> TPR and FPR of two verifiers
    0.05: ((0.95, 0.05), (0.85, 0.15)),
    0.2: ((0.95, 0.05), (0.85, 0.15)),
    0.3: ((0.99, 0.02), (0.97, 0.10)),
}
PROBLEMS, SAMPLES = 300, 8
HEADINGS = (
    "Population",
    "Responses",
    "Strata",
    "Labels",
    "Largest bias, points",
    "TPR, FPR, precision cover, % (least)",
    "J, LR+ cover, %",
    "Difference of J covers, %",
    "Width TPR, FPR, points",
    "Simple sample as exact, labels",
    "The same for the difference",
)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Known:
    """Responses whose labels are all known."""

    name: str
    verdicts: Floats
    label: Floats


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Figures:
    """Estimates of every round: rounds x verifiers x RATES, and the differences of J of the first two verifiers."""

    value: Floats
    low: Floats
    high: Floats
    difference: Floats
    held: Floats


def simulated(icc: float) -> Known:
    """Beta-binomial responses and errors, from a fixed seed."""
    random = np.random.default_rng(int(1000 * icc))
    right = random.random((PROBLEMS, SAMPLES)) < random.beta(1, 1, (PROBLEMS, 1))
    concentration = (1 - icc) / icc
    verdicts = []
    for rates in SIMULATED[icc]:
        chances = [random.beta(concentration * r, concentration * (1 - r), (PROBLEMS, 1)) for r in rates]
        verdicts.append(random.random(right.shape) < np.where(right, *chances))
    rates = " and ".join(f"{100 * t:g}/{100 * f:g}" for t, f in SIMULATED[icc])
    return Known(
        name=f"simulated, ICC {icc:g}, TPR/FPR {rates} %",
        verdicts=np.array(verdicts, float).reshape(2, -1),
        label=right.ravel().astype(float),
    )


def stored(folder: Path) -> Iterator[Known]:
    """A run's base: its first two informative verifiers, and all of them where there are more."""
    with Store(folder) as store:
        run = read_run(store, brief=True)
    names = population(run).verifiers
    for chosen in dict.fromkeys((names[:2], names)):
        responses = population(run, chosen)
        label = run.outcome(run.gold, responses.rows)
        candidates = ", ".join(chosen) if len(chosen) < 3 else f"{len(chosen)} verifiers"
        yield Known(name=f"{folder.name}: {candidates}", verdicts=responses.verdicts, label=label)


def sampled(known: Known, strata: Strata, chosen: Floats) -> LabelledSample:
    return LabelledSample(
        verdicts=known.verdicts[:, chosen], label=known.label[chosen], stratum=strata.of[chosen], size=strata.size
    )


def simple(known: Known) -> Strata:
    """One stratum, of which a sample is a simple random one."""
    size = len(known.label)
    return Strata(of=np.zeros(size, np.int64), size=np.array([size]), patterns=())


def all_rates(sample: LabelledSample) -> list[LabelledRates]:
    return [labelled_rates.labelled_rates(sample, verifier) for verifier in range(len(sample.verdicts))]


def study(known: Known, strata: Strata, labels: int, rounds: int) -> Figures:
    """The estimates of so many random orders."""
    weight = label_design.importance(known.verdicts, strata) if len(strata.size) > 1 else np.ones(1)
    true = labelled_rates.rate_difference(sampled(known, strata, np.arange(len(known.label))), 0, 1).youden.value
    values, differences, held = [], [], []
    for round in range(rounds):
        key = np.random.default_rng((labels, round)).random(len(known.label))
        sample = sampled(known, strata, label_design.ordered(strata, weight, key)[:labels])
        estimates = [[getattr(rates, name) for name in RATES] for rates in all_rates(sample)]
        values.append([[(each.value, each.low, each.high) for each in row] for row in estimates])
        difference = labelled_rates.rate_difference(sample, 0, 1).youden
        differences.append(difference.value)
        held.append(difference.low <= true <= difference.high)
    value, low, high = np.moveaxis(np.array(values), -1, 0)
    return Figures(value=value, low=low, high=high, difference=np.array(differences), held=np.array(held, float))


def row(known: Known, labels: int, rounds: int) -> list[str]:
    """One line of the table."""
    strata = label_design.stratify(known.verdicts)
    everything = sampled(known, strata, np.arange(len(known.label)))
    truth = np.array([[getattr(rates, name).value for name in RATES] for rates in all_rates(everything)])
    ours, theirs = study(known, strata, labels, rounds), study(known, simple(known), labels, rounds)
    # A rate that no label of the sample is about has no estimate, and an interval of all values.
    covered = ((ours.low <= truth + 1e-9) & (ours.high >= truth - 1e-9) | np.isnan(ours.low)).mean(axis=0) * 100
    bias = 100 * np.abs(np.nanmean(ours.value[..., :2], axis=0) - truth[:, :2]).max()
    width = 100 * np.nanmean((ours.high - ours.low)[..., :2])
    errors = [np.nanmean((each.value[..., :2] - truth[:, :2]) ** 2, axis=0).sum() for each in (ours, theirs)]
    apart = [np.nanvar(each.difference) for each in (ours, theirs)]
    return [
        known.name,
        str(len(known.label)),
        str(len(strata.size)),
        str(labels),
        f"{bias:.2f}",
        f"{covered[:, :3].mean():.1f} ({covered[:, :3].min():.1f})",
        f"{covered[:, 3].mean():.1f}, {covered[:, 4].mean():.1f}",
        f"{100 * ours.held.mean():.1f}",
        f"{width:.1f}",
        equivalent(labels, len(known.label), errors[1] / errors[0]),
        equivalent(labels, len(known.label), apart[1] / apart[0]),
    ]


def equivalent(labels: int, size: int, gain: float) -> str:
    """Labels of a simple random sample whose variance is `gain` times smaller than with `labels` of them."""
    return f"{1 / ((1 / labels - 1 / size) / gain + 1 / size):.0f}"


@click.command()
@click.argument("runs", nargs=-1, type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--rounds", type=click.IntRange(min=2), default=1000, show_default=True)
def main(runs: tuple[Path, ...], rounds: int) -> None:
    """Prints the table in Markdown."""
    click.echo(f"| {' | '.join(HEADINGS)} |\n|{'|'.join([':--', *['--:'] * (len(HEADINGS) - 1)])}|")
    populations = [known for run in runs or EXAMPLES for known in stored(run)] + [simulated(icc) for icc in SIMULATED]
    for known in populations:
        for labels in LABELS:
            click.echo(f"| {' | '.join(row(known, labels, rounds))} |")


if __name__ == "__main__":
    main()
