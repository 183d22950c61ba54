"""What `restem run` does: puts the four packages together, checks the whole suite, then runs it.

Takes a suite and a run folder; gives rows in run.db. Nothing is written before everything that the suite
names is known to exist, so a refused command changes no file.
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from restem.benchmarks.catalog import step_check
from restem.benchmarks.probes import make_probes
from restem.benchmarks.problem import Problem
from restem.harness.app.arm_sources import FACT, check_stored_sources, check_whole_problems, worked_solutions
from restem.harness.app.base_policy import check_base, check_base_policy, learner_of, load_base, load_sources
from restem.harness.app.engine_sampler import sampler_of
from restem.harness.app.judges import Options, add_judges, check_models, judge_facts, judge_options
from restem.harness.app.lengths import check_lengths
from restem.harness.app.policies import is_outside
from restem.harness.app.problem_file import file_facts
from restem.harness.app.references import check_references, unread_facts
from restem.harness.app.resume import changes, check_fingerprints, check_same, has_begun, is_longer, store_settings
from restem.harness.app.suite_check import suite_problems
from restem.harness.app.verify import check_verifiers
from restem.harness.config import Suite, to_toml
from restem.harness.errors import NoRun
from restem.harness.files import write_whole
from restem.harness.loop import planned_work, rest_em
from restem.harness.loop.stage import Run
from restem.harness.loop.steps_verifier import StepsVerifier
from restem.harness.loop.verification import Verification
from restem.harness.names import TESTS
from restem.harness.outside.any_policy import AnyPolicy
from restem.harness.outside.policy import OutsidePolicy
from restem.harness.progress import RunProgress
from restem.harness.store.provenance import log_process, provenance
from restem.harness.store.store import Store
from restem.verifiers import catalog
from restem.verifiers.verdict import Verifier

if TYPE_CHECKING:
    from restem.harness.distributed.hosts import Hosts


def run_suite(suite: Suite, folder: Path, quiet: bool, *, until_base: bool = False, hosts: Hosts | None = None) -> None:
    """Runs a suite to its end; a run that was stopped is resumed.

    Args:
        suite: The suite.
        folder: The run folder.
        quiet: Whether to show no progress.
        hosts: The hosts that sample and train, with this one as leader; None: this one alone, or none where the policy
            is an outside one.
        until_base: Whether to stop before any training. The base is then sampled, and verified by every verifier, on
            the training split too, because a plan needs these verdicts.

    Raises:
        ConfigError: Something the suite names is wrong or missing, the gold cannot read all references, or the folder
            holds a run of another suite.
    """
    built = check_verifiers(suite.verifier_names, suite.verifiers)
    problems = suite_problems(suite)
    unread = check_references(suite, problems, built, begun=has_begun(folder))
    if unread and not quiet:
        total = sum(map(len, problems.values()))
        print(f"gold: {suite.gold} cannot read the references of {len(unread)} of {total} problems", file=sys.stderr)
    check_whole_problems(suite, built)
    solutions = worked_solutions(suite, problems)
    if not is_outside(suite.policy):
        hosts = prepared(suite, hosts)
    unprompted = suite
    suite, base = load_base(suite, hosts)
    whole = suite.replicated([name for name in suite.verifier_names if catalog.takes(name, "seed", suite.verifiers)])
    encode = base.tokenizer.encode_prompt
    lengths = {split: [len(encode(problem.question)) for problem in items] for split, items in problems.items()}
    check_lengths(suite, problems, lengths, base.context_length)
    if is_finished(folder, suite, problems):
        return
    check_base_policy(suite, base, hosts)
    sources = load_sources(unprompted, problems, hosts)
    if hosts is not None and not isinstance(base, OutsidePolicy):
        hosts.begin(base)
    with contextlib.ExitStack() as stack:
        judge = judge_options(whole.verifiers, whole.verifier_names, stack)
        check_models(judge)
        store = stack.enter_context(Store(folder, write=True))
        if other := log_process(store, "run"):
            print(f"resumed by another program or machine, so rows may differ: {', '.join(other)}", file=sys.stderr)
        if not quiet:
            for change in changes(store, suite):
                print(f"resumed with other settings: {change}", file=sys.stderr)
        beside, calls = (stack.enter_context(store.beside()) for _ in range(2))
        apart = asking_apart(whole.verifier_names, whole.verifiers)
        verifiers = build_verifiers(calls if apart else beside, whole, judge, problems, built)
        record(store, suite, whole.verifiers, verifiers, judge, base, problems, built, sources)
        if unread:
            store.put_run({"unreadable_references": unread_facts(unread, problems)})
        record_sources(store, suite, len(problems["train"]), solutions, quiet)
        asking = {name for name in whole.verifier_names if catalog.judges([name], whole.verifiers)}
        planned = planned_work.planned_samples(whole, problems, until_base=until_base)
        forecast = None if until_base else planned_work.forecast(whole, problems, verifiers, asking)
        progress = stack.enter_context(RunProgress(planned, quiet=quiet, forecast=forecast))
        started = time.monotonic()
        rest_em.run(
            Run(
                suite=whole,
                store=store,
                base=base,
                verification=Verification(
                    store=beside,
                    calls=calls,
                    verifiers=verifiers,
                    progress=progress,
                    asking=apart,
                    whole=[name for name in whole.verifier_names if _asks_in_batches(name, whole.verifiers, judge)],
                ),
                progress=progress,
                learner=learner_of(whole, store, base, hosts),
                sampler=stack.enter_context(sampler_of(whole, store, hosts)),
                asking=asking,
                sources=sources,
                solutions=solutions,
                until_base=until_base,
            )
        )
        if until_base:
            return
        store.log("finished", seconds=time.monotonic() - started)
        store.set_run("finished", True)


def record_sources(store: Store, suite: Suite, train: int, solutions: Mapping[str, str], quiet: bool) -> None:
    """Stores what was read from the suite's file, and how many of its training problems have no worked solution."""
    if from_file := file_facts(suite):
        store.put_run({"problem_file": from_file})
    if solutions and (without := train - len(solutions)):
        store.put_run({"without_solution": without})
        if not quiet:
            print(f"references: {without} of {train} training problems have no worked solution", file=sys.stderr)


def asking_apart(names: Sequence[str], tables: Options) -> list[str]:
    """The verifiers that ask a judge; none where one of them has a part that verifies by rule.

    Such parts belong to one thread with all other verifiers.
    """
    asking = [name for name in names if catalog.judges([name], tables)]
    judges = catalog.judges(asking, tables)
    mixed = any(name not in judges and not catalog.parts(name, tables) for name in catalog.with_parts(asking, tables))
    return [] if mixed else asking


def _asks_in_batches(name: str, tables: Options, judge: Options) -> bool:
    """Whether a verifier, or a part of it, sends files of requests to a server."""
    return any(judge[part].get("batch") for part in catalog.judges([name], tables))


def is_finished(folder: Path, suite: Suite, problems: Mapping[str, Sequence[Problem]]) -> bool:
    """Whether the folder holds a run of this suite with nothing left to do.

    Raises:
        ConfigError: It holds a run of another suite or of other problems.
    """
    try:
        store = Store(folder)
    except NoRun:
        return False
    with store:
        check_same(store, suite, problems)
        return bool(store.run().get("finished")) and not is_longer(store, suite)


def prepared(suite: Suite, hosts: Hosts | None) -> Hosts:
    """The devices of a run that computes with JAX; it then keeps the programs that it compiles."""
    from restem.harness.distributed.hosts import connect
    from restem.harness.model.compilation_cache import enable_compilation_cache

    enable_compilation_cache()
    return hosts or connect(suite.mesh)


def follow(suite: Suite, hosts: Hosts) -> None:
    """Runs a suite on a host other than the leader: samples and trains as the leader's messages ask."""
    _, base = load_base(suite, hosts)
    assert not isinstance(base, OutsidePolicy), "several hosts run no outside policy"
    hosts.begin(base)
    hosts.follow()


def build_verifiers(
    store: Store, suite: Suite, judge: Options, problems: Mapping[str, Sequence[Problem]], built: catalog.Built
) -> dict[str, Verifier]:
    """Every verifier of the suite, and `steps` where one step check of the catalogue can read all questions.

    Args:
        built: Verifiers that are built already; the others are added, including parts of other verifiers.
    """
    tables = {**suite.verifiers, **judge}
    verifiers = {name: catalog.build(name, tables, calls=store, built=built) for name in suite.verifier_names}
    own = [items for split, items in problems.items() if not split.startswith(TESTS)]  # no other set is checked
    if steps := step_check(problem for items in own for problem in items):
        verifiers["steps"] = StepsVerifier(steps.check, steps.id)
    return verifiers


def record(
    store: Store,
    suite: Suite,
    tables: Options,
    verifiers: Mapping[str, Verifier],
    judge: Options,
    base: AnyPolicy,
    problems: Mapping[str, Sequence[Problem]],
    built: catalog.Built,
    sources: Mapping[str, AnyPolicy],
) -> None:
    """Stores suite, problems, probes, verifiers and provenance of the run.

    Args:
        tables: Options of all verifiers, including those of further replicates.
        built: The verifiers and all their parts.
        sources: The policies whose samples first iterations train on.

    Raises:
        ConfigError: The run began with other verifiers, another base, or other such policies.
    """
    fingerprints = {name: verifier.fingerprint for name, verifier in verifiers.items()}
    check_fingerprints(store, suite, fingerprints)
    base_sha256 = check_base(store, base)
    hashes = {source: policy.sha256 for source, policy in sources.items()}
    check_stored_sources(store, hashes)
    store_settings(store, suite)
    write_whole(store.folder / "suite.toml", to_toml(suite))
    for items in problems.values():
        store.add_problems(items)
    if not store.probes():
        store.add_probes(make_probes(problems["test"][: suite.probe.problems]))
    add_judges(store, judge, built)
    for name, verifier in verifiers.items():
        store.add_verifier(verifier.fingerprint, name, judge.get(name, tables.get(name, {})))
    controls = [name for name in verifiers if catalog.uninformative(name, tables)]
    chance = suite.benchmark.definition.chance(problems["test"])
    facts = {"suite": suite.model_dump(mode="json"), "verifiers": fingerprints, "base_sha256": base_sha256}
    facts |= {"controls": controls, "chance_level": chance, "judge": judge_facts(judge, suite.benchmark.name)}
    facts |= {FACT: hashes} if hashes else {}
    store.put_run(facts | provenance())
