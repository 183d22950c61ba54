"""Trains the embedded tiny policy and tiny judge from scratch.

    uv run python -m restem.harness.assets.make tokenizer
    uv run python -m restem.harness.assets.make policy     # about an hour on two cores; can be interrupted
    uv run python -m restem.harness.assets.make judge      # half an hour more
    uv run python -m restem.harness.assets.card            # measures both and writes their cards

The policy is trained in three phases, each with its data, number of steps and learning rate (`PHASES`): correct
solutions at a constant rate, the same while the rate decays, then a short phase on solutions with mistakes (crowd.py),
which decides how often it errs. All problems are from the `pretrain` split of linear_1d, which no run trains or tests
on.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import json
import multiprocessing
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import jax
import numpy as np
import optax

from restem.benchmarks.linear_1d import SHARES, draw
from restem.benchmarks.linear_equations import Equation, Term, parse_question, render_question, solution
from restem.benchmarks.problem import split_of
from restem.harness.assets.crowd import Habits, crowd_solution
from restem.harness.assets.tokenizer import train_tokenizer
from restem.harness.assets.verdicts import Row, comparisons, is_right, policy_rows, verdict_examples
from restem.harness.model.architecture import ASSETS, Architecture
from restem.harness.model.mesh import make_mesh
from restem.harness.model.policy import Policy, init_params, load_policy, save_policy
from restem.harness.model.tokenizer import Tokenizer
from restem.harness.training.loss import Batch
from restem.harness.training.m_step import batches
from restem.harness.training.optimizer_step import Step, TrainState, train_step
from restem.harness.training.packing import Example, pack

SEED = 1
ENTROPY = (3.0, 4.5)
DRAWS = 120_000
TOKENIZER = ASSETS / "tiny" / "tokenizer.model"


CAREFUL = Habits()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Phase:
    """A phase of training: steps, learning rate (first, last), mistakes in the solutions, and the batch's shape."""

    steps: int
    rate: tuple[float, float]
    habits: Habits = CAREFUL
    rows: int = 16
    row_length: int = 128


CROWD = Habits(guess=0.15, keep_sign=0.38, slip=0.05, subtract=0.3, lose_minus=0.2)
PHASES = {
    "clean": Phase(steps=6_000, rate=(1.5e-3, 1.5e-3)),
    "decay": Phase(steps=1_000, rate=(1.5e-3, 1.5e-4)),
    "crowd": Phase(steps=300, rate=(3e-4, 1e-4), habits=CROWD),
}
JUDGE_PHASES = {
    "compare": Phase(steps=700, rate=(1e-3, 1e-3), rows=12, row_length=224),
    "judge": Phase(steps=1_300, rate=(1e-3, 1e-4), rows=12, row_length=224),
}


def _draw(seed: int) -> str | None:
    question, _ = draw(seed, ENTROPY)
    return question if split_of(question, SHARES) == "pretrain" else None


def pretrain_questions(work: Path) -> list[str]:
    """The pretrain split of `DRAWS` generated questions; generated once on all cores, then read from `work`."""
    path = work / "questions.json"
    if not path.exists():
        seeds = [((SEED + 1_000_000) << 32) + i for i in range(DRAWS)]
        with multiprocessing.get_context("spawn").Pool() as pool:
            questions = [q for q in pool.imap(_draw, seeds, chunksize=500) if q]
        path.write_text(json.dumps(sorted(set(questions))))
    return json.loads(path.read_text())


def rewritten(equation: Equation, rng: random.Random) -> str:
    """The question with its terms shuffled between the two sides: another problem with the same answer."""
    terms = [*equation.left, *(Term(-t.coefficient, t.of_variable) for t in equation.right)]
    terms = [t for t in terms if t.coefficient]
    rng.shuffle(terms)
    if rng.random() < 0.5:
        terms = [Term(-t.coefficient, t.of_variable) for t in terms]
    sides: tuple[list[Term], list[Term]] = ([], [])
    for term in terms:
        sides[rng.randrange(2)].append(term)
    x = rng.choice("abcdfghijklmnopqrstuvwxyz")

    right = [Term(-t.coefficient, t.of_variable) for t in sides[1]]
    return render_question(Equation(tuple(sides[0]), tuple(right), x))


def demonstrations(questions: list[str], tokenizer: Tokenizer, habits: Habits, seed: int) -> Iterator[Example]:
    """Endless examples: half on generated questions, half on rewritten ones of the pretrain split."""
    rng = random.Random(seed)
    while True:
        question = rng.choice(questions)
        if rng.random() < 0.5:
            question = rewritten(parse_question(question), rng)
            if split_of(question, SHARES) != "pretrain":
                continue
        equation = parse_question(question)
        if solution(equation) is None:
            continue
        response = crowd_solution(equation, habits, rng)
        prompt_ids, response_ids = tokenizer.encode_prompt(question), tokenizer.encode_response(response)
        if len(prompt_ids) + len(response_ids) - 1 <= PHASES["clean"].row_length:
            yield Example(prompt_ids=tuple(prompt_ids), response_ids=tuple(response_ids))


def _batches(examples: Iterator[Example], phase: Phase, seed: int) -> Iterator[Batch]:
    rng = np.random.default_rng(seed)
    while True:
        yield from batches(pack(list(itertools.islice(examples, 2048)), phase.row_length), phase.rows, 1, rng)


def _saved(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*[0-9]"), key=lambda path: int(path.name[5:]))


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
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adamw(schedule, b2=0.98, weight_decay=0.01))
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
    vocabulary = Tokenizer(path=TOKENIZER, little_endian=True)
    questions = pretrain_questions(work)
    architecture = Architecture(vocab_size=vocabulary.vocab_size)
    params = init_params(architecture, jax.random.key(SEED))
    base = Policy(architecture=architecture, params=params, tokenizer=vocabulary)
    for index, (name, phase) in enumerate(PHASES.items()):
        examples = functools.partial(demonstrations, questions, vocabulary, phase.habits)
        base = train_phase(base, phase, examples, SEED + index, work / name)
    _publish(base, ASSETS / "tiny")


@main.command()
@_work
def judge(work: Path) -> None:
    """Trains the tiny judge, starting from the policy before the last phase, on responses of both and of the crowd."""
    able, base = (load_policy(_saved(work / name)[-1]) for name in ("decay", "crowd"))
    questions = pretrain_questions(work)
    rows = _response_rows(able, base, questions)
    click.echo(f"{len(rows)} responses, {sum(map(is_right, rows))} right")
    trained = able
    for (name, phase), recipe in zip(JUDGE_PHASES.items(), (comparisons, verdict_examples), strict=True):
        examples = functools.partial(recipe, rows, base.tokenizer, phase.row_length)
        trained = train_phase(trained, phase, examples, SEED, work / name)
    _publish(trained, ASSETS / "judge")


def _response_rows(able: Policy, base: Policy, questions: list[str]) -> list[Row]:
    rng = random.Random(SEED)
    chosen = rng.sample(questions, 2048)
    rows = policy_rows(base, chosen, 4, 0.7, SEED) + policy_rows(base, rng.sample(questions, 512), 4, 1.0, SEED)
    rows += policy_rows(able, rng.sample(questions, 512), 4, 1.3, SEED)
    for question in rng.sample(questions, 8192):
        equation = parse_question(question)
        rows.append((question, str(solution(equation)), crowd_solution(equation, CROWD, rng)))
    return rows


def _publish(policy: Policy, folder: Path) -> None:
    """Replaces an asset; its card stays until it is measured again."""
    card = (folder / "card.json").read_text() if (folder / "card.json").is_file() else None
    click.echo(f"{folder.name}: parameters {save_policy(policy, folder)[:12]}")
    if card is not None:
        (folder / "card.json").write_text(card)


if __name__ == "__main__":
    main()
