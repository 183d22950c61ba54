"""The M-step of an arm: lines 5 to 7 of Algorithm 1 of arXiv:2312.06585, and where its result is stored.

Takes a run, an arm and a selection of samples; gives the policy after it, and a checkpoint. It does not depend on how
samples are selected.

A finished M-step is not repeated: its policy is loaded when it is needed.
"""

from __future__ import annotations

import dataclasses
import hashlib
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from restem.harness.arms import ArmConfig
from restem.harness.loop.learner import Later, MStep, Source
from restem.harness.loop.stage import Run, draw_and_verify
from restem.harness.names import BASE, POLICY
from restem.harness.outside.any_policy import AnyPolicy
from restem.harness.progress import VERIFYING, RunProgress
from restem.harness.store.records import Checkpoint, Selection
from restem.harness.training.example import Example


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
    examples = training_examples(run, sampled_from, selection)
    of_policy = iteration > 1 or run.suite.settings_of(arm).source == POLICY
    before = sampled_from if of_policy else BASE
    row = Checkpoint(
        id=target,
        arm=arm.name,
        iteration=iteration,
        sampled_from=sampled_from,
        kind="trained",
        started_from=BASE if run.suite.settings_of(arm).training.restart else before,
    )
    if not any(example.weight > 0 for example in examples):
        _skip(run, arm, dataclasses.replace(row, kind="skipped", started_from=before))
        return policy
    run.progress.stage(f"{label}: training on {len(selection.trained)} responses")
    return _train(run, arm, row, m_step_of(run, arm, target, policy, examples), label)


def _skip(run: Run, arm: ArmConfig, row: Checkpoint) -> None:
    """Stores a checkpoint that is the one before it, where there is nothing to train on."""
    reason = (
        "no problem has unequal rewards"
        if run.suite.settings_of(arm).grpo
        else "the training verifier accepted nothing"
    )
    run.store.log("skipped", arm=arm.name, iteration=row.iteration, reason=reason)
    unchanged = row.started_from and run.store.checkpoint(row.started_from)
    assert unchanged
    run.store.add_checkpoint(dataclasses.replace(row, params_sha256=unchanged.params_sha256))
    run.progress.advance(_validation_samples(run))
    _nothing_left_to_train(run, arm)


def _train(run: Run, arm: ArmConfig, row: Checkpoint, step: MStep, label: str) -> Source:
    """Trains, saves the policy, and stores its row."""
    started = time.monotonic()
    counter = _StepCounter(run.progress)

    def check(number: int, candidate: AnyPolicy) -> float | None:
        counter.count(number)
        reward = validation_reward(run, arm, row.iteration, candidate, number, label)
        counter.checked()
        return reward

    run.sampler.rest()
    learned = run.learner.learn(step, check)
    counter.count(learned.steps)  # without checks they are all counted here, so that their time is known
    _nothing_left_to_train(run, arm, counter.trained, counter.checks)
    run.store.add_checkpoint(
        dataclasses.replace(
            row,
            path=str(learned.path),
            params_sha256=learned.policy.params_sha256,
            steps=learned.steps,
            losses=tuple(learned.losses),
            validation_reward=learned.validation_reward,
            seconds=time.monotonic() - started,
        )
    )
    return lambda: learned.policy


class _StepCounter:
    """Tells the progress display which steps are done, and how long they took without the checks between them."""

    def __init__(self, progress: RunProgress) -> None:
        self.trained, self.checks = 0, 0
        self._progress, self._since = progress, time.monotonic()

    def count(self, steps: int) -> None:
        new = max(0, steps - self.trained)
        self._progress.finished("training", new, fresh=new, seconds=time.monotonic() - self._since)
        self.trained = steps

    def checked(self) -> None:
        self.checks, self._since = self.checks + 1, time.monotonic()


def finished(
    run: Run, arm: ArmConfig, stored: Checkpoint, sampled_from: str, policy: Source, selection: Selection, label: str
) -> Source:
    """The policy after a finished M-step that began with another one, when it is needed."""
    if stored.path is None:
        return policy

    def again() -> MStep:
        run.progress.stage(f"{label}: training again on {len(selection.trained)} responses")
        return m_step_of(run, arm, stored.id, policy, training_examples(run, sampled_from, selection))

    return Later(lambda: run.learner.stored(stored, run.base, again))


def m_step_of(run: Run, arm: ArmConfig, target: str, policy: Source, examples: Sequence[Example]) -> MStep:
    """What an M-step begins with: the base, or the arm's policy, and a seed that depends on suite and checkpoint."""
    settings = run.suite.settings_of(arm)
    return MStep(
        target=target,
        start=run.base if settings.training.restart else policy(),
        examples=examples,
        settings=settings,
        seed=int.from_bytes(hashlib.sha256(f"{run.suite.seed}\n{target}".encode()).digest()[:4]),
    )


def _nothing_left_to_train(run: Run, arm: ArmConfig, trained: int = 0, checks: int = 0) -> None:
    """Takes what an M-step did not need, because it stopped early or was stored, out of the time left."""
    training = run.suite.settings_of(arm).training
    samples = len(run.problems("validation")) * run.suite.sampling.validation_samples * (training.checks - checks)
    run.progress.finished("training", training.steps - trained)
    run.progress.finished("sampling validation", samples)
    run.progress.finished(f"{VERIFYING}{arm.verifier}", samples)


def training_examples(run: Run, sampled_from: str, selection: Selection) -> list[Example]:
    """The prompts and selected responses as token ids, in the order of sample ids, with their weights.

    A response has the tokens that were drawn. Where they are not known, its text is encoded instead. That can give more
    tokens than were drawn (broken UTF-8), so an encoded response that does not fit a training row is left out.
    """
    samples = {sample.id: sample for sample in run.store.samples(sampled_from, "train")}
    questions = {problem.id: problem.question for problem in run.problems("train")}
    tokenizer = run.base.tokenizer
    examples: list[Example] = []
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
        examples.append(Example(prompt_ids=prompt_ids, response_ids=response_ids, weight=row.weight))
    if too_long:
        run.store.log("too_long", checkpoint=selection.checkpoint, examples=too_long)
    return examples


def validation_reward(
    run: Run, arm: ArmConfig, iteration: int, policy: AnyPolicy, step: int, label: str
) -> float | None:
    """Mean reward of the training verifier on the validation split, of a candidate in the middle of the M-step."""
    candidate = f"{arm.name}/{iteration}@{step}"
    label = f"{label}, step {step}"
    with ThreadPoolExecutor(1) as pool:
        hashed = pool.submit(lambda: policy.params_sha256)  # while the device samples
        draw_and_verify(run, candidate, lambda: policy, "validation", (arm.verifier,), label)
    run.progress.stage(f"{label}: {arm.verifier} verifies validation")
    run.verification.wait(candidate, "validation", arm.verifier)
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


def _validation_samples(run: Run) -> int:
    return run.suite.training.checks * len(run.problems("validation")) * run.suite.sampling.validation_samples
