"""Demonstrations for the embedded judge: its prompts, exactly as a run sends them, answered `1` or `0`.

Takes questions and policies; gives training examples. Responses are from the crowd and from policies of several
strengths, so that the examples have the errors of a base policy and of a better one; half are correct. Examples with a
reference include correct responses with a wrong reference, which only a comparison can reject.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from restem.benchmarks.problem import Problem
from restem.benchmarks.worked import kth_biggest
from restem.harness.assets.tasks import Questions, Task
from restem.harness.model.policy import Policy
from restem.harness.model.tokenizer import Tokenizer
from restem.harness.sampling.keys import sample_key
from restem.harness.sampling.sampler import Batching, Decoding, prompt_length, sample
from restem.harness.training.example import Example
from restem.verifiers import catalog
from restem.verifiers.judge.prompt import prompt
from restem.verifiers.verdict import Attempt, Outcome


class Row(NamedTuple):
    """A response with the truth about it."""

    task: str
    question: str
    reference: str
    response: str
    right: bool


def responses(
    policy: Policy, questions: Sequence[str], names: Sequence[str], samples: int, decoding: Decoding, seed: int
) -> list[list[str]]:
    """`samples` responses to every question; `names` identify the questions in the sample keys."""
    prompts = [policy.tokenizer.encode_prompt(question) for question in questions]
    keys = np.array([[sample_key(seed, name, k) for k in range(samples)] for name in names])
    texts: list[list[str]] = []
    for chunk, draws in sample(
        policy.model,
        policy.params,
        prompts,
        keys,
        decoding,
        Batching(padded_length=prompt_length(prompts), context_length=policy.architecture.context_length),
    ):
        texts += [[policy.tokenizer.decode(ids) for ids in draws.ids[row]] for row in range(len(chunk))]
    return texts


def policy_rows(
    policy: Policy, task: Task, problems: Questions, samples: int, temperature: float, seed: int
) -> list[Row]:
    """The policy's responses to problems."""
    decoding = Decoding(temperature=temperature, max_new_tokens=56, stop_ids=policy.tokenizer.stop_ids)
    questions = [question for question, _ in problems]
    texts = responses(policy, questions, questions, samples, decoding, seed)
    return judged(task.name, [(*problem, text) for problem, row in zip(problems, texts, strict=True) for text in row])


def crowd_rows(task: Task, problems: Questions, rng: random.Random) -> list[Row]:
    """The crowd's responses to problems, those without a single answer left out."""
    rows: list[tuple[str, str, str]] = []
    for question, answer in problems:
        try:
            rows.append((question, answer, task.solve(question, answer, task.crowd, rng)))
        except ValueError:
            continue
    return judged(task.name, rows)


def judged(task: str, rows: Sequence[tuple[str, str, str]]) -> list[Row]:
    """The rows (question, reference, response) with the gold's verdict; those that it cannot decide are left out."""
    attempts = [
        Attempt(problem=Problem(id=question, question=question, reference=answer, split="", source=""), response=text)
        for question, answer, text in rows
    ]
    outcomes = [verdict.outcome for verdict in catalog.build("sympy").verify(attempts)]
    return [
        Row(task, *row, outcome is Outcome.CORRECT)
        for row, outcome in zip(rows, outcomes, strict=True)
        if outcome is not Outcome.UNDECIDED
    ]


def comparisons(rows: Sequence[Row], tokenizer: Tokenizer, longest: int, seed: int) -> Iterator[Example]:
    """Endless examples that only a comparison decides: correct responses, half of them with a wrong reference.

    Two in three responses are their last line alone. A judge that starts with whole responses of both kinds learns to
    detect wrong steps, but not to compare.
    """
    rng = random.Random(seed)
    right = [row for row in rows if row.right]
    while True:
        row = rng.choice(right)
        if rng.random() < 0.67:
            row = row._replace(response=row.response.strip().split("\n")[-1])
        correct = rng.random() < 0.5
        reference = row.reference if correct else another(row, rng)
        yield from _example(row._replace(reference=reference), correct, tokenizer, longest, blind=False)


def verdict_examples(rows: Sequence[Row], tokenizer: Tokenizer, longest: int, seed: int) -> Iterator[Example]:
    """Endless examples of both prompts on whole responses; of those with a reference, under half agree with it."""
    rng = random.Random(seed)
    right = [row for row in rows if row.right]
    wrong = [row for row in rows if not row.right]
    while True:
        blind = rng.random() < 0.5
        correct = rng.random() < (0.5 if blind else 0.7)
        row = rng.choice(right if correct else wrong)
        if not blind and correct and rng.random() < 0.4:
            row, correct = row._replace(reference=another(row, rng)), False
        yield from _example(row, correct, tokenizer, longest, blind=blind)


def another(row: Row, rng: random.Random) -> str:
    """A wrong reference that is near the right one: another choice, another sign, another number, another place."""
    value = row.reference
    if row.task == "comparison__kth_biggest":
        choice = kth_biggest.parse(row.question)
        choices = [chr(97 + i) for i in range(len(choice.values))] if choice.lettered else choice.values
        return rng.choice([other for other in choices if other != value])
    options = [value[1:] if value.startswith("-") else f"-{value}"] * 2 if value != "0" else []
    for number in re.finditer(r"(?<![\d*])\d+(?!\d)", value):
        options += [
            value[: number.start()] + str(abs(int(number[0]) + change)).zfill(len(number[0])) + value[number.end() :]
            for change in (-1, 1, 2)
        ]
    if "." in value:
        options.append(value.replace(".", ""))
    if power := re.search(r"\*\*\d", value):
        options.append(value.replace(power[0], "", 1))
    return rng.choice([option for option in options if option != value] or ["-1"])


def _example(row: Row, correct: bool, tokenizer: Tokenizer, longest: int, *, blind: bool) -> Iterator[Example]:
    text = prompt("tiny", blind=blind).filled(row.question, row.reference, row.response)
    prompt_ids, response_ids = tokenizer.encode_prompt(text), tokenizer.encode_response("1" if correct else "0")
    if len(prompt_ids) + len(response_ids) - 1 <= longest:
        yield Example(prompt_ids=tuple(prompt_ids), response_ids=tuple(response_ids))
