"""ReST-EM, top to bottom: Algorithm 1 of arXiv:2312.06585, once per verifier.

    for every arm (one training verifier each):
        policy <- base
        for i = 1 .. iterations:
            E-step   draw K responses to every training problem from the policy        (Algorithm 1, line 3)
                     verify them; keep what the training verifier accepts, at most 10 a problem (line 4)
            M-step   start again from the base; minimise the weighted loss on what was kept,
                     while the training verifier's reward on the validation split improves      (lines 5-7)
            measure  draw from the new policy on the test split; apply gold and every scoring verifier;
                     the same on every further test set, by the gold

Before that, every verifier verifies the probes, which no policy wrote.

Samples do not depend on the verifier, so all arms of a replicate share one sampling of the base. Every stage leaves
rows in run.db and does nothing where it finds them, so a killed run resumes where it was. An M-step is repeated whole,
and gives the same parameters again. A finished one's policy is loaded when a later stage needs it (stored_policy.py):
where all rows are there, no checkpoint has to be. A replicate needs no other seed: its arms have other names, and the
random numbers of every draw depend on the name.

An arm of `algorithm = "grpo"` differs in two places: its E-step gives every sample its advantage (advantages.py), and
its M-step goes on from the policy that drew the samples, with the loss of training/grpo.py.

What is simpler than in the paper: no few-shot prompt (the tiny policy has none), and one sampling temperature for
training and test, unless a suite's `[sampling.test]` says otherwise.
"""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from restem.benchmarks.problem import Problem
from restem.harness.arms import ArmConfig, ArmSettings
from restem.harness.config import Suite
from restem.harness.distributed.hosts import Hosts
from restem.harness.loop.advantages import select_by_advantage
from restem.harness.loop.draw import draw
from restem.harness.loop.e_step import select
from restem.harness.loop.first_samples import add_first, add_solutions
from restem.harness.loop.probe import probe
from restem.harness.loop.stored_policy import Check, Later, Source, stored_policy
from restem.harness.loop.verify import verify
from restem.harness.model.policy import Params, Policy, save_policy
from restem.harness.names import BASE, POLICY, REFERENCES, TESTS, unmarked, verifiers_that_judge
from restem.harness.progress import RunProgress
from restem.harness.sampling.engine import Sampler
from restem.harness.settings import TrainingConfig
from restem.harness.store.records import Checkpoint, Selection
from restem.harness.store.store import Store
from restem.harness.training import m_step
from restem.harness.training.grpo import Grpo
from restem.verifiers.verdict import Verifier

# Takes the id of the checkpoint to be made, what it starts from, the settings and a seed; reads the selection itself.
Trainer = Callable[[str, Policy, TrainingConfig, int], m_step.Fitted]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
    """The suite of a run with its store, base policy, verifiers, progress display and devices.

    Attributes:
        suite: With an arm for every replicate (`Suite.replicated`).
        verifiers: Every verifier of the suite by its name, and `steps` where the benchmark checks steps.
        hosts: The devices that train; this host leads.
        sampler: What draws samples.
        asking: Names of the verifiers that ask a judge: on further test sets they are not used.
        sources: The policies whose samples first iterations train on, by the `source` of their arms.
        solutions: Id of a training problem -> its worked solution, where an arm trains on these.
        until_base: Whether to stop where training would begin.
        trainer: What trains instead of our own M-step.
    """

    suite: Suite
    store: Store
    base: Policy
    verifiers: Mapping[str, Verifier]
    progress: RunProgress
    hosts: Hosts
    sampler: Sampler
    asking: Collection[str] = ()
    sources: Mapping[str, Policy] = dataclasses.field(default_factory=dict)
    solutions: Mapping[str, str] = dataclasses.field(default_factory=dict)
    until_base: bool = False
    trainer: Trainer | None = None

    def problems(self, split: str) -> list[Problem]:
        return self.store.problems(split)


def run(run: Run) -> None:
    """Runs every arm of the suite to its last iteration."""
    add_first(run.store, BASE, POLICY, run.base, {})
    draw_and_verify(run, BASE, base_of(run), "test", tuple(run.verifiers), BASE)
    measure_further(run, BASE, base_of(run), (), BASE)
    probe_verifiers(run)
    if run.until_base:
        # A plan compares all verifiers as training verifiers; further replicates of one add nothing to it.
        for first in run.suite.first_bases:
            draws, judges = run.suite.first_draws(first), _planned_with(run, first)
            add_first(run.store, first, draws.source, run.base, run.sources)
            draw_and_verify(run, first, first_of(run, draws), "train", judges, BASE, draws)
        return
    for arm in run.suite.arms:
        settings = run.suite.settings_of(arm)
        checkpoint, policy, sampled = settings.first, base_of(run), first_of(run, settings)
        add_first(run.store, checkpoint, settings.source, run.base, run.sources)
        for iteration in range(1, settings.iterations + 1):
            target = f"{arm.name}/{iteration}"
            label = f"arm {arm.name}, iteration {iteration}"
            selection = e_step(run, arm, checkpoint, sampled, target, label)
            policy = sampled = maximise(run, arm, iteration, checkpoint, policy, selection, label)
            judges = verifiers_that_judge(run.verifiers, arm.verifier)
            draw_and_verify(run, target, policy, "test", judges, label)
            measure_further(run, target, policy, () if arm.verifier in run.asking else (arm.verifier,), label)
            checkpoint = target
        if run.suite.sampling.train_at_end:
            draw_and_verify(run, checkpoint, policy, "train", (run.suite.gold,), f"arm {arm.name}, end", settings)


def _planned_with(run: Run, first: str) -> tuple[str, ...]:
    """The verifiers whose verdicts on the training samples of a base a plan needs.

    Of the base itself, and of what the first arm draws from, these are all; of another one, those of its own arms.
    """
    suite, names = run.suite, [name for name in run.verifiers if unmarked(name) == name]
    if first in (BASE, suite.settings_of(suite.arms[0]).first):
        return tuple(names)
    own_arms = {arm.verifier for arm in suite.arms if suite.settings_of(arm).first == first}
    return tuple(name for name in names if name == suite.gold or name in own_arms)


def restore(run: Run) -> None:
    """Makes the lost and damaged checkpoints of finished M-steps again, and goes no further."""
    for arm in run.suite.arms:
        settings = run.suite.settings_of(arm)
        sampled_from, policy = settings.first, base_of(run)
        for iteration in range(1, settings.iterations + 1):
            target = f"{arm.name}/{iteration}"
            stored, selection = run.store.checkpoint(target), run.store.selection(target)
            if stored is None or selection is None:
                break
            label = f"arm {arm.name}, iteration {iteration}"
            policy = finished(run, arm, stored, sampled_from, policy, selection, label)
            policy()
            run.progress.advance(1)
            sampled_from = target


def base_of(run: Run) -> Source:
    """The base, where a policy that may have to be loaded is expected."""
    return lambda: run.base


def first_of(run: Run, settings: ArmSettings) -> Source | None:
    """What an arm's first samples are drawn from; None: they are worked solutions."""
    if settings.source == REFERENCES:
        return None
    return base_of(run) if settings.source == POLICY else lambda: run.sources[settings.source]


def probe_verifiers(run: Run) -> None:
    """Stores every verifier's missing verdicts on the probes; they need no policy, so they come first."""
    for name in run.suite.verifier_names:
        if unmarked(name) != name:
            continue  # a replicate makes the same errors under another seed
        run.progress.stage(f"probe: {name} verifies")
        started = time.monotonic()
        new = probe(run.store, run.verifiers[name])
        if new:
            run.store.log("probed", verifier=name, verdicts=new, seconds=time.monotonic() - started)


def e_step(run: Run, arm: ArmConfig, checkpoint: str, policy: Source | None, target: str, label: str) -> Selection:
    """Draws from the policy on the training problems, verifies the samples, and selects among them."""
    settings, verifiers = run.suite.settings_of(arm), (arm.verifier, run.suite.gold)
    drawn = run.suite.first_draws(checkpoint) if checkpoint == settings.first else settings
    draw_and_verify(run, checkpoint, policy, "train", verifiers, label, drawn, settings)
    selection = run.store.selection(target)
    if selection is None:
        used = {problem.id for problem in run.problems("train")[: settings.problems]}
        stored = run.store.samples(checkpoint, "train")
        samples = [s for s in stored if s.problem in used and s.index < settings.sampling.train_samples]
        verdicts = run.store.verdicts(checkpoint, "train", run.verifiers[arm.verifier].fingerprint)
        if settings.grpo:
            selection = select_by_advantage(target, samples, verdicts)
        else:
            selection = select(target, samples, verdicts, arm.selection)
        run.store.add_selection(selection)
    return selection


def maximise(
    run: Run, arm: ArmConfig, iteration: int, sampled_from: str, policy: Source, selection: Selection, label: str
) -> Source:
    """The M-step: trains on the selection and stores the checkpoint; nothing selected leaves the policy as it is.

    The policy is the arm's before this iteration: the base in the first one, whatever the samples are drawn from.
    """
    target = selection.checkpoint
    stored = run.store.checkpoint(target)
    if stored is not None:
        run.progress.advance(_validation_samples(run), fresh=False)
        _nothing_left_to_train(run, arm)
        return finished(run, arm, stored, sampled_from, policy, selection, label)
    common = {"id": target, "arm": arm.name, "iteration": iteration, "sampled_from": sampled_from}
    examples = training_examples(run, sampled_from, selection)
    of_policy = iteration > 1 or run.suite.settings_of(arm).source == POLICY
    before = sampled_from if of_policy else BASE
    if not any(example.weight > 0 for example in examples):
        grpo = run.suite.settings_of(arm).grpo
        reason = "no problem has unequal rewards" if grpo else "the training verifier accepted nothing"
        run.store.log("skipped", arm=arm.name, iteration=iteration, reason=reason)
        unchanged = run.store.checkpoint(before)
        assert unchanged is not None
        params = unchanged.params_sha256
        run.store.add_checkpoint(Checkpoint(**common, kind="skipped", started_from=before, params_sha256=params))
        run.progress.advance(_validation_samples(run))
        _nothing_left_to_train(run, arm)
        return policy

    started = time.monotonic()
    run.progress.stage(f"{label}: training on {len(selection.trained)} responses")
    start, training = start_of(run, arm, policy), run.suite.settings_of(arm).training
    trained, since, checks = 0, started, 0

    def count_steps(steps: int) -> None:
        nonlocal trained, since
        new = max(0, steps - trained)
        run.progress.finished("training", new, fresh=new, seconds=time.monotonic() - since)
        trained = steps

    def check(step: int, params: Params) -> float | None:
        nonlocal since, checks
        count_steps(step)
        reward = validation_reward(run, arm, iteration, dataclasses.replace(start, params=params), step, label)
        since, checks = time.monotonic(), checks + 1
        return reward

    fitted = fit(run, arm, target, start, examples, check)
    count_steps(fitted.steps)  # without checks they are all counted here, so that their time is known
    _nothing_left_to_train(run, arm, trained, checks)
    trained_policy = dataclasses.replace(start, params=fitted.params)
    path = Path("checkpoints") / f"{arm.name}-{iteration}"
    run.store.check_place()  # saving would make a deleted run folder anew
    save_policy(trained_policy, run.store.folder / path)
    run.store.add_checkpoint(
        Checkpoint(
            **common,
            kind="trained",
            started_from=BASE if training.restart else before,
            path=str(path),
            params_sha256=trained_policy.params_sha256,
            steps=fitted.steps,
            losses=fitted.losses,
            validation_reward=fitted.validation_reward,
            seconds=time.monotonic() - started,
        )
    )
    return lambda: trained_policy


def finished(
    run: Run, arm: ArmConfig, stored: Checkpoint, sampled_from: str, policy: Source, selection: Selection, label: str
) -> Source:
    """The policy after a finished M-step that began with another one, when it is needed."""
    if stored.path is None:
        return policy

    def train(check: Check) -> m_step.Fitted:
        run.progress.stage(f"{label}: training again on {len(selection.trained)} responses")
        examples = training_examples(run, sampled_from, selection)
        return fit(run, arm, stored.id, start_of(run, arm, policy), examples, check)

    return Later(lambda: stored_policy(run.store, run.base, stored, run.hosts.meshes.local, train))


def start_of(run: Run, arm: ArmConfig, policy: Source) -> Policy:
    """What an M-step starts from."""
    return run.base if run.suite.settings_of(arm).training.restart else policy()


def fit(
    run: Run, arm: ArmConfig, target: str, start: Policy, examples: Sequence[m_step.Example], check: Check
) -> m_step.Fitted:
    """The parameters that minimise the loss on the examples; seed and checkpoint decide the order of the batches."""
    seed = int.from_bytes(hashlib.sha256(f"{run.suite.seed}\n{target}".encode()).digest()[:4])
    settings = run.suite.settings_of(arm)
    if run.trainer is not None:
        return run.trainer(target, start, settings.training, seed)
    loss = settings.grpo and Grpo(**settings.grpo.model_dump(), temperature=settings.sampling.temperature)
    return run.hosts.fit(start, examples, settings.training, seed, check, loss)


def _nothing_left_to_train(run: Run, arm: ArmConfig, trained: int = 0, checks: int = 0) -> None:
    """Takes what an M-step did not need, because it stopped early or was stored, out of the time left."""
    training = run.suite.settings_of(arm).training
    samples = len(run.problems("validation")) * run.suite.sampling.validation_samples * (training.checks - checks)
    run.progress.finished("training", training.steps - trained)
    run.progress.finished("sampling validation", samples)
    run.progress.finished(f"verifying:{arm.verifier}", samples)


def training_examples(run: Run, sampled_from: str, selection: Selection) -> list[m_step.Example]:
    """The prompts and selected responses as token ids, in the order of sample ids, with their weights.

    A response has the tokens that were drawn. Where they are not known, its text is encoded instead. That can give more
    tokens than were drawn (broken UTF-8), so an encoded response that does not fit a training row is left out.
    """
    samples = {sample.id: sample for sample in run.store.samples(sampled_from, "train")}
    questions = {problem.id: problem.question for problem in run.problems("train")}
    tokenizer = run.base.tokenizer
    examples: list[m_step.Example] = []
    too_long = 0
    for row in sorted(selection.trained, key=lambda row: row.sample):
        sample = samples[row.sample]
        prompt_ids = tuple(tokenizer.encode_prompt(questions[sample.problem]))
        response_ids = sample.token_ids
        if response_ids is None:
            response_ids = tuple(tokenizer.encode_response(sample.text))
            if len(prompt_ids) + len(response_ids) - 1 > run.suite.training.row_length:
                too_long += 1
                continue
        examples.append(m_step.Example(prompt_ids=prompt_ids, response_ids=response_ids, weight=row.weight))
    if too_long:
        run.store.log("too_long", checkpoint=selection.checkpoint, examples=too_long)
    return examples


def measure_further(run: Run, checkpoint: str, policy: Source, verifiers: tuple[str, ...], label: str) -> None:
    """Draws from a policy on every further test set; the gold judges the samples, and these verifiers."""
    for name in run.suite.tests:
        draw_and_verify(run, checkpoint, policy, f"{TESTS}{name}", (run.suite.gold, *verifiers), label)


def validation_reward(run: Run, arm: ArmConfig, iteration: int, policy: Policy, step: int, label: str) -> float | None:
    """Mean reward of the training verifier on the validation split, of a candidate in the middle of the M-step."""
    candidate = f"{arm.name}/{iteration}@{step}"
    with ThreadPoolExecutor(1) as pool:
        hashed = pool.submit(lambda: policy.params_sha256)  # while the device samples
        draw_and_verify(run, candidate, lambda: policy, "validation", (arm.verifier,), f"{label}, step {step}")
    verifier = run.verifiers[arm.verifier].fingerprint
    rewards = [v.reward for v in run.store.verdicts(candidate, "validation", verifier).values() if v.reward is not None]
    reward = sum(rewards) / len(rewards) if rewards else None
    run.store.add_checkpoint(
        Checkpoint(
            id=candidate,
            arm=arm.name,
            iteration=iteration,
            kind="candidate",
            params_sha256=hashed.result(),
            steps=step,
            validation_reward=reward,
        )
    )
    return reward


def draw_and_verify(
    run: Run,
    checkpoint: str,
    policy: Source | None,
    split: str,
    verifiers: tuple[str, ...],
    label: str,
    drawn: ArmSettings | None = None,
    used: ArmSettings | None = None,
) -> None:
    """Stores a checkpoint's samples on a split, and the named verifiers' verdicts on them, where they are missing.

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
    started = time.monotonic()
    advance, tokenizer = run.progress.advance, run.base.tokenizer
    if policy is None:
        new = add_solutions(run.store, checkpoint, problems, run.solutions, tokenizer, advance)
    else:
        foreign = drawn is not None and drawn.first == checkpoint and drawn.source != POLICY
        reader, seed = tokenizer if foreign else None, run.suite.seed
        new = draw(
            run.store, policy, checkpoint, problems, samples, sampling, seed, advance, run.sampler, trained=reader
        )
    if new:
        run.store.log("sampled", checkpoint=checkpoint, split=split, samples=new, seconds=time.monotonic() - started)
    if new or split != "train" or unmarked(checkpoint) != BASE:  # the base's are planned once for all arms
        kind, seconds = f"sampling {split.partition(':')[0]}", time.monotonic() - started
        run.progress.finished(kind, len(problems) * samples, fresh=new, seconds=seconds)
    if used:
        problems, samples = problems[: used.problems], used.sampling.train_samples
    for name in dict.fromkeys(verifiers):
        run.progress.stage(f"{label}: {name} verifies {split}")
        started = time.monotonic()
        new = verify(run.store, checkpoint, problems, split, run.verifiers[name], most=samples if used else None)
        seconds = time.monotonic() - started
        run.progress.finished(f"verifying:{name}", len(problems) * samples, fresh=new, seconds=seconds)
        if new:
            run.store.log("verified", checkpoint=checkpoint, split=split, verifier=name, verdicts=new, seconds=seconds)


def _validation_samples(run: Run) -> int:
    return run.suite.training.checks * len(run.problems("validation")) * run.suite.sampling.validation_samples
