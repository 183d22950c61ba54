"""A run, and the stage that all its parts are made of: samples of a checkpoint are drawn, and verifiers verify them.

Takes a suite and what belongs to it; gives rows of samples and verdicts. It does not depend on how a policy is trained
or in which order stages come.

Verdicts are made beside the run (verification.py), a part of the samples at a time as soon as it is drawn. So sampling
and verifying together take as long as the longer of the two.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections import deque
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence

from restem.benchmarks.problem import Problem
from restem.harness.arms import ArmSettings
from restem.harness.config import Suite
from restem.harness.loop.draw import Drawn, draw
from restem.harness.loop.first_samples import add_solutions
from restem.harness.loop.learner import Learner, Source
from restem.harness.loop.verification import Verification, parts_of
from restem.harness.names import BASE, POLICY, REFERENCES, unmarked
from restem.harness.outside.any_policy import AnyPolicy
from restem.harness.progress import RunProgress
from restem.harness.sampling.engine import Sampler
from restem.harness.store.store import Store
from restem.verifiers.verdict import Verifier


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
    """The suite of a run with its store, base policy, verifiers, progress display, and what trains and draws.

    Attributes:
        suite: With an arm for every replicate (`Suite.replicated`).
        verification: Every verifier of the suite by its name, and `steps` where the benchmark checks steps.
        learner: What trains.
        sampler: What draws samples.
        asking: Names of the verifiers that ask a judge: on further test sets they are not used.
        sources: The policies whose samples first iterations train on, by the `source` of their arms.
        solutions: Id of a training problem -> its worked solution, where an arm trains on these.
        until_base: Whether to stop where training would begin.
    """

    suite: Suite
    store: Store
    base: AnyPolicy
    verification: Verification
    progress: RunProgress
    learner: Learner
    sampler: Sampler
    asking: Collection[str] = ()
    sources: Mapping[str, AnyPolicy] = dataclasses.field(default_factory=dict)
    solutions: Mapping[str, str] = dataclasses.field(default_factory=dict)
    until_base: bool = False

    @property
    def verifiers(self) -> Mapping[str, Verifier]:
        return self.verification.verifiers

    def problems(self, split: str) -> list[Problem]:
        return self.store.problems(split)


def base_of(run: Run) -> Source:
    """The base, where a policy that may have to be loaded is expected."""
    return lambda: run.base


def first_of(run: Run, settings: ArmSettings) -> Source | None:
    """What an arm's first samples are drawn from; None: they are worked solutions."""
    if settings.source == REFERENCES:
        return None
    return base_of(run) if settings.source == POLICY else lambda: run.sources[settings.source]


def draw_and_verify(
    run: Run,
    checkpoint: str,
    policy: Source | None,
    split: str,
    verifiers: Sequence[str],
    label: str,
    drawn: ArmSettings | None = None,
    used: ArmSettings | None = None,
) -> None:
    """Stores a checkpoint's samples on a split, and begins with the named verifiers' verdicts, where they are missing.

    Args:
        run: The run.
        checkpoint: The checkpoint's id.
        policy: Its policy; None: its samples are worked solutions.
        split: The split.
        verifiers: Names of verifiers.
        label: What this is a part of, for people.
        drawn: On the training split: how many problems are sampled, and how.
        used: Which of these samples an arm trains on, the first ones: no others are verified. None: all are.
    """
    sampling, problems = run.suite.sampling.of_tests, run.problems(split)
    samples = sampling.test_samples
    if split == "validation":
        sampling, samples = run.suite.sampling, sampling.validation_samples
    if drawn:
        sampling, problems, samples = drawn.sampling, problems[: drawn.problems], drawn.sampling.train_samples
    run.progress.stage(f"{label}: sampling {split}")
    advance, tokenizer = run.progress.advance, run.base.tokenizer
    if policy is None:
        new = add_solutions(run.store, checkpoint, problems, run.solutions, tokenizer, advance)
        drawing = iter([Drawn(problems=[problem.id for problem in problems], new=new)])
    else:
        foreign = drawn is not None and drawn.first == checkpoint and drawn.source != POLICY
        reader, seed = tokenizer if foreign else None, run.suite.seed
        drawing = draw(run.store, policy, checkpoint, problems, samples, sampling, seed, advance, run.sampler, reader)
    drawing = _counted(run, drawing, checkpoint, split, len(problems) * samples)
    if used:
        problems, samples = problems[: used.problems], used.sampling.train_samples
    verification, most = run.verification, samples if used else None
    at_once = [name for name in verifiers if name in verification.whole]
    in_parts = [name for name in verifiers if name not in at_once]
    stored: set[str] = set()
    parts = deque(parts_of(problems, samples))
    with contextlib.closing(drawing):
        for part in drawing:
            stored |= set(part.problems)
            while parts and stored.issuperset(problem.id for problem in parts[0]):
                verification.begin(checkpoint, split, parts.popleft(), in_parts, samples, most)
    for name in at_once:
        verification.begin(checkpoint, split, problems, [name], samples, most)


def _counted(
    run: Run, drawing: Iterator[Drawn], checkpoint: str, split: str, planned: int
) -> Generator[Drawn, None, None]:
    """The same, and logs and counts what was drawn when it ends."""
    started, new = time.monotonic(), 0
    for part in drawing:
        new += part.new
        yield part
    seconds = time.monotonic() - started
    if new:
        run.store.log("sampled", checkpoint=checkpoint, split=split, samples=new, seconds=seconds)
    if new or split != "train" or unmarked(checkpoint) != BASE:  # the base's are planned once for all arms
        run.progress.finished(f"sampling {split.partition(':')[0]}", planned, fresh=new, seconds=seconds)
