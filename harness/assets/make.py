"""Trains the embedded tiny policy and tiny judge from scratch.

    uv run python -m restem.harness.assets.make tokenizer
    uv run python -m restem.harness.assets.make policy     # about an hour on two cores; can be interrupted
    uv run python -m restem.harness.assets.make judge      # half an hour more
    uv run python -m restem.harness.assets.card            # measures both and writes their cards

The policy is trained in three phases, each with its data, number of steps and learning rate (`PHASES`): correct
solutions at a constant rate, the same while the rate decays, then a short phase on solutions with mistakes
(benchmarks/worked/), which decides how often it errs. The tasks and their problems stand in tasks.py.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, cast

import click
import jax
import numpy as np
import optax
from optax.contrib import MuonDimensionNumbers, muon

from restem.harness.assets.tasks import TASKS, Questions, Task, demonstrations, pretrain_questions
from restem.harness.assets.tokenizer import train_tokenizer
from restem.harness.assets.verdicts import Row, comparisons, crowd_rows, policy_rows, verdict_examples
from restem.harness.model.architecture import ASSETS, Architecture
from restem.harness.model.mesh import make_mesh
from restem.harness.model.policy import Params, Policy, init_params, load_policy, save_policy
from restem.harness.model.tokenizer import Tokenizer
from restem.harness.training.example import Example
from restem.harness.training.loss import Batch
from restem.harness.training.m_step import batches
from restem.harness.training.optimizer_step import Step, TrainState, train_step
from restem.harness.training.packing import pack

SEED = 1
TOKENIZER = ASSETS / "tiny" / "tokenizer.model"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Phase:
    """A phase of training: steps, learning rate (first, last), whose solutions, the optimizer, and the batch's shape.

    Muon trains from scratch. AdamW trains the short phase on mistakes: Muon changes all directions of a matrix alike,
    which took more of what the policy could do.
    """

    steps: int
    rate: tuple[float, float]
    crowd: bool = False
    optimizer: Literal["muon", "adamw"] = "muon"
    rows: int = 16
    row_length: int = 128


PHASES = {
    "clean": Phase(steps=5_000, rate=(3e-3, 3e-3)),
    "decay": Phase(steps=2_500, rate=(3e-3, 5e-5)),
    "crowd": Phase(steps=400, rate=(2e-4, 2e-5), crowd=True, optimizer="adamw", rows=32),
}
JUDGE_PHASES = {
    "compare": Phase(steps=600, rate=(1.5e-3, 1.5e-3), rows=12, row_length=224),
    "judge": Phase(steps=1_400, rate=(1.5e-3, 5e-5), rows=12, row_length=224),
}


def _shape(vocab_size: int) -> Architecture:
    """Gemma 3's layer, with digits in reading order, so that other engines can load what is trained here.

    The context is longer than what it is trained on, so that word problems of other people's files fit.
    """
    return Architecture(
        vocab_size=vocab_size,
        context_length=512,
        post_norms=True,
        local_rope_base=10_000,
        global_rope_base=1_000_000,
    )


_AXES = {  # leaf -> how Muon sees it as a matrix
    "q_einsum": MuonDimensionNumbers(reduction_axis=1, output_axis=(0, 2)),
    "kv_einsum": MuonDimensionNumbers(reduction_axis=2, output_axis=(1, 3)),
    "attn_vec_einsum": MuonDimensionNumbers(reduction_axis=(0, 1), output_axis=2),
    "gating_einsum": MuonDimensionNumbers(reduction_axis=1, output_axis=2),
    "linear": MuonDimensionNumbers(reduction_axis=0, output_axis=1),
}


def _axes(params: Params) -> Any:
    def of(path: tuple[Any, ...], _: Any) -> MuonDimensionNumbers | None:
        return next((_AXES[key.key] for key in path if key.key in _AXES), None)

    return jax.tree_util.tree_map_with_path(of, params)


def _batches(examples: Iterator[Example], phase: Phase, seed: int) -> Iterator[Batch]:
    rng = np.random.default_rng(seed)
    while True:
        yield from batches(pack(list(itertools.islice(examples, 2048)), phase.row_length), phase.rows, 1, rng)


def _saved(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*[0-9]"), key=lambda path: int(path.name[5:]))


def _optimizer(phase: Phase, schedule: optax.Schedule) -> optax.GradientTransformation:
    if phase.optimizer == "adamw":
        return optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(schedule, b2=0.98, weight_decay=0.01))
    return muon(
        schedule,
        ns_steps=4,
        weight_decay=0.01,
        adam_b2=0.98,
        adam_learning_rate=schedule,
        consistent_rms=0.2,  # updates as large as AdamW's, so that one learning rate serves both
        muon_weight_dimension_numbers=cast("Any", _axes),
    )


def train_phase(
    policy: Policy, phase: Phase, examples: Callable[[int], Iterator[Example]], seed: int, folder: Path
) -> Policy:
    """The policy after a phase; saves every 500 steps.

    An interrupted phase resumes from its last save with the optimizer's moments at zero and with other examples, so
    only an uninterrupted one gives the parameters of the card.
    """
    schedule = optax.linear_schedule(*phase.rate, phase.steps)
    if phase.rate[0] == phase.rate[1]:
        schedule = optax.warmup_constant_schedule(0.0, phase.rate[0], 200)
    optimizer = _optimizer(phase, schedule)
    done, state = 0, TrainState(policy.params, optimizer.init(policy.params))
    if saved := _saved(folder):
        done = int(saved[-1].name[5:])
        params = load_policy(saved[-1]).params
        state = TrainState(params, optimizer.init(params))
        counted = [np.int32(done) if leaf.ndim == 0 else leaf for leaf in jax.tree.leaves(state.optimizer_state)]
        state = state._replace(optimizer_state=jax.tree.unflatten(jax.tree.structure(state.optimizer_state), counted))
    compiled = Step(network=policy.model, optimizer=optimizer, mesh=make_mesh())
    started, losses = time.monotonic(), []
    for step, batch in zip(
        range(done, phase.steps), _batches(examples(seed + 100 * done), phase, seed=done), strict=False
    ):
        state, loss = train_step(compiled, state, {}, batch)
        losses.append(loss)
        if (step + 1) % 100 == 0:
            mean, losses = float(np.mean(jax.device_get(losses))), []
            click.echo(f"{folder.name} step {step + 1} loss {mean:.4f} {time.monotonic() - started:.0f} s")
        if (step + 1) % 500 == 0 or step + 1 == phase.steps:
            save_policy(dataclasses.replace(policy, params=state.params), folder / f"step-{step + 1}")
    return dataclasses.replace(policy, params=state.params)


@click.group(help=__doc__)
def main() -> None:  # noqa: D103
    pass


@main.command()
def tokenizer() -> None:
    """Writes the shared SentencePiece model."""
    TOKENIZER.parent.mkdir(parents=True, exist_ok=True)
    train_tokenizer(TOKENIZER)


_work = click.option("--work", type=click.Path(path_type=Path), default=Path("runs/assets"), show_default=True)


@main.command()
@_work
def policy(work: Path) -> None:
    """Trains the tiny policy and writes it to the assets."""
    work.mkdir(parents=True, exist_ok=True)
    vocabulary = Tokenizer(path=TOKENIZER)
    questions = {task.name: pretrain_questions(task, SEED, work) for task in TASKS}
    architecture = _shape(vocabulary.vocab_size)
    params = init_params(architecture, jax.random.key(SEED))
    base = Policy(architecture=architecture, params=params, tokenizer=vocabulary)
    for index, (name, phase) in enumerate(PHASES.items()):
        examples = functools.partial(demonstrations, questions, vocabulary, phase.row_length, crowd=phase.crowd)
        base = train_phase(base, phase, examples, SEED + index, work / name)
    _publish(base, ASSETS / "tiny")


@main.command()
@_work
def judge(work: Path) -> None:
    """Trains the tiny judge, starting from the policy before the last phase, on responses of both and of the crowd."""
    able, base = (load_policy(_saved(work / name)[-1]) for name in ("decay", "crowd"))
    rows = [row for task in TASKS for row in _response_rows(able, base, task, pretrain_questions(task, SEED, work))]
    click.echo(f"{len(rows)} responses, {sum(row.right for row in rows)} right")
    # The judge reads nothing that is longer than what it was trained on.
    trained = dataclasses.replace(able, architecture=dataclasses.replace(able.architecture, context_length=256))
    for (name, phase), recipe in zip(JUDGE_PHASES.items(), (comparisons, verdict_examples), strict=True):
        examples = functools.partial(recipe, rows, base.tokenizer, phase.row_length)
        trained = train_phase(trained, phase, examples, SEED, work / name)
    _publish(trained, ASSETS / "judge")


def _response_rows(able: Policy, base: Policy, task: Task, problems: Questions) -> list[Row]:
    rng = random.Random(SEED)
    share = task.share * 2.5  # 1 for the task with the most demonstrations

    def some(count: int) -> Questions:
        return rng.sample(problems, int(count * share))

    return [
        *policy_rows(base, task, some(2048), 4, 0.7, SEED),
        *policy_rows(base, task, some(512), 4, 1.0, SEED),
        *policy_rows(able, task, some(512), 4, 1.3, SEED),
        *crowd_rows(task, some(8192), rng),
    ]


def _publish(policy: Policy, folder: Path) -> None:
    """Replaces an asset; its card stays until it is measured again."""
    card = (folder / "card.json").read_text() if (folder / "card.json").is_file() else None
    click.echo(f"{folder.name}: policy {save_policy(policy, folder)[:12]}")
    if card is not None:
        (folder / "card.json").write_text(card)


if __name__ == "__main__":
    main()
