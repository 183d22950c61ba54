"""Labels of few responses: which responses to label, and what their labels say of the candidates.

Takes a Run; gives the population of responses in the order in which to label them, and from labels of the first of them
each candidate's rates, which candidate is better, and how many labels settle it. The population is a checkpoint's
responses on one split, by default those that a first step would be trained on. It does not depend on files.
"""

from __future__ import annotations

import dataclasses
import enum
import hashlib
from collections.abc import Mapping, Sequence
from statistics import NormalDist

import numpy as np

from restem.benchmarks.hints import did_you_mean
from restem.harness.errors import ConfigError
from restem.harness.names import BASE, HUMAN, LABEL
from restem.reports.analysis.findings import TRAIN
from restem.reports.analysis.imported import imported_place
from restem.reports.data.run import Run
from restem.reports.stats import label_design, labelled_rates
from restem.reports.stats.estimates import LEVEL, Floats, Ints
from restem.reports.stats.label_design import FEWEST, Strata
from restem.reports.stats.labelled_rates import LabelledRates, LabelledSample, RateDifference

MARGIN = 0.05  # of Youden's J, within which two verifiers are equal


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Population:
    """All responses that labels may be drawn from: those on which a candidate has decided.

    Attributes:
        verifiers: The candidates.
        checkpoint: Whose responses these are.
        rows: Each response's row of the run's samples.
        verdicts: Candidates x responses: 1, 0, NaN undecided.
        order: All responses, in the order in which to label them.
    """

    verifiers: tuple[str, ...]
    seed: int
    checkpoint: str
    split: str
    rows: Ints
    verdicts: Floats
    strata: Strata
    order: Ints

    def drawn(self, labels: int) -> Ints:
        """How many of the first so many responses are of each stratum."""
        return np.bincount(self.strata.of[self.order[:labels]], minlength=len(self.strata.size)).astype(np.int64)

    def inclusion(self, labels: int) -> Floats:
        """Each stratum's share of responses that are among the first so many."""
        return self.drawn(labels) / self.strata.size


def population(
    run: Run,
    names: Sequence[str] = (),
    *,
    seed: int = 0,
    checkpoint: str | None = None,
    split: str | None = None,
) -> Population:
    """The responses of a checkpoint on a split, in a random order by strata of the candidates' verdicts.

    A response's random number is a hash of the seed and its id, so that other candidates draw many of the same
    responses.

    Args:
        names: The candidates; by default all verifiers with verdicts there, without the gold, controls and humans.
        checkpoint: Whose responses; where None, the base's, or in an imported run those of the last step.
        split: Where None, that of training, or where an imported step has none, the one that it has.

    Raises:
        ConfigError: There are no responses, or no verdicts of a candidate.
    """
    if run.imported:
        checkpoint, split = imported_place(run, checkpoint, split)
    checkpoint, split = checkpoint or BASE, split or TRAIN
    rows = run.rows(checkpoint, split)
    if not len(rows):
        raise ConfigError(f"no samples of checkpoint {checkpoint} on split {split} here")
    judged = [name for name in run.outcomes if run.scored(name, rows)]
    if unknown := [name for name in names if name not in judged]:
        raise ConfigError(
            f"no verdicts of {unknown[0]!r} on the samples of {checkpoint}, {split}{did_you_mean(unknown[0], judged)}: "
            f"`restem verify RUN --verifier NAME --split {split}` adds them"
        )
    chosen = tuple(dict.fromkeys(names)) or tuple(
        name
        for name in run.compared
        if name in judged and name not in (*run.controls, LABEL) and not name.startswith(HUMAN)
    )
    if not chosen:
        raise ConfigError(f"no verifier but the gold has verdicts on the samples of {checkpoint}, {split}")
    verdicts = np.stack([run.outcome(name, rows) for name in chosen])
    decided = ~np.isnan(verdicts).all(axis=0)
    rows, verdicts = rows[decided], verdicts[:, decided]
    if not len(rows):
        raise ConfigError(f"{', '.join(chosen)}: undecided on every sample of {checkpoint}, {split}")
    strata = label_design.stratify(verdicts)
    key = np.array([_key(seed, sample) for sample in run.samples.id[rows].tolist()])
    return Population(
        verifiers=chosen,
        seed=seed,
        checkpoint=checkpoint,
        split=split,
        rows=rows,
        verdicts=verdicts,
        strata=strata,
        order=label_design.ordered(strata, label_design.importance(verdicts, strata), key),
    )


def _key(seed: int, sample: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}/{sample}".encode()).digest()[:7], "big")


def labels_for(responses: Population, half: float) -> int:
    """About how many labels give every candidate's TPR and FPR to so many points either way, before any is known."""
    quantile = NormalDist().inv_cdf((1 + LEVEL) / 2)

    def enough(labels: int) -> bool:
        errors = label_design.expected_errors(responses.verdicts, responses.strata, responses.drawn(labels))
        return bool(quantile * errors.max(initial=0.0) <= half)

    low, high = responses.strata.fewest, len(responses.order)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return low


class Settled(enum.StrEnum):
    """What the labels say of two verifiers' J."""

    BETTER = "better"  # the 95 % interval of the difference leaves out 0
    EQUAL = "equal"  # its 90 % interval lies within the margin
    OPEN = "open"


@dataclasses.dataclass(frozen=True, kw_only=True)
class LabelledContest:
    """The verifier with the largest J against another one.

    Attributes:
        needed: Labels, those there are included, that settle such a difference 80 % of the time.
    """

    better: str
    other: str
    difference: RateDifference
    settled: Settled
    needed: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class Labelled:
    """What labels say of the candidates.

    Attributes:
        right: Labelled responses that are right; `wrong` and `unclear` count the others.
        skipped: Responses without a label of which a later one of the same stratum has one.
        rates: Of each candidate, in the order of the population.
        contests: Of the best candidate against each other one.
    """

    right: int
    wrong: int
    unclear: int
    skipped: int
    rates: tuple[tuple[str, LabelledRates], ...]
    contests: tuple[LabelledContest, ...]

    @property
    def count(self) -> int:
        return self.right + self.wrong + self.unclear


def labelled(responses: Population, labels: Mapping[int, float]) -> Labelled:
    """Rates and comparisons from the labels of responses.

    Args:
        labels: Place in the population's order -> 1 right, 0 wrong, NaN where the person could not tell.

    Raises:
        ConfigError: A stratum has fewer than two labels, which show no spread.
    """
    sample = _sample(responses, labels)
    missing = int(np.maximum(np.minimum(responses.strata.size, FEWEST) - sample.drawn, 0).sum())
    if missing:
        raise ConfigError(
            f"{len(labels)} labels: {missing} more are needed, because each of {len(sample.size)} strata needs "
            f"{FEWEST}; label the rows from the first on"
        )
    rates = tuple(
        (name, labelled_rates.labelled_rates(sample, place)) for place, name in enumerate(responses.verifiers)
    )
    ranked = sorted(range(len(rates)), key=lambda place: -np.nan_to_num(rates[place][1].youden.value, nan=-2.0))
    return Labelled(
        right=int((sample.label == 1).sum()),
        wrong=int((sample.label == 0).sum()),
        unclear=int(np.isnan(sample.label).sum()),
        skipped=_skipped(responses, labels),
        rates=rates,
        contests=tuple(_contest(responses, sample, ranked[0], place) for place in ranked[1:]),
    )


def _sample(responses: Population, labels: Mapping[int, float]) -> LabelledSample:
    chosen = responses.order[sorted(labels)]
    return LabelledSample(
        verdicts=responses.verdicts[:, chosen],
        label=np.array([labels[place] for place in sorted(labels)], np.float64),
        stratum=responses.strata.of[chosen],
        size=responses.strata.size,
    )


def _skipped(responses: Population, labels: Mapping[int, float]) -> int:
    of = responses.strata.of[responses.order]
    last = {int(of[place]): place for place in sorted(labels)}
    return sum(place not in labels and place < last.get(int(of[place]), -1) for place in range(max(labels) + 1))


def _contest(responses: Population, sample: LabelledSample, best: int, other: int) -> LabelledContest:
    difference = labelled_rates.rate_difference(sample, best, other)
    youden, (low, high) = difference.youden, difference.equal
    settled = Settled.OPEN
    if low >= -MARGIN and high <= MARGIN:
        settled = Settled.EQUAL
    elif youden.low > 0 or youden.high < 0:
        settled = Settled.BETTER
    needed = labelled_rates.labels_needed(sample, best, other, responses.strata.of[responses.order], MARGIN)
    if settled is Settled.OPEN:
        needed = min(max(needed, len(sample.label) + 1), len(responses.order))
    return LabelledContest(
        better=responses.verifiers[best],
        other=responses.verifiers[other],
        difference=difference,
        settled=settled,
        needed=needed,
    )
