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

Verifiers work while the loop goes on (stage.py); an E-step waits for the verdicts that it selects by, and nothing else
waits before the end. So that they are there in time, samples to train on are drawn as soon as there is a policy for
them: those of the bases before the first arm, those of a later iteration before the test samples.

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

from restem.harness.arms import ArmConfig
from restem.harness.loop.advantages import select_by_advantage
from restem.harness.loop.e_step import select
from restem.harness.loop.first_samples import add_first
from restem.harness.loop.learner import Source
from restem.harness.loop.maximisation import finished, maximise
from restem.harness.loop.stage import Run, base_of, draw_and_verify, first_of
from restem.harness.names import BASE, POLICY, TESTS, unmarked, verifiers_that_judge
from restem.harness.store.records import Selection


def run(run: Run) -> None:
    """Runs every arm of the suite to its last iteration."""
    with run.verification.background:
        add_first(run.store, BASE, POLICY, run.base, {})
        measure(run, BASE, base_of(run), tuple(run.verifiers), (), BASE)
        # A replicate makes the same errors under another seed.
        run.verification.begin_probes([name for name in run.suite.verifier_names if unmarked(name) == name])
        if run.until_base:
            _sample_bases(run)
        else:
            for arm in run.suite.arms:
                first = run.suite.settings_of(arm)
                add_first(run.store, first.first, first.source, run.base, run.sources)
                draw_to_train(run, arm, first.first, first_of(run, first), f"arm {arm.name}, iteration 1")
            for arm in run.suite.arms:
                run_arm(run, arm)
        run.progress.stage("all samples are drawn: verifying the last ones")


def _sample_bases(run: Run) -> None:
    """Draws and verifies the first training samples, for a plan.

    It compares all verifiers as training verifiers; further replicates of one add nothing to it.
    """
    for first in run.suite.first_bases:
        draws, judges = run.suite.first_draws(first), _planned_with(run, first)
        add_first(run.store, first, draws.source, run.base, run.sources)
        draw_and_verify(run, first, first_of(run, draws), "train", judges, BASE, draws)


def _planned_with(run: Run, first: str) -> tuple[str, ...]:
    """The verifiers whose verdicts on the training samples of a base a plan needs.

    Of the base itself, and of what the first arm draws from, these are all; of another one, those of its own arms.
    """
    suite, names = run.suite, [name for name in run.verifiers if unmarked(name) == name]
    if first in (BASE, suite.settings_of(suite.arms[0]).first):
        return tuple(names)
    own_arms = {arm.verifier for arm in suite.arms if suite.settings_of(arm).first == first}
    return tuple(name for name in names if name == suite.gold or name in own_arms)


def run_arm(run: Run, arm: ArmConfig) -> None:
    """Algorithm 1 with one training verifier."""
    settings = run.suite.settings_of(arm)
    checkpoint, policy = settings.first, base_of(run)
    for iteration in range(1, settings.iterations + 1):
        target, label = f"{arm.name}/{iteration}", f"arm {arm.name}, iteration {iteration}"
        selection = e_step(run, arm, checkpoint, target, label)
        policy = maximise(run, arm, iteration, checkpoint, policy, selection, label)
        if iteration < settings.iterations:
            draw_to_train(run, arm, target, policy, f"arm {arm.name}, iteration {iteration + 1}")
        judges = verifiers_that_judge(run.verifiers, arm.verifier)
        measure(run, target, policy, judges, () if arm.verifier in run.asking else (arm.verifier,), label)
        checkpoint = target
    if run.suite.sampling.train_at_end:
        draw_and_verify(run, checkpoint, policy, "train", (run.suite.gold,), f"arm {arm.name}, end", settings)


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


def draw_to_train(run: Run, arm: ArmConfig, checkpoint: str, policy: Source | None, label: str) -> None:
    """Draws responses to the training problems; those that the arm uses are verified by its verifier and the gold."""
    settings, verifiers = run.suite.settings_of(arm), (arm.verifier, run.suite.gold)
    drawn = run.suite.first_draws(checkpoint) if checkpoint == settings.first else settings
    draw_and_verify(run, checkpoint, policy, "train", verifiers, label, drawn, settings)


def e_step(run: Run, arm: ArmConfig, checkpoint: str, target: str, label: str) -> Selection:
    """Selects among the responses that were drawn, when the training verifier has verified them."""
    settings = run.suite.settings_of(arm)
    run.progress.stage(f"{label}: {arm.verifier} verifies train")
    run.verification.wait(checkpoint, "train", arm.verifier)
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


def measure(
    run: Run, checkpoint: str, policy: Source, verifiers: tuple[str, ...], further: tuple[str, ...], label: str
) -> None:
    """Draws from a policy on the test problems, which these verifiers judge, and on every further test set.

    Further test sets are judged by the gold and by `further`.
    """
    draw_and_verify(run, checkpoint, policy, "test", verifiers, label)
    for name in run.suite.tests:
        draw_and_verify(run, checkpoint, policy, f"{TESTS}{name}", (run.suite.gold, *further), label)
