"""What the first iterations of a suite's arms train on, where that is not samples of the base: found before any work.

Takes a suite and its problems; gives worked solutions and loaded policies, or one error that names the arm. The loop
stores them as samples (harness/loop/first_samples.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from restem.benchmarks.problem import Problem
from restem.harness.app.lengths import check_lengths
from restem.harness.app.policies import check_policy
from restem.harness.config import Suite
from restem.harness.errors import ConfigError
from restem.harness.names import CHECKPOINT, REFERENCES
from restem.harness.store.store import Store
from restem.verifiers import catalog

if TYPE_CHECKING:
    from restem.harness.outside.any_policy import AnyPolicy

FACT = "sources"  # the fact of run.db that holds the hashes of the policies, by source


def sources_of(suite: Suite) -> Iterator[tuple[str, str, str]]:
    """The key, the source, and the policy's name of every arm that begins with samples of another policy."""
    for number, arm in enumerate(suite.arms):
        if arm.source.startswith(CHECKPOINT):
            yield f"arms.{number}.source", arm.source, arm.source.removeprefix(CHECKPOINT)


def check_sources(suite: Suite) -> None:
    """Checks that every policy whose samples an arm begins with is there; loads none.

    Raises:
        ConfigError: Naming the arm.
    """
    for key, _, name in sources_of(suite):
        try:
            check_policy(name)
        except ConfigError as error:
            raise ConfigError(f"{key}: {error}") from None


def worked_solutions(suite: Suite, problems: Mapping[str, Sequence[Problem]]) -> dict[str, str]:
    """Id of a training problem -> its worked solution; empty where no arm trains on these.

    Raises:
        ConfigError: An arm does, and no training problem has one.
    """
    used = {
        number: suite.settings_of(arm).problems for number, arm in enumerate(suite.arms) if arm.source == REFERENCES
    }
    solution = suite.benchmark.definition.solution
    texts = {problem.id: solution(problem) for problem in problems["train"]} if solution and used else {}
    solutions = {id: text for id, text in texts.items() if text is not None}
    for number, most in used.items():
        if not any(problem.id in solutions for problem in problems["train"][:most]):
            raise ConfigError(
                f"arms.{number}.source: found {REFERENCES!r}, expected training problems with worked solutions, which "
                f"{suite.benchmark.name!r} has not: docs/benchmarks.md lists those that have, and the columns of a file"
            )
    return solutions


def check_whole_problems(suite: Suite, built: catalog.Built) -> None:
    """Checks that a verifier which looks at all samples of a problem sees those that its arm trains on, and no others.

    Args:
        suite: The suite.
        built: The foreign verifiers.

    Raises:
        ConfigError: Naming the arm.
    """
    for number, arm in enumerate(suite.arms):
        settings = suite.settings_of(arm)
        samples, drawn = settings.sampling.train_samples, suite.first_draws(settings.first).sampling.train_samples
        for verifier in (arm.verifier, suite.gold):
            if not catalog.looks_at_whole_problems(verifier, suite.verifiers, built):
                continue
            if arm.source == REFERENCES:
                raise ConfigError(
                    f"arms.{number}.source: found {REFERENCES!r}, which has one solution a problem; expected another "
                    f"verifier than {verifier!r}, which compares several"
                )
            if samples < drawn:
                raise ConfigError(
                    f"arms.{number}.samples: found {samples}, expected {drawn}, which other arms draw from the same "
                    f"base: {verifier!r} looks at all of them; run this arm in a suite of its own"
                )


def check_room(suite: Suite, train: Sequence[Problem], policy: AnyPolicy) -> None:
    """Checks that a policy whose samples an arm begins with has room for the training problems.

    Raises:
        ConfigError: It has not.
    """
    lengths = [len(policy.tokenizer.encode_prompt(problem.question)) for problem in train]
    # Not as the split `train`: no packed row of training holds this policy's own prompt.
    check_lengths(suite, {"training": train}, {"training": lengths}, policy.context_length)


def check_stored_sources(store: Store, hashes: Mapping[str, str]) -> None:
    """Checks that the policies are those that the folder's run began with.

    Raises:
        ConfigError: Naming the first that is another.
    """
    known = store.run().get(FACT) or {}
    for source, now in hashes.items():
        if known.get(source) not in (None, now):
            raise ConfigError(
                f"{store.folder}: this run began with another policy as {source!r}: {known[source]} now {now}"
            )
