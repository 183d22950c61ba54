"""What `restem run` and `restem verify` do: put the four packages together, check everything, then begin.

Takes a suite, or names and options of verifiers; leaves rows. Nothing is written before all that was asked for is known
to exist: a refused command leaves no trace.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from jax.sharding import Mesh

from restem.benchmarks import linear_1d
from restem.benchmarks.files import read_problems, split_problems
from restem.benchmarks.probes import probes
from restem.benchmarks.problem import Problem
from restem.harness.app.judges import Options, add_judges, judge_facts, judge_options, judges_of, stored_judges
from restem.harness.config import Suite, few_shot_of, parse_suite, read_tables, set_value, to_toml
from restem.harness.distributed.hosts import Hosts, connect
from restem.harness.errors import ConfigError
from restem.harness.loop import rest_em
from restem.harness.loop.evaluate import VERIFY_BATCH, unjudged, verify
from restem.harness.loop.probe import probe, unprobed
from restem.harness.loop.steps_verifier import StepsVerifier
from restem.harness.model.compilation_cache import keep_compiled
from restem.harness.model.policy import ASSETS, EMBEDDED, Policy, load_policy, params_hash
from restem.harness.progress import RunProgress
from restem.harness.store.provenance import provenance
from restem.harness.store.store import Store
from restem.harness.training.trainable import check_lora
from restem.verifiers import catalog
from restem.verifiers.rows import Rows, output_row, read_rows
from restem.verifiers.verdict import Verdict, Verifier, checked

NO_ADDRESS = "http://127.0.0.1:9/v1"  # stands in while only the options are checked; nothing is asked


def run_suite(suite: Suite, folder: Path, quiet: bool, *, until_base: bool = False, hosts: Hosts | None = None) -> None:
    """Runs a suite to its end, or on from where it was stopped.

    Args:
        hosts: Those that sample and train, this one leading; None: this one alone.
        until_base: Stop before any training, with the base sampled and judged by every verifier on the training split
            too: what a plan is made from.

    Raises:
        ConfigError: Something the suite names is wrong or missing, or the folder holds a run of another suite.
    """
    check_verifiers(suite.verifier_names, suite.verifiers)
    keep_compiled()
    hosts = hosts or connect(suite.mesh)
    suite, base = prompted(suite, load_named_policy(suite.policy, hosts.meshes.local))
    whole = suite.replicated([name for name in suite.verifier_names if catalog.takes(name, "seed", suite.verifiers)])
    problems = suite_problems(suite)
    check_lengths(suite, base, problems)
    if suite.training.trainable == "lora":
        check_lora(base.model)
    if (folder / "run.db").is_file():
        with Store(folder) as store:
            check_same(store, suite, problems)
            if store.run().get("finished"):
                return
    hosts.begin(base)
    with contextlib.ExitStack() as stack:
        judge = judge_options(whole.verifiers, whole.verifier_names, stack)
        store = stack.enter_context(Store(folder, write=True))
        verifiers = build_verifiers(store, whole, judge, problems)
        record(store, suite, whole.verifiers, verifiers, judge, base, problems)
        planned = rest_em.planned_samples(whole, problems, until_base=until_base)
        progress = stack.enter_context(RunProgress(planned, quiet=quiet))
        started = time.monotonic()
        rest_em.run(
            rest_em.Run(
                suite=whole,
                store=store,
                base=base,
                verifiers=verifiers,
                progress=progress,
                hosts=hosts,
                until_base=until_base,
            )
        )
        if until_base:
            return
        store.log("finished", seconds=time.monotonic() - started)
        store.put_run({"finished": True})


def follow(suite: Suite, hosts: Hosts) -> None:
    """What a host that does not lead does of a suite: holds the policy, samples and trains when it is told to."""
    _, base = prompted(suite, load_named_policy(suite.policy, hosts.meshes.local))
    hosts.begin(base)
    hosts.follow()


def suite_problems(suite: Suite) -> dict[str, list[Problem]]:
    """The problems of each split."""
    config = suite.benchmark
    counts = {"train": config.train, "validation": config.validation, "test": config.test}
    try:
        if config.path is not None:
            return split_problems(read_problems(Path(config.path)), counts)
        return linear_1d.problems(suite.seed, config.regime, counts)
    except (ValueError, OSError) as error:
        raise ConfigError(f"benchmark: {error}") from None


def check_verifiers(names: Sequence[str], options: Options) -> None:
    """Every name and option is known, and no options stand there for a verifier that nobody names."""
    used = catalog.with_parts(names, options)
    if unused := sorted(set(options) - set(used)):
        raise ConfigError(f"verifiers.{unused[0]}: no verifier of that name is used here ({', '.join(used)})")
    addresses = {name: {"base_url": NO_ADDRESS, **options.get(name, {})} for name in judges_of(names, options)}
    for name in names:
        catalog.build(name, {**options, **addresses})


def check_lengths(suite: Suite, base: Policy, problems: Mapping[str, Sequence[Problem]]) -> None:
    """Every prompt leaves room for a response, in the context and in a training row."""
    new = suite.sampling.max_new_tokens
    for split, items in problems.items():
        limit = base.architecture.context_length
        if split == "train":
            limit = min(limit, suite.training.row_length)
        for problem in items:
            length = len(base.tokenizer.encode_prompt(problem.question))
            if length + new > limit:
                raise ConfigError(
                    f"{problem.source}: a prompt of {length} tokens and sampling.max_new_tokens = {new} exceed {limit} "
                    "(training.row_length, or the policy's context)"
                )


def check_same(store: Store, suite: Suite, problems: Mapping[str, Sequence[Problem]]) -> None:
    """The folder's run is this very suite on these very problems."""
    stored = store.run().get("suite")
    if stored is None:
        return
    # A suite of an earlier version lacks settings that have come since; it ran with their defaults.
    now, before = (_that_matters(found) for found in (suite, parse_suite(stored, str(store.folder))))
    if keys := sorted(key for key in now.keys() | before.keys() if now.get(key) != before.get(key)):
        changes = "; ".join(f"{key}: {before.get(key)!r} now {now.get(key)!r}" for key in keys)
        raise ConfigError(f"{store.folder} holds a run of another suite; give another --out. {changes}")
    for split, items in problems.items():
        stored = store.problems(split)
        if stored and stored != list(items):
            raise ConfigError(f"{store.folder}: the {split} problems are not those that this run began with")


def _that_matters(suite: Suite) -> dict[str, Any]:
    """The suite without what changes speed alone."""
    return suite.model_dump(mode="json", exclude={"sampling": {"rows"}, "mesh": True})


def build_verifiers(
    store: Store, suite: Suite, judge: Options, problems: Mapping[str, Sequence[Problem]]
) -> dict[str, Verifier]:
    """Every verifier of the suite, and `steps` where all questions are of linear_1d's kind."""
    verifiers: dict[str, Verifier] = {
        name: catalog.build(name, {**suite.verifiers, **judge}, calls=store) for name in suite.verifier_names
    }
    with contextlib.suppress(ValueError):
        for items in problems.values():
            for problem in items:
                linear_1d.parse_question(problem.question)
        verifiers["steps"] = StepsVerifier(linear_1d.check_steps, linear_1d.STEPS_ID)
    return verifiers


def record(
    store: Store,
    suite: Suite,
    tables: Options,
    verifiers: Mapping[str, Verifier],
    judge: Options,
    base: Policy,
    problems: Mapping[str, Sequence[Problem]],
) -> None:
    """Writes down what the run is made of; refuses to go on with other verifiers or another base than it began with.

    Args:
        tables: Options of all verifiers, those of further replicates among them.
    """
    fingerprints = {name: verifier.fingerprint for name, verifier in verifiers.items()}
    facts = {"verifiers": fingerprints, "base_sha256": params_hash(base.params)}
    stored = store.run()
    if "verifiers" in stored:  # `restem verify RUN` may have added others
        stored["verifiers"] = {name: stored["verifiers"].get(name) for name in fingerprints}
    for key, value in facts.items():
        if key in stored and stored[key] != value:
            raise ConfigError(f"{store.folder}: {key} differs from when this run began: {stored[key]} now {value}")
    (store.folder / "suite.toml").write_text(to_toml(suite))
    for items in problems.values():
        store.add_problems(items)
    if not store.probes():
        store.add_probes(probes(problems["test"][: suite.probe.problems]))
    add_judges(store, {**tables, **judge}, judge)
    for name, verifier in verifiers.items():
        store.add_verifier(verifier.fingerprint, name, judge.get(name, tables.get(name, {})))
    controls = [name for name in verifiers if catalog.uninformative(name, tables)]
    chance = linear_1d.chance_level(problems["test"])
    known = {"suite": suite.model_dump(mode="json"), "controls": controls, "chance_level": chance}
    store.put_run(facts | known | {"judge": judge_facts(judge)} | provenance())


def load_named_policy(name: str, mesh: Mesh | None = None) -> Policy:
    """A policy by a name that `restem models` lists, or a checkpoint folder: ours, Kaggle's or Hugging Face's.

    Its parameters lie on the mesh; None: on the first device.
    """
    folder = ASSETS / EMBEDDED[name] if name in EMBEDDED else Path(name)
    if (folder / "policy.json").is_file():
        return load_policy(folder, mesh)
    from restem.harness.app.policies import load_foreign_policy  # what it imports takes half a second

    return load_foreign_policy(name, mesh)


def prompted(suite: Suite, base: Policy) -> tuple[Suite, Policy]:
    """The suite with its few-shot prompt and the base that uses it; both as they are where the base knows turns.

    Raises:
        ConfigError: A base model, and neither suite nor benchmark has examples for it.
    """
    text = suite.benchmark.few_shot or base.tokenizer.few_shot
    if text is None and not base.architecture.chat:
        text = few_shot_of(suite.benchmark.name)
        if text is None:
            raise ConfigError(
                f"policy {suite.policy!r} is a base model, which knows no turns: give it examples by "
                "benchmark.few_shot or benchmark.few_shot_file"
            )
    if text is None:
        return suite, base
    benchmark = suite.benchmark.model_copy(update={"few_shot": text})
    tokenizer = dataclasses.replace(base.tokenizer, few_shot=text)
    return suite.model_copy(update={"benchmark": benchmark}), dataclasses.replace(base, tokenizer=tokenizer)


def verifier_options(config_path: Path | None, overrides: Sequence[str], names: Sequence[str]) -> Options:
    """Options from a TOML file's `[verifiers.NAME]` tables and from `--set`, checked."""
    data = {} if config_path is None else read_tables(config_path)
    for override in overrides:
        if not override.startswith("verifiers."):
            raise ConfigError(f"--set {override}: expected verifiers.NAME.option=value")
        set_value(data, override)
    found = data.get("verifiers", {})
    if not isinstance(found, dict) or not all(isinstance(options, dict) for options in found.values()):
        raise ConfigError("verifiers: expected one table of options a verifier")
    check_verifiers(names, found)
    return found


def verify_run(
    folder: Path, names: Sequence[str], options: Options, split: str | None, quiet: bool
) -> Iterator[tuple[str, int]]:
    """Adds the verifiers' verdicts on all samples of a run (or of a split); gives each one's label and new verdicts."""
    with Store(folder) as store:
        if "verifiers" not in store.run():
            raise ConfigError(f"{folder}: this run has not begun; `restem run` begins it")
        stored = stored_judges(store)
    with contextlib.ExitStack() as stack:
        judge = judge_options(options, names, stack, stored)
        store = stack.enter_context(Store(folder, write=True))
        known = store.run()["verifiers"]
        groups = store.query(
            "SELECT DISTINCT s.checkpoint, p.split FROM sample s JOIN problem p ON p.id = s.problem"
            " WHERE :split IS NULL OR p.split = :split ORDER BY 1, 2",
            {"split": split},
        )
        total = sum(len(store.samples(*group)) for group in groups) * len(names)
        progress = stack.enter_context(RunProgress(total, unit="verdicts", quiet=quiet))
        add_judges(store, {**options, **judge}, judge)
        for name in names:
            progress.stage(name)
            chosen = judge.get(name, options.get(name, {}))
            verifier = _build(name, {**options, **judge}, store, progress)
            store.add_verifier(verifier.fingerprint, name, chosen)
            if any(way.get("batch") for way in judge.values()):
                # All in one batch, not one for every few thousand samples: what follows finds the replies stored.
                attempts = [attempt for c, part in groups for attempt in unjudged(store, c, part, verifier)]
                verifier.verify([*attempts, *unprobed(store, verifier).values()])
            probe(store, verifier)
            new = sum(verify(store, c, store.problems(part), part, verifier, progress.advance) for c, part in groups)
            # The same name with another fingerprint is another verifier, and gets a name of its own. So does one that
            # is offline, also where it is the first of its name.
            offline = any(way.get("offline") for way in judge.values())
            first = known.get(name, verifier.fingerprint) == verifier.fingerprint and not offline
            label = name if first else verifier.fingerprint
            known[label] = verifier.fingerprint
            store.set_run("verifiers", known)
            yield label, new


def _build(name: str, tables: Options, calls: Store | None, progress: RunProgress) -> Verifier:
    return catalog.build(name, tables, calls=calls, progress=lambda answered, _: progress.within(answered))


def verify_rows(path: Path, output: Path | None, names: Sequence[str], options: Options, quiet: bool) -> None:
    """Scores the rows of a file; with an output, a judge's replies are kept beside it until all verdicts are there."""
    rows = read_rows(path)
    if output is not None and not output.parent.is_dir():
        raise ConfigError(f"--output {output}: there is no folder {output.parent}")
    kept = output.with_name(f"{output.name}.calls") if output is not None and judges_of(names, options) else None
    offline = any(options.get(name, {}).get("offline") for name in judges_of(names, options))
    if output is None and any(options.get(name, {}).get("batch") for name in judges_of(names, options)):
        raise ConfigError("--batch with --input needs --output: beside it stands which batch was sent")
    with contextlib.ExitStack() as stack:
        if offline:  # reads what a stopped command kept, and leaves it there
            calls = stack.enter_context(Store(kept)) if kept is not None and (kept / "run.db").is_file() else None
            judge, kept = judge_options(options, names, stack, stored_judges(calls) if calls else {}), None
        else:
            judge = judge_options(options, names, stack)
            calls = stack.enter_context(Store(kept, write=True)) if kept is not None else None
            if calls is not None:
                add_judges(calls, {**options, **judge}, judge)
        progress = stack.enter_context(RunProgress(len(rows.ids) * len(names), unit="verdicts", quiet=quiet))
        verdicts: list[dict[int, Verdict]] = []
        for name in names:
            progress.stage(name)
            size = len(rows.ids) if any(way.get("batch") for way in judge.values()) else VERIFY_BATCH
            verdicts.append(_verdicts(_build(name, {**options, **judge}, calls, progress), rows, size, progress))
        lines = [
            json.dumps(output_row(id, name, found[i])) + "\n"
            for i, id in enumerate(rows.ids)
            for name, found in zip(names, verdicts, strict=True)
        ]
    if output is None:
        sys.stdout.write("".join(lines))
    else:
        output.write_text("".join(lines), "utf-8")
    if kept is not None:
        for file in kept.iterdir():
            file.unlink()
        kept.rmdir()


def _verdicts(verifier: Verifier, rows: Rows, size: int, progress: RunProgress) -> dict[int, Verdict]:
    found: dict[int, Verdict] = {}
    for batch in rows.batches(size):
        found |= zip(batch, checked(verifier, [rows.attempts[i] for i in batch]), strict=True)
        progress.advance(len(batch))
    return found
