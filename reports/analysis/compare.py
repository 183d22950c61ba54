"""Two runs on the same problems, checkpoint by checkpoint: the differences and their tests.

Takes two run folders; gives a RunComparison of numbers and codes. Runs that do not measure the same thing are refused;
of two runs of one resolved suite it says that they are, as their differences are chance. The first run is A (left), the
second B (right); a difference is A minus B. Holds no English, and does not depend on tables or pages.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from restem.harness.errors import ConfigError
from restem.harness.names import BASE
from restem.harness.sampling_settings import SAMPLING_SETTINGS, SPEED
from restem.harness.store.store import UNANSWERED, Store
from restem.reports.analysis.comparability import NotComparable, mismatches
from restem.reports.analysis.contest import MARGIN, Contest, contest_of, corrected
from restem.reports.analysis.findings import TEST, Findings, Standing, confusion, find
from restem.reports.analysis.ranking import FULL_COVERAGE
from restem.reports.data.imported import as_arms, only
from restem.reports.data.read import read_run
from restem.reports.data.run import Run
from restem.reports.stats.reward_quality import RewardQuality, reward_quality

# Facts that say nothing of how a run was made, or that are compared elsewhere.
CHANGING = ("finished", "seconds", "verifiers")
PREFIXES = ("imported", UNANSWERED)  # of the facts about imported files and about requests without a reply

# Settings of a suite that change no result but by the rounding of floating-point sums.
SAME_RECIPE = ("name", "seed", "mesh")

Place = tuple[str, int]  # arm ("" for the base) and iteration


class Rerun(enum.StrEnum):
    """How two runs of one resolved suite differ: what is compared then is no recipe but chance."""

    SAME_SEED = "same_seed"
    """Machine, library versions or the version of this project alone may differ."""
    OTHER_SEED = "other_seed"


class NoteCode(enum.StrEnum):
    """What to know beside the figures of a comparison."""

    SAMPLE_COUNTS = "sample_counts"
    """The runs have different numbers of test samples a problem."""
    ARM_VERIFIER = "arm_verifier"
    """An arm of one name was trained on two verifiers, and is left out."""
    CHOSEN_ARM_VERIFIER = "chosen_arm_verifier"
    """The same where its checkpoints were chosen, and so are compared."""
    ONLY_LEFT = "only_left"
    """Checkpoints that the first run alone has."""
    ONLY_RIGHT = "only_right"
    UNDECIDED_LEFT = "undecided_left"
    """The gold left samples of the first run undecided."""
    UNDECIDED_RIGHT = "undecided_right"
    OTHER_PROBLEMS = "other_problems"
    """Problems that one of two imported runs alone has, and that are left out."""
    VERIFIER = "verifier"
    """A verifier of one name is two verifiers, and is left out of reward quality."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Note:
    """One thing to know beside the figures.

    Attributes:
        names: Arm, verifier or checkpoints.
        left: Number of samples, fingerprint or undecided share in the first run.
        right: The same in the second.
    """

    code: NoteCode
    names: tuple[str, ...] = ()
    left: int | float | str | None = None
    right: int | float | str | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class CheckpointPair:
    """A checkpoint of each run; `contest` is A minus B, corrected for all pairs."""

    left: Standing
    right: Standing
    contest: Contest

    @property
    def names(self) -> tuple[str, str]:
        return _name(self.left), _name(self.right)


def _name(standing: Standing) -> str:
    """`base` or `ARM/ITERATION`; all replicates of an arm are one."""
    return f"{standing.arm.name}/{standing.iteration}" if standing.arm else BASE


@dataclasses.dataclass(frozen=True, kw_only=True)
class SharedVerifier:
    """The quality of one verifier on the samples of both checkpoints of a pair."""

    verifier: str
    pair: CheckpointPair
    left: RewardQuality
    right: RewardQuality


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunComparison:
    """All that the pages, the screen and the data show.

    Attributes:
        names: Of the run folders, A's and B's.
        rerun: Set where both are runs of one resolved suite: no difference then says that either is better.
        notes: What to know beside the figures: what was left out, and what differs though it may.
        settings: (setting, in A, in B) of those that differ.
        imported: Whether the runs are other programs' rollouts.
    """

    names: tuple[str, str]
    rerun: Rerun | None
    pairs: tuple[CheckpointPair, ...]
    quality: tuple[SharedVerifier, ...]
    notes: tuple[Note, ...]
    settings: tuple[tuple[str, Any, Any], ...]
    imported: bool = False


def compare(left: Path, right: Path, *, chosen: tuple[str, str] | None = None, margin: float = MARGIN) -> RunComparison:
    """The comparison of run A (`left`) and run B (`right`).

    Args:
        chosen: One checkpoint of each, `base` or `ARM/ITERATION`; where None, all that both runs have, of arms that
            one and the same verifier trained: another one of that name is another experiment.
        margin: Difference in accuracy, as a share, below which two checkpoints count as equal.

    Raises:
        NotComparable: The runs do not measure the same thing.
        ConfigError: A folder holds no run, or a checkpoint is not there.
    """
    runs = _read(left), _read(right)
    common = _shared_problems(*runs) if all(run.imported for run in runs) else None
    a, b = (find(only(run, common) if common else run, brief=True) for run in runs)
    if differing := mismatches(a.run, b.run):
        raise NotComparable(left, right, differing)
    places = [(_place(a, chosen[0], left), _place(b, chosen[1], right))] if chosen else _common(a, b)
    if not places:
        raise ConfigError(f"{left} and {right} have no checkpoint in common that both golds have judged")
    pairs = _pairs([(a.standings[x], b.standings[y]) for x, y in places], _order(a.run, b.run), margin)
    shared, apart = _verifiers(a.run, b.run)
    quality = tuple(
        SharedVerifier(
            verifier=name,
            pair=pair,
            left=_quality(a.run, pair.left, name),
            right=_quality(b.run, pair.right, other),
        )
        for name, other in shared
        for pair in pairs
    )
    return RunComparison(
        names=(left.resolve().name, right.resolve().name),
        rerun=None if chosen and chosen[0] != chosen[1] else _rerun(a.run, b.run),
        pairs=pairs,
        quality=tuple(item for item in quality if item.left.n and item.right.n),
        notes=(*_left_out(runs, common), *_notes(a, b, bool(chosen)), *apart),
        settings=tuple(_settings(a.run, b.run)),
        imported=a.run.imported,
    )


def _quality(run: Run, standing: Standing, verifier: str) -> RewardQuality:
    """A verifier against the gold on the checkpoint's test samples, those of all its replicates."""
    rows = [run.rows(part.checkpoint, TEST) for part in standing.replicates or (standing,)]
    return reward_quality(confusion(run, np.concatenate(rows), TEST, verifier))


def _read(folder: Path) -> Run:
    with Store(folder) as store:
        run = read_run(store, brief=True)
    return as_arms(run) if run.imported else run


def _shared_problems(a: Run, b: Run) -> set[str]:
    """The problems that both imported runs have: two trainings seldom sample the same ones."""
    return {p.id for p in a.problems[TEST]} & {p.id for p in b.problems[TEST]}


def _left_out(runs: Sequence[Run], common: set[str] | None) -> Iterator[Note]:
    """A note on the problems that one of the imported runs alone has."""
    alone = [len(run.problems[TEST]) - len(common) for run in runs] if common else []
    if any(alone):
        yield Note(code=NoteCode.OTHER_PROBLEMS, left=alone[0], right=alone[1])


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
    counted = findings.standings.items()
    return [(arm, i) for (arm, i), s in counted if (i or not arm or findings.run.imported) and s.accuracy.n]


def _common(a: Findings, b: Findings) -> list[tuple[Place, Place]]:
    theirs, apart = set(_measured_places(b)), {arm for arm, *_ in _trained_apart(a.run, b.run)}
    return [(place, place) for place in _measured_places(a) if place in theirs and place[0] not in apart]


def _trained_apart(a: Run, b: Run) -> list[tuple[str, str, str]]:
    """Arms of one name that two verifiers trained: arm, fingerprint in A, fingerprint in B."""
    ours, theirs = ({arm.name: run.fingerprints.get(arm.verifier, arm.verifier) for arm in run.arms} for run in (a, b))
    return [(arm, ours[arm], theirs[arm]) for arm in ours if arm in theirs and ours[arm] != theirs[arm]]


def _rerun(a: Run, b: Run) -> Rerun | None:
    """Whether both trained one base policy by one resolved suite, with the same verifiers."""
    same = _recipe(a) == _recipe(b) and (a.base_hashes[0] in b.base_hashes or b.base_hashes[0] in a.base_hashes)
    if a.imported or not a.arms or not same or _trained_apart(a, b):
        return None
    return Rerun.SAME_SEED if a.suite.get("seed") == b.suite.get("seed") else Rerun.OTHER_SEED


def _recipe(run: Run) -> dict[str, Any]:
    """The settings that decide what a run gives, but for its seed."""
    sampling = run.suite.get("sampling") or {}
    kept = {key: value for key, value in sampling.items() if SAMPLING_SETTINGS.get(key) != SPEED}
    return {key: value for key, value in run.suite.items() if key not in SAME_RECIPE} | {"sampling": kept}


def _order(a: Run, b: Run) -> list[int]:
    """For each of A's test problems its position in B."""
    position = {p.id: i for i, p in enumerate(b.problems[TEST])}
    return [position[p.id] for p in a.problems[TEST]]


def _pairs(
    standings: Sequence[tuple[Standing, Standing]], order: Sequence[int], margin: float
) -> tuple[CheckpointPair, ...]:
    """The pairs that have a problem in common, as one family of tests."""
    tested = [
        (left, right, contest)
        for left, right in standings
        if (contest := contest_of(left, right, margin=margin, names=("A", "B"), order=order))
    ]
    contests = corrected([contest for *_, contest in tested])
    return tuple(
        CheckpointPair(left=left, right=right, contest=contest)
        for (left, right, _), contest in zip(tested, contests, strict=True)
    )


def _verifiers(a: Run, b: Run) -> tuple[list[tuple[str, str]], list[Note]]:
    """Names in A and B of the verifiers that both have, and a note for each name that two verifiers share."""
    names = {fingerprint: name for name, fingerprint in b.fingerprints.items()}
    shared: list[tuple[str, str]] = []
    notes: list[Note] = []
    for name in a.compared:
        fingerprint = a.fingerprints[name]
        if fingerprint in names:
            shared.append((name, names[fingerprint]))
        elif name in b.fingerprints:
            notes.append(Note(code=NoteCode.VERIFIER, names=(name,), left=fingerprint, right=b.fingerprints[name]))
    return shared, notes


def _notes(a: Findings, b: Findings, chosen: bool) -> Iterator[Note]:
    ours, theirs = (int((f.run.suite.get("sampling") or {}).get("test_samples", 1)) for f in (a, b))
    if ours != theirs:
        yield Note(code=NoteCode.SAMPLE_COUNTS, left=ours, right=theirs)
    for arm, left, right in _trained_apart(a.run, b.run):
        code = NoteCode.CHOSEN_ARM_VERIFIER if chosen else NoteCode.ARM_VERIFIER
        yield Note(code=code, names=(arm,), left=left, right=right)
    places = _measured_places(a), _measured_places(b)
    for code, here, other in ((NoteCode.ONLY_LEFT, *places), (NoteCode.ONLY_RIGHT, *reversed(places))):
        alone = tuple(f"{arm}/{i}" if arm else BASE for arm, i in here if (arm, i) not in other)
        if alone and not chosen:
            yield Note(code=code, names=alone)
    lowest = [min((f.standings[place].coverage for place in _measured_places(f)), default=1.0) for f in (a, b)]
    if lowest[0] < FULL_COVERAGE:
        yield Note(code=NoteCode.UNDECIDED_LEFT, left=1 - lowest[0])
    if lowest[1] < FULL_COVERAGE:
        yield Note(code=NoteCode.UNDECIDED_RIGHT, right=1 - lowest[1])


def _settings(a: Run, b: Run) -> Iterator[tuple[str, Any, Any]]:
    """What the runs were made with, where it differs; None where one has no such setting."""
    ours, theirs = (dict(_flat(_plain(run))) for run in (a, b))
    for key in sorted(ours.keys() | theirs.keys()):
        if ours.get(key) != theirs.get(key):
            yield key, ours.get(key), theirs.get(key)


def _plain(run: Run) -> dict[str, Any]:
    """The facts, with verifiers and arms by their names."""
    facts = {key: value for key, value in run.facts.items() if key not in CHANGING and not key.startswith(PREFIXES)}
    arms = {entry["name"]: entry for entry in run.suite.get("arms", ())}
    suite = {key: value for key, value in run.suite.items() if key != "arms"}
    return facts | {"suite": suite, "arm": arms, "verifier": run.fingerprints}


def _flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _flat(item, f"{path}.{key}" if path else str(key))
    else:
        yield path, value


def differing(comparison: RunComparison) -> tuple[CheckpointPair, ...]:
    """The pairs of checkpoints of which a difference is shown, after correction for all pairs."""
    return tuple(pair for pair in comparison.pairs if pair.contest.decided)
