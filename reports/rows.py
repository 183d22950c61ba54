"""A run's rows as arrays: one query a table, in one snapshot of run.db.

Takes an open Store; gives a Run. Works on a run that is still being written: what is not there is absent, not guessed.
Knows nothing of estimates.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.problem import Problem
from harness.records import BASE, MARK, Checkpoint, replicate, unmarked
from harness.store import Store
from reports.metrics import Floats, Ints

STEPS = "steps"
CONTROLS = ("accept_all", "reject_all", "random")
Bools = NDArray[np.bool_]
PACKED = 31  # verifiers whose outcomes on a sample fit into one of SQLite's integers, two bits each


@dataclasses.dataclass(frozen=True, kw_only=True)
class Arm:
    """One training verifier's chain of iterations; `cap` None where the selection has none."""

    name: str
    verifier: str
    rule: str
    cap: int | None
    dedupe: bool
    control: bool
    gold: bool

    @property
    def mark(self) -> str:
        return "gold" if self.gold else "control" if self.control else ""


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Samples:
    """Columns of table `sample`, ordered by id.

    Attributes:
        problem: Position within its split.
        cut: Whether the response hit the length limit.
        distinct: Whether no earlier sample of the problem has the same text and ending.
    """

    id: Ints
    problem: Ints
    tokens: Ints
    cut: Bools
    distinct: Bools


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Outcomes:
    """A verifier's outcomes on all samples: 1, 0, or NaN; `scored` tells undecided from not asked."""

    value: Floats
    scored: Bools


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Choice:
    """Table `selection` of one checkpoint: sample rows, and what became of each ("" where it was kept)."""

    rows: Ints
    dropped_by: tuple[str, ...]

    def dropped(self, *rules: str) -> Bools:
        return np.array([rule in rules for rule in self.dropped_by], bool)

    @property
    def kept(self) -> Ints:
        return self.rows[self.dropped("")]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Cost:
    """What the verdicts of one verifier cost, and the calls to a model behind them.

    Attributes:
        seconds: Of its calls where it made any, else of its verdicts; these are NaN in a brief run.
    """

    verifier: str
    verdicts: int
    seconds: float
    tokens: int
    usd: float
    calls: int


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Run:
    """Everything a report is made from.

    Attributes:
        places: (checkpoint, split) -> rows of `samples`, problem by problem.
        outcomes: Verifier name -> its outcomes.
        reasons: (checkpoint, split, verifier) -> why undecided, and how often, commonest first.
        answers: Gold's reading of the answer, per sample row; "" where it read none.
        timed: (kind of event, arm or "") -> events and the seconds they name.

    Empty in a brief run: reasons, answers, choices, timed, and of the samples all but where they stand.
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
    choices: Mapping[str, Choice]
    costs: tuple[Cost, ...]
    timed: Mapping[tuple[str, str], tuple[int, float]]

    @property
    def suite(self) -> Mapping[str, Any]:
        return self.facts.get("suite") or {}

    @property
    def gold(self) -> str:
        return self.suite.get("gold", "sympy")

    @property
    def iterations(self) -> int:
        found = max((c.iteration for c in self.checkpoints.values()), default=0)
        return int(self.suite.get("iterations", found))

    @functools.cached_property
    def arms(self) -> tuple[Arm, ...]:
        """The arms in the suite's order; controls and gold marked."""
        return tuple(_arm(entry, self.controls, self.gold) for entry in self.suite.get("arms", ()))

    def replicates(self, arm: Arm) -> tuple[Arm, ...]:
        """The arm under each seed of the suite, with the verifier that it has there; the first is the arm itself."""
        found: list[Arm] = []
        for number in range(int(self.suite.get("replicates", 1))):
            own = replicate(arm.verifier, number)
            verifier = own if own in self.fingerprints else arm.verifier
            found.append(dataclasses.replace(arm, name=replicate(arm.name, number), verifier=verifier))
        return tuple(found)

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
        names = sorted(name for name in self.outcomes if name not in (self.gold, STEPS) and MARK not in name)
        place = {name: named.index(name) if name in named else len(named) for name in names}
        return tuple(sorted(names, key=lambda name: (name in self.controls, place[name])))

    def chain(self, arm: str) -> tuple[Checkpoint, ...]:
        """The arm's checkpoints by iteration, candidates left out."""
        own = (c for c in self.checkpoints.values() if c.arm == arm and c.kind != "candidate")
        return tuple(sorted(own, key=lambda c: c.iteration))

    def size(self, split: str) -> int:
        return len(self.problems.get(split, ()))

    def rows(self, checkpoint: str | None, split: str) -> Ints:
        """Rows of `samples` of a checkpoint on a split; empty where there are none."""
        return self.places.get((checkpoint or "", split), np.zeros(0, np.int64))

    def outcome(self, verifier: str, rows: Ints) -> Floats:
        """Outcomes of a verifier on rows; all NaN where it was never asked."""
        found = self.outcomes.get(verifier)
        return np.full(len(rows), np.nan) if found is None else found.value[rows]

    def scored(self, verifier: str, rows: Ints) -> int:
        """How many of the rows the verifier has given a verdict on, undecided ones included."""
        found = self.outcomes.get(verifier)
        return 0 if found is None else int(found.scored[rows].sum())


def _arm(entry: Mapping[str, Any], controls: Sequence[str], gold: str) -> Arm:
    selection = entry.get("selection") or {}
    verifier = entry["verifier"]
    return Arm(
        name=entry["name"],
        verifier=verifier,
        rule=selection.get("rule", "filter"),
        cap=selection.get("cap") or None,
        dedupe=bool(selection.get("dedupe", False)),
        # A majority vote carries information of its own, whatever verifier it stands behind.
        control=verifier in controls and verifier != gold and selection.get("rule") != "majority",
        gold=verifier == gold,
    )


def read_run(store: Store, *, brief: bool = False) -> Run:
    """The run as it stands now; all queries see the same moment, however busy its writer is.

    Args:
        brief: Only what standings, calls and gaps are told from: a tenth of the time of a large run.
    """
    store.query("BEGIN")
    try:
        return _read(store, brief)
    finally:
        store.query("COMMIT")


def _read(store: Store, brief: bool) -> Run:
    facts = store.run()
    grouped: dict[str, list[Problem]] = {}
    for problem in store.problems():
        grouped.setdefault(problem.split, []).append(problem)
    problems = {split: tuple(items) for split, items in grouped.items()}
    samples, places = _samples(store, problems, brief)
    names = _names(store, facts)
    fingerprints = {name: fingerprint for fingerprint, name in names.items()} | (facts.get("verifiers") or {})
    gold = (facts.get("suite") or {}).get("gold", "sympy")
    outcomes = _outcomes(store, samples, names)
    return Run(
        facts=facts,
        checkpoints={c.id: c for c in store.checkpoints()},
        problems=problems,
        samples=samples,
        places=places,
        outcomes={name: outcomes[fingerprint] for name, fingerprint in fingerprints.items() if fingerprint in outcomes},
        fingerprints=fingerprints,
        reasons={} if brief else _reasons(store, names),
        answers=() if brief else _answers(store, samples, fingerprints.get(gold, "")),
        choices={} if brief else _choices(store, samples),
        costs=_costs(store, names, outcomes, brief),
        timed={} if brief else _timed(store),
    )


def _samples(
    store: Store, problems: Mapping[str, Sequence[Problem]], brief: bool
) -> tuple[Samples, dict[tuple[str, str], Ints]]:
    """The samples, and where they stand; their places come from the index, which holds them sorted."""
    where = {p.id: (split, index) for split, items in problems.items() for index, p in enumerate(items)}
    (placed,) = _columns(store, "SELECT id FROM sample ORDER BY checkpoint, problem, idx", 1)
    id = np.sort(placed)
    rows, position = np.searchsorted(id, placed), np.zeros(len(id), np.int64)
    parts: dict[tuple[str, str], list[tuple[int, int, int]]] = {}
    start = 0
    for checkpoint, problem, count in store.query("SELECT checkpoint, problem, count(*) FROM sample GROUP BY 1, 2"):
        split, index = where[problem]
        parts.setdefault((checkpoint, split), []).append((index, start, start + count))
        position[rows[start : start + count]] = index
        start += count
    drawn = "SELECT token_count, finish_reason = 'length' FROM sample ORDER BY id"
    first = "SELECT id, min(idx) FROM sample GROUP BY checkpoint, problem, text, finish_reason"
    tokens, cut = np.zeros((2, 0), np.int64) if brief else _columns(store, drawn, 2)
    distinct = np.zeros(0, bool) if brief else np.isin(id, _columns(store, first, 2)[0])
    samples = Samples(id=id, problem=position, tokens=tokens, cut=cut.astype(bool), distinct=distinct)
    return samples, {
        key: np.concatenate([rows[begin:end] for _, begin, end in sorted(found)]) for key, found in parts.items()
    }


def _columns(store: Store, sql: str, count: int, parameters: Sequence[Any] = ()) -> Ints:
    """The integer columns of a query, one row a column."""
    return np.array(store.query(sql, parameters), np.int64).reshape(-1, count).T


def _names(store: Store, facts: Mapping[str, Any]) -> dict[str, str]:
    """Fingerprint -> name: as configured; a verifier that was added later keeps its own name."""
    configured: Mapping[str, str] = facts.get("verifiers") or {}
    names = {fingerprint: name for name, fingerprint in configured.items()}
    for fingerprint, name in store.query("SELECT fingerprint, name FROM verifier ORDER BY name, fingerprint"):
        if fingerprint not in names:
            names[fingerprint] = fingerprint if name in names.values() else name
    return names


def _outcomes(store: Store, samples: Samples, names: Mapping[str, str]) -> dict[str, Outcomes]:
    """Outcomes by fingerprint. SQLite packs what all verifiers said of a sample into one number: a row a sample is
    handed over, not one a verdict.
    """
    value = np.array([np.nan, 1.0, 0.0, np.nan])
    found: dict[str, Outcomes] = {}
    for some in itertools.batched(names, PACKED):
        places = " ".join(f"WHEN ? THEN {4**place}" for place in range(len(some)))
        id, packed = _columns(
            store,
            f"SELECT sample, sum(CASE verifier {places} ELSE 0 END"
            " * CASE outcome WHEN 'correct' THEN 1 WHEN 'wrong' THEN 2 ELSE 3 END) FROM verdict GROUP BY sample",
            2,
            some,
        )
        rows = np.searchsorted(samples.id, id)
        for place, fingerprint in enumerate(some):
            code = np.zeros(len(samples.id), np.int64)
            code[rows] = packed >> 2 * place & 3
            if code.any():
                found[fingerprint] = Outcomes(value=value[code], scored=code > 0)
    return found


def _reasons(store: Store, names: Mapping[str, str]) -> dict[tuple[str, str, str], tuple[tuple[str, int], ...]]:
    found = store.query(
        "SELECT s.checkpoint, p.split, v.verifier, coalesce(v.reason, 'no reason given'), count(*) FROM verdict v"
        " JOIN sample s ON s.id = v.sample JOIN problem p ON p.id = s.problem WHERE v.outcome = 'undecided'"
        " GROUP BY 1, 2, 3, 4 ORDER BY 5 DESC, 4"
    )
    reasons: dict[tuple[str, str, str], list[tuple[str, int]]] = {}
    for checkpoint, split, verifier, reason, count in found:
        reasons.setdefault((checkpoint, split, names[verifier]), []).append((reason, count))
    return {key: tuple(items) for key, items in reasons.items()}


def _answers(store: Store, samples: Samples, gold: str) -> list[str]:
    answers = [""] * len(samples.id)
    found = store.query("SELECT sample, answer FROM verdict WHERE verifier = ? AND answer IS NOT NULL", (gold,))
    rows = np.searchsorted(samples.id, np.array([row[0] for row in found], np.int64))
    for row, (_, answer) in zip(rows, found, strict=True):
        answers[row] = answer
    return answers


def _choices(store: Store, samples: Samples) -> dict[str, Choice]:
    found: dict[str, list[tuple[int, str]]] = {}
    for checkpoint, sample, rule in store.query(
        "SELECT checkpoint, sample, coalesce(dropped_by, '') FROM selection ORDER BY checkpoint, sample"
    ):
        found.setdefault(checkpoint, []).append((sample, rule))
    return {
        checkpoint: Choice(
            rows=np.searchsorted(samples.id, np.array([sample for sample, _ in items], np.int64)),
            dropped_by=tuple(rule for _, rule in items),
        )
        for checkpoint, items in found.items()
    }


def _costs(store: Store, names: Mapping[str, str], outcomes: Mapping[str, Outcomes], brief: bool) -> tuple[Cost, ...]:
    """Per verifier; for a judge what its stored calls took, since several verdicts may share one reply."""
    paid: dict[str, list[tuple[Any, ...]]] = {}
    for fingerprint, *call in store.query(
        "SELECT verifier, model, count(*), sum(seconds), sum(prompt_tokens), sum(completion_tokens) FROM judge_call"
        " GROUP BY 1, 2 ORDER BY 1, 2"
    ):
        paid.setdefault(fingerprint, []).append(tuple(call))
    settings = {row[0]: json.loads(row[1]) for row in store.query("SELECT fingerprint, settings FROM verifier")}
    spent = {} if brief else dict(store.query("SELECT verifier, sum(seconds) FROM verdict GROUP BY 1"))
    return tuple(
        _cost(
            name,
            (int(outcomes[fingerprint].scored.sum()), spent.get(fingerprint, float("nan"))),
            paid.get(fingerprint, []),
            settings.get(fingerprint, {}),
        )
        for fingerprint, name in names.items()
        if fingerprint in outcomes
    )


def _cost(
    name: str, verdicts: tuple[int, float], calls: Sequence[tuple[Any, ...]], settings: Mapping[str, Any]
) -> Cost:
    prices = settings.get("prices") or {}
    usd = 0.0
    for model, _, _, prompt, completion in calls:
        pair = prices.get(model) or prices.get(settings.get("model")) or (0.0, 0.0)
        usd += (prompt * pair[0] + completion * pair[1]) / 1e6
    return Cost(
        verifier=name,
        verdicts=verdicts[0],
        seconds=sum(call[2] for call in calls) if calls else verdicts[1],
        tokens=sum(call[3] + call[4] for call in calls),
        usd=usd,
        calls=sum(call[1] for call in calls),
    )


def _timed(store: Store) -> dict[tuple[str, str], tuple[int, float]]:
    """Seconds that events name in their detail, by kind and arm (or what their checkpoint belongs to)."""
    timed: dict[tuple[str, str], tuple[int, float]] = {}
    for kind, arm, detail in store.query("SELECT kind, arm, detail FROM event ORDER BY id"):
        found = json.loads(detail)
        seconds, owner = found.get("seconds"), unmarked(arm or str(found.get("checkpoint") or "").partition("/")[0])
        if isinstance(seconds, (int, float)):
            count, total = timed.get((kind, owner), (0, 0.0))
            timed[kind, owner] = count + 1, total + seconds
    return timed


def tested(checkpoint: str) -> str:
    """The id that has a checkpoint's test samples: the base is measured once for all replicates."""
    return BASE if unmarked(checkpoint) == BASE else checkpoint


def base_of(checkpoint: Checkpoint) -> str:
    """The checkpoint whose samples it was trained on; the base where a run does not say."""
    return checkpoint.sampled_from or BASE
