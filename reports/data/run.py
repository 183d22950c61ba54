"""A run's rows as arrays.

The result of reports/data/read.py: plain values, ordered as run.db orders them. It does not depend on files.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from restem.benchmarks.problem import Probe, Problem
from restem.harness.names import BASE, MARK, POLICY, TESTS, drawn_as, first_sampled, replicate, unmarked
from restem.harness.store.records import Checkpoint
from restem.harness.store.selection_rules import RULES, SelectionSettings
from restem.reports.stats.estimates import Floats, Ints
from restem.verifiers.verdict import CONTROLS, Verdict

STEPS = "steps"
EM = "em"
Bools = NDArray[np.bool_]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arm:
    """One training verifier's chain of iterations.

    Attributes:
        first: Id of what its first training samples are drawn from.
        iterations: How many the suite asks for.
        restarts: Whether each iteration trains the base.
        samples: Of a training problem, in its E-steps; None: as the suite says.
        problems: The training problems that it uses, the first ones; None: all.
        source: What its first iteration trains on.
        settings: All that the suite says of it, key by key (`selection.cap`): what it sets, else what holds for all.
        shared: Whether another arm has its verifier, so that its name alone tells the two apart.
    """

    name: str
    verifier: str
    selection: SelectionSettings
    control: bool
    gold: bool
    first: str = BASE
    iterations: int = 1
    restarts: bool = True
    samples: int | None = None
    problems: int | None = None
    source: str = POLICY
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict, hash=False)
    shared: bool = False

    @property
    def algorithm(self) -> str:
        """What it is trained by: `em` or `grpo`."""
        return self.settings.get("algorithm", EM)

    @property
    def mark(self) -> str:
        return "gold" if self.gold else "control" if self.control else ""

    @property
    def predictable(self) -> bool:
        """Whether its gain can be predicted: that was measured for EM on accepted samples of the base."""
        return self.algorithm == EM and self.source == POLICY and not self.selection.rejected_weight


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Samples:
    """Columns of table `sample`, ordered by id.

    Attributes:
        problem: Position within its split.
        cut: Whether the response hit the length limit.
        text: The row of one sample for all that have its problem and its text.
        confidence: The policy's mean token probability; NaN where no arm's selection rule reads it.
    """

    id: Ints
    problem: Ints
    tokens: Ints
    cut: Bools
    text: Ints
    confidence: Floats


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Outcomes:
    """A verifier's outcomes on all samples: 1, 0, or NaN; `scored` is false without a verdict."""

    value: Floats
    scored: Bools


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Readings:
    """What a verifier read in each sample, for selection rules that look at more than its outcome.

    Attributes:
        answer: A number for each answer; equal numbers are equal answers. -1 where it gave no verdict.
        score: Its score; 0 where it is undecided or gave no verdict.
    """

    answer: Ints
    score: Floats


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Choice:
    """Table `selection` of one checkpoint: sample rows, and what became of each.

    Attributes:
        weight: What it trains with: below 0 where the policy is to write it less often, 0 where it was dropped.
        dropped_by: The rule that dropped it; "" where none did.
    """

    rows: Ints
    weight: Floats
    dropped_by: tuple[str, ...]

    @property
    def kept(self) -> Ints:
        """The rows of the samples that the policy learns to write."""
        return self.rows[self.weight > 0]

    @property
    def negatives(self) -> int:
        """How many samples have a negative weight."""
        return int((self.weight < 0).sum())


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cost:
    """What the verdicts of one verifier on samples and probes cost, and the calls to a model behind them.

    Attributes:
        seconds: Of its calls where it made any, else of its verdicts; these are NaN in a brief run.
        median: Seconds of a verdict on a sample, to three digits; NaN in a brief run, as is the next.
        slow: What 95 % of its verdicts take at most.
    """

    verifier: str
    verdicts: int
    seconds: float
    tokens: int
    usd: float
    calls: int
    median: float
    slow: float


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Run:
    """Everything a report is made from.

    Attributes:
        places: (checkpoint, split) -> rows of `samples`, problem by problem.
        outcomes: Verifier name -> its outcomes.
        reasons: (checkpoint, split, verifier) -> why undecided, and how often, commonest first.
        answers: Gold's reading of the answer, per sample row; "" where it read none.
        readings: Verifier -> what it read; of all verifiers where an arm's selection rule looks at it, else of none.
        scores: Verifier -> its score of each sample, NaN where there is none; of verifiers that have given other scores
            than 0 and 1.
        raw: Verifier -> the number that a graded reward function gave each sample, NaN where there is none; of those
            that have given other numbers than 0 and 1.
        models: Judge -> the names that its server gave its model, where there was more than one.
        timed: (kind of event, arm or "") -> events and the seconds they name.
        probes: By their ids; none in a run of an earlier version.
        probed: Verifier -> probe id -> verdict, of those that were asked.
        engines: Which servers drew samples, and how they were compared, in their order; none where our own sampler did.
        processes: The command, versions and machine of every process that wrote rows; none in earlier versions' runs.

    Empty in a brief run: reasons, answers, readings, scores, raw, timed, probes, probed, and of the samples all but
    where they stand.
    """

    facts: Mapping[str, Any]
    checkpoints: Mapping[str, Checkpoint]
    problems: Mapping[str, tuple[Problem, ...]]
    samples: Samples
    places: Mapping[tuple[str, str], Ints]
    outcomes: Mapping[str, Outcomes]
    fingerprints: Mapping[str, str]
    reasons: Mapping[tuple[str, str, str], tuple[tuple[str, int], ...]]
    answers: Sequence[str]
    readings: Mapping[str, Readings]
    choices: Mapping[str, Choice]
    costs: tuple[Cost, ...]
    models: Mapping[str, tuple[str, ...]]
    timed: Mapping[tuple[str, str], tuple[int, float]]
    probes: Mapping[int, Probe]
    probed: Mapping[str, Mapping[int, Verdict]]
    scores: Mapping[str, Floats] = dataclasses.field(default_factory=dict)
    raw: Mapping[str, Floats] = dataclasses.field(default_factory=dict)
    engines: tuple[Mapping[str, Any], ...] = ()
    processes: tuple[Mapping[str, Any], ...] = ()

    @property
    def suite(self) -> Mapping[str, Any]:
        return self.facts.get("suite") or {}

    @property
    def gold(self) -> str:
        return self.suite.get("gold", "sympy")

    @property
    def further_tests(self) -> tuple[str, ...]:
        """The splits of the suite's further test sets, by name."""
        return tuple(f"{TESTS}{name}" for name in sorted(self.suite.get("tests") or {}))

    @property
    def imported(self) -> bool:
        """Whether the samples are rollouts of other programs: such a run has no base, no arms and no selections."""
        return "imported" in self.facts

    @property
    def base_hashes(self) -> tuple[str, ...]:
        """What the base is known by: `base_sha256`, and the hash of its parameters, which that was in earlier runs."""
        base = self.checkpoints.get(BASE)
        return str(self.facts.get("base_sha256", "")), *([base.params_sha256] if base and base.params_sha256 else [])

    @property
    def iterations(self) -> int:
        """Those of the arm that has most."""
        reached = max((c.iteration for c in self.checkpoints.values()), default=0)
        return max((arm.iterations for arm in self.arms), default=int(self.suite.get("iterations", reached)))

    @functools.cached_property
    def arms(self) -> tuple[Arm, ...]:
        """The arms in the suite's order; controls and gold marked."""
        return tuple(_arm(entry, self) for entry in self.suite.get("arms", ()))

    def replicates(self, arm: Arm) -> tuple[Arm, ...]:
        """The arm under each seed of the suite, with the verifier that it has there; the first is the arm itself."""
        replicates: list[Arm] = []
        for number in range(int(self.suite.get("replicates", 1))):
            verifier = self.own(arm.verifier, number)
            name, drawn = replicate(arm.name, number), arm.first.removeprefix(BASE).removeprefix(MARK)
            first = first_sampled(name, drawn)
            replicates.append(dataclasses.replace(arm, name=name, verifier=verifier, first=first))
        return tuple(replicates)

    def own(self, verifier: str, number: int) -> str:
        """What a verifier is called in a replicate: it has a name for each if it errs under another seed there."""
        name = replicate(verifier, number)
        return name if name in self.fingerprints else verifier

    @property
    def steps(self) -> str | None:
        """The verifier whose `correct` means that the written steps hold, if the run has it."""
        return STEPS if STEPS in self.outcomes else None

    @functools.cached_property
    def controls(self) -> tuple[str, ...]:
        """Verifiers that carry no information."""
        return tuple(self.facts.get("controls", CONTROLS))

    @functools.cached_property
    def compared(self) -> tuple[str, ...]:
        """Verifiers that are measured against the gold, in the suite's order, controls last; replicate 0's alone."""
        named = [*(arm.verifier for arm in self.arms), *self.suite.get("scoring", ())]
        names = sorted(
            name
            for name in self.outcomes
            if name not in (self.gold, STEPS) and (self.imported or MARK not in name)  # without arms no replicates
        )
        place = {name: named.index(name) if name in named else len(named) for name in names}
        return tuple(sorted(names, key=lambda name: (name in self.controls, place[name])))

    def chain(self, arm: str) -> tuple[Checkpoint, ...]:
        """The arm's checkpoints by iteration, candidates left out."""
        of_arm = (c for c in self.checkpoints.values() if c.arm == arm and c.kind != "candidate")
        return tuple(sorted(of_arm, key=lambda c: c.iteration))

    def size(self, split: str) -> int:
        return len(self.problems.get(split, ()))

    def rows(self, checkpoint: str | None, split: str) -> Ints:
        """Rows of `samples` of a checkpoint on a split; empty where there are none."""
        return self.places.get((checkpoint or "", split), np.zeros(0, np.int64))

    def first_rows(self, arm: Arm) -> Ints:
        """Rows of the training samples of a base that an arm's first selection is made from."""
        rows = self.rows(arm.first, "train")
        problem = self.samples.problem[rows]
        number = np.arange(len(rows)) - np.searchsorted(problem, problem)  # among the samples of its problem
        samples = arm.samples or (self.suite.get("sampling") or {}).get("train_samples") or len(rows) + 1
        used = (problem < (arm.problems or len(rows) + 1)) & (number < samples)
        return rows[used]

    def outcome(self, verifier: str, rows: Ints) -> Floats:
        """Outcomes of a verifier on rows; all NaN where it was never asked."""
        outcomes = self.outcomes.get(verifier)
        return np.full(len(rows), np.nan) if outcomes is None else outcomes.value[rows]

    def asked(self, verifier: str, rows: Ints) -> Bools:
        """Which of the rows the verifier has given a verdict on, undecided ones included."""
        outcomes = self.outcomes.get(verifier)
        return np.zeros(len(rows), bool) if outcomes is None else outcomes.scored[rows]

    def scored(self, verifier: str, rows: Ints) -> int:
        """How many of the rows the verifier has given a verdict on."""
        return int(self.asked(verifier, rows).sum())


def _arm(entry: Mapping[str, Any], run: Run) -> Arm:
    selection = SelectionSettings(**(entry.get("selection") or {}))
    verifier, suite = entry["verifier"], run.suite
    settings, usual = _settings(entry, selection, suite), (suite.get("sampling") or {}).get("temperature", 0.0)
    source = entry.get("source") or POLICY
    drawn = drawn_as(source, entry.get("temperature") or usual, usual)
    return Arm(
        name=entry["name"],
        verifier=verifier,
        selection=selection,
        control=verifier in run.controls and verifier != run.gold and "answer" not in RULES[selection.rule].reads,
        gold=verifier == run.gold,
        first=first_sampled(entry["name"], drawn),
        iterations=int(settings["iterations"]),
        restarts=settings["restart"],
        samples=entry.get("samples"),
        problems=entry.get("problems"),
        source=source,
        settings=settings,
        shared=sum(other["verifier"] == verifier for other in suite["arms"]) > 1,
    )


def _settings(entry: Mapping[str, Any], selection: SelectionSettings, suite: Mapping[str, Any]) -> dict[str, Any]:
    benchmark, sampling, training = (suite.get(table) or {} for table in ("benchmark", "sampling", "training"))
    usual = {
        "algorithm": EM,
        "iterations": suite.get("iterations", 1),
        "samples": sampling.get("train_samples"),
        "problems": benchmark.get("train"),
        "temperature": sampling.get("temperature"),
        "restart": training.get("restart", True) and entry.get("algorithm", EM) == EM,
        "steps": training.get("steps"),
        "learning_rate": training.get("learning_rate"),
    }
    own = {key: value for key, value in entry.items() if key not in ("name", "selection") and value is not None}
    return usual | own | {f"selection.{key}": value for key, value in dataclasses.asdict(selection).items()}


def tested(checkpoint: str) -> str:
    """The id that has a checkpoint's test samples: the base is measured once for all replicates."""
    return BASE if unmarked(checkpoint) == BASE else checkpoint


def base_of(checkpoint: Checkpoint) -> str:
    """The checkpoint whose samples it was trained on; the base where a run does not say."""
    return checkpoint.sampled_from or BASE
