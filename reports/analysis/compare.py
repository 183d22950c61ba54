"""Two runs on the same problems, checkpoint against checkpoint: what differs, and whether it can be told from chance.

Takes two run folders; gives a Comparison. Runs that do not measure the same thing are refused with all that differs.
The first run is A, the second B; a difference is A minus B. Knows nothing of pages.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from restem.harness.errors import ConfigError
from restem.harness.names import BASE, measuring_settings
from restem.harness.store.store import Store
from restem.reports.analysis.findings import TEST, Findings, Standing, confusion, find
from restem.reports.analysis.ranking import ALPHA, FULL_COVERAGE, MARGIN, Contest, with_seeds
from restem.reports.data.read import read_run
from restem.reports.data.run import Run
from restem.reports.stats import estimates
from restem.reports.stats.estimates import Counts
from restem.reports.stats.paired_tests import equivalence, problem_flips, single
from restem.reports.stats.reward_quality import RewardQuality, reward_quality

CHANGING = ("finished", "seconds", "verifiers")  # facts that say nothing of how a run was made, or are told elsewhere
MOST_NAMED = 3

Place = tuple[str, int]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pair:
    """A checkpoint of each run; `contest` is A minus B, corrected for all pairs."""

    left: Standing
    right: Standing
    contest: Contest

    @property
    def names(self) -> tuple[str, str]:
        return _name(self.left), _name(self.right)

    @property
    def title(self) -> str:
        ours, theirs = self.names
        return ours if ours == theirs else f"{ours} against {theirs}"


def _name(standing: Standing) -> str:
    """`base` or `ARM/ITERATION`; all replicates of an arm are one."""
    return f"{standing.arm.name}/{standing.iteration}" if standing.arm else BASE


@dataclasses.dataclass(frozen=True, kw_only=True)
class Twice:
    """One verifier on the samples of both checkpoints of a pair."""

    verifier: str
    pair: Pair
    left: RewardQuality
    right: RewardQuality


@dataclasses.dataclass(frozen=True, kw_only=True)
class Comparison:
    """All that the pages, the screen and the data show.

    Attributes:
        names: Of the run folders, A's and B's.
        notes: What to know beside the figures: what was left out, and what differs though it may.
        settings: (setting, in A, in B) of those that differ.
    """

    names: tuple[str, str]
    pairs: tuple[Pair, ...]
    quality: tuple[Twice, ...]
    notes: tuple[str, ...]
    settings: tuple[tuple[str, Any, Any], ...]


def compare(left: Path, right: Path, *, chosen: tuple[str, str] | None = None, margin: float = MARGIN) -> Comparison:
    """The comparison of run A (`left`) and run B (`right`).

    Args:
        chosen: One checkpoint of each, `base` or `ARM/ITERATION`; where None, all that both runs have, of arms that
            one and the same verifier trained: another one of that name is another experiment.
        margin: Difference in accuracy, as a share, below which two checkpoints count as equal.

    Raises:
        ConfigError: A folder holds no run, the runs do not measure the same thing, or a checkpoint is not there.
    """
    a, b = _read(left), _read(right)
    if reasons := [*_other_problems(a.run, b.run), *_other_measure(a.run, b.run)]:
        raise ConfigError(f"{left} and {right} cannot be compared:\n" + "\n".join(f"  {reason}" for reason in reasons))
    places = [(_place(a, chosen[0], left), _place(b, chosen[1], right))] if chosen else _common(a, b)
    if not places:
        raise ConfigError(f"{left} and {right} have no checkpoint in common that both golds have judged")
    pairs = _pairs([(a.standings[x], b.standings[y]) for x, y in places], _order(a.run, b.run), margin)
    shared, apart = _verifiers(a.run, b.run)
    quality = tuple(
        Twice(
            verifier=name,
            pair=pair,
            left=_quality(a.run, pair.left, name),
            right=_quality(b.run, pair.right, other),
        )
        for name, other in shared
        for pair in pairs
    )
    return Comparison(
        names=(left.resolve().name, right.resolve().name),
        pairs=pairs,
        quality=tuple(item for item in quality if item.left.n and item.right.n),
        notes=(*_notes(a, b, bool(chosen)), *apart),
        settings=tuple(_settings(a.run, b.run)),
    )


def _quality(run: Run, standing: Standing, verifier: str) -> RewardQuality:
    """A verifier against the gold on the checkpoint's test samples, those of all its replicates."""
    own = [run.rows(found.checkpoint, TEST) for found in standing.replicates or (standing,)]
    return reward_quality(confusion(run, np.concatenate(own), TEST, verifier))


def _read(folder: Path) -> Findings:
    with Store(folder) as store:
        return find(read_run(store, brief=True), brief=True)


# what is not comparable


def _other_problems(a: Run, b: Run) -> list[str]:
    """How the test problems differ; empty where they are the same, in whatever order."""
    ours, theirs = ({p.id: (p.question, p.reference) for p in run.problems.get(TEST, ())} for run in (a, b))
    if not ours or not theirs:
        return [f"{name} has no test problems" for name, found in (("A", ours), ("B", theirs)) if not found]
    both = ours.keys() & theirs.keys()
    cases = (
        ("test problems stand only in A", sorted(ours.keys() - both)),
        ("test problems stand only in B", sorted(theirs.keys() - both)),
        ("test problems have another question", sorted(id for id in both if ours[id][0] != theirs[id][0])),
        ("test problems have another reference answer", sorted(id for id in both if ours[id][1] != theirs[id][1])),
    )
    return [f"{len(ids)} {words}: {_some(ids)}" for words, ids in cases if ids]


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:MOST_NAMED]) + (", ..." if len(names) > MOST_NAMED else "")


def _other_measure(a: Run, b: Run) -> list[str]:
    """Another gold, or sampling that makes accuracy another quantity."""
    reasons: list[str] = []
    gold = [run.fingerprints.get(run.gold) for run in (a, b)]
    if gold[0] != gold[1]:
        reasons.append(f"the gold verifier is {gold[0]} in A, {gold[1]} in B")
    left, right = (measuring_settings(run.suite.get("sampling") or {}) for run in (a, b))
    differing = [key for key in left if left[key] != right[key]]
    return reasons + [f"sampling.{key} is {left[key]} in A, {right[key]} in B" for key in differing]


# what is compared


def _place(findings: Findings, name: str, folder: Path) -> Place:
    """The key in `standings` of `base` or `ARM/ITERATION`."""
    arm, _, iteration = name.rpartition("/")
    place = ("", 0) if name == BASE else (arm, int(iteration)) if iteration.isdecimal() else (name, -1)
    known = _measured_places(findings)
    if place not in known:
        there = ", ".join(_name(findings.standings[place]) for place in known) or "none"
        raise ConfigError(f"{folder}: no checkpoint {name!r} with gold verdicts on test samples (there are: {there})")
    return place


def _measured_places(findings: Findings) -> list[Place]:
    """The base by itself, then arm by arm."""
    return [(arm, i) for (arm, i), standing in findings.standings.items() if (i or not arm) and standing.accuracy.n]


def _common(a: Findings, b: Findings) -> list[tuple[Place, Place]]:
    theirs, apart = set(_measured_places(b)), {arm for arm, *_ in _trained_apart(a.run, b.run)}
    return [(place, place) for place in _measured_places(a) if place in theirs and place[0] not in apart]


def _trained_apart(a: Run, b: Run) -> list[tuple[str, str, str]]:
    """Arms of one name that two verifiers trained: arm, fingerprint in A, fingerprint in B."""
    ours, theirs = ({arm.name: run.fingerprints.get(arm.verifier, arm.verifier) for arm in run.arms} for run in (a, b))
    return [(arm, ours[arm], theirs[arm]) for arm in ours if arm in theirs and ours[arm] != theirs[arm]]


def _order(a: Run, b: Run) -> list[int]:
    """For each of A's test problems its position in B."""
    position = {p.id: i for i, p in enumerate(b.problems[TEST])}
    return [position[p.id] for p in a.problems[TEST]]


def _pairs(standings: Sequence[tuple[Standing, Standing]], order: Sequence[int], margin: float) -> tuple[Pair, ...]:
    """The pairs that have a problem in common, as one family of tests."""
    found: list[Pair] = []
    for left, right in standings:
        theirs = Counts(*(np.asarray(column)[order] for column in right.counts))
        if contest := contest_of(left.counts, theirs, margin):
            found.append(Pair(left=left, right=right, contest=with_seeds(contest, left, right)))
    adjusted = estimates.holm([pair.contest.p_value for pair in found])
    return tuple(
        dataclasses.replace(pair, contest=dataclasses.replace(pair.contest, adjusted_p=p))
        for pair, p in zip(found, adjusted, strict=True)
    )


def contest_of(left: Counts, right: Counts, margin: float) -> Contest | None:
    """A against B over the same problems in the same order, before any correction; None without a common problem.

    The p-value is that of a paired t test over problems; with one sample a problem, of McNemar's exact test.
    """
    difference = estimates.paired(left, right)
    if difference is None:
        return None
    flips = problem_flips(left, right)
    p_value = flips.p_value if single(left, right) else difference.p_value
    return Contest(
        left="A",
        right="B",
        difference=difference,
        flips=flips,
        equivalence=equivalence(difference, margin),
        p_value=p_value,
        adjusted_p=p_value,
    )


def _verifiers(a: Run, b: Run) -> tuple[list[tuple[str, str]], list[str]]:
    """Names in A and B of the verifiers that both have, and what is to be said of the others."""
    names = {fingerprint: name for name, fingerprint in b.fingerprints.items()}
    shared: list[tuple[str, str]] = []
    notes: list[str] = []
    for name in a.compared:
        fingerprint = a.fingerprints[name]
        if fingerprint in names:
            shared.append((name, names[fingerprint]))
        elif name in b.fingerprints:
            notes.append(
                f"Reward quality leaves out {name}: it is {fingerprint} in A and {b.fingerprints[name]} in B, "
                "two verifiers of one name."
            )
    return shared, notes


# what to know beside the figures


def _notes(a: Findings, b: Findings, chosen: bool) -> Iterator[str]:
    ours, theirs = (int((f.run.suite.get("sampling") or {}).get("test_samples", 1)) for f in (a, b))
    if ours != theirs:
        yield f"A has {ours} and B {theirs} samples a problem: each problem's share of correct samples is compared."
    for arm, left, right in _trained_apart(a.run, b.run):
        left_out = "" if chosen else " It is not compared; --left and --right choose its checkpoints all the same."
        yield f"Arm {arm} was trained on {left} in A and on {right} in B.{left_out}"
    places = _measured_places(a), _measured_places(b)
    for letter, own, other in (("A", *places), ("B", *reversed(places))):
        alone = [f"{arm}/{i}" if arm else BASE for arm, i in own if (arm, i) not in other]
        if alone and not chosen:
            yield f"Only in {letter}, so not compared: {', '.join(alone)}."
    for letter, findings in (("A", a), ("B", b)):
        low = min((findings.standings[place].coverage for place in _measured_places(findings)), default=1.0)
        if low < FULL_COVERAGE:
            yield f"In {letter} the gold left up to {100 * (1 - low):.1f} % of a checkpoint's samples undecided."


def _settings(a: Run, b: Run) -> Iterator[tuple[str, Any, Any]]:
    """What the runs were made with, where it differs; None where one has no such setting."""
    ours, theirs = (dict(_flat(_plain(run))) for run in (a, b))
    for key in sorted(ours.keys() | theirs.keys()):
        if ours.get(key) != theirs.get(key):
            yield key, ours.get(key), theirs.get(key)


def _plain(run: Run) -> dict[str, Any]:
    """The facts, with verifiers and arms by their names."""
    facts = {key: value for key, value in run.facts.items() if key not in CHANGING}
    arms = {entry["name"]: entry for entry in run.suite.get("arms", ())}
    suite = {key: value for key, value in run.suite.items() if key != "arms"}
    return facts | {"suite": suite, "arm": arms, "verifier": run.fingerprints}


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _flat(item, f"{path}.{key}" if path else str(key))
    else:
        yield path, value


def answer(comparison: Comparison) -> list[str]:
    """The sentences on top; the first one alone is an answer."""
    contests = [pair.contest for pair in comparison.pairs]
    detectable = [100 * contest.claim.detectable for contest in contests]
    span = f"{min(detectable):.1f}" if len(detectable) == 1 else f"{min(detectable):.1f} to {max(detectable):.1f}"
    found = [pair for pair in comparison.pairs if pair.contest.adjusted_p < ALPHA]
    if not found:
        of = "" if len(contests) == 1 else f" in any of {len(contests)} comparisons"
        equal = sum(contest.equal for contest in contests)
        margin = 100 * contests[0].equivalence.margin
        also = f" {equal} of {len(contests)} equal within {margin:g} points." if equal else ""
        return [f"No difference detectable{of}; minimum detectable effect {span} points.{also}"]
    told = [f"{pair.contest.verdict} at {pair.title}" for pair in found]
    return [
        f"{'; '.join(told)}.",
        f"Told apart: {len(found)} of {len(contests)}; minimum detectable effect {span} points.",
    ]
