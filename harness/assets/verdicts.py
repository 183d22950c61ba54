"""Demonstrations for the embedded judge: prompts exactly as the embedded judge is sent them, answered `1` or `0`.

Takes questions and policies; gives training examples. Responses come from the crowd and from policies of several
strengths, so that the judge has seen the errors of a base policy and those of a better one; half are right. The judge
that sees the reference also meets right answers beside another reference, which only a comparison can refuse.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np

from restem.benchmarks.linear_equations import parse_question, solution
from restem.harness.model.policy import Policy
from restem.harness.model.tokenizer import Tokenizer
from restem.harness.sampling.sampler import Batching, Decoding, prompt_length, sample, sample_key
from restem.harness.training.packing import Example
from restem.verifiers.judge.prompt import prompt

Row: TypeAlias = tuple[str, str, str]  # question, reference, response


def responses(
    policy: Policy, questions: Sequence[str], names: Sequence[str], samples: int, decoding: Decoding, seed: int
) -> list[list[str]]:
    """`samples` responses to every question; `names` tell their random numbers apart."""
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


def policy_rows(policy: Policy, questions: Sequence[str], samples: int, temperature: float, seed: int) -> list[Row]:
    """The policy's own responses to questions, with the right answers."""
    decoding = Decoding(temperature=temperature, max_new_tokens=56, stop_ids=policy.tokenizer.stop_ids)
    texts = responses(policy, questions, questions, samples, decoding, seed)
    answers = [str(solution(parse_question(question))) for question in questions]
    return [(q, answer, text) for q, answer, own in zip(questions, answers, texts, strict=True) for text in own]


def is_right(row: Row) -> bool:
    """Whether the response's last line is `<variable> = <reference>`."""
    question, reference, response = row
    return response.strip().split("\n")[-1] == f"{parse_question(question).variable} = {reference}"


def comparisons(rows: Sequence[Row], tokenizer: Tokenizer, longest: int, seed: int) -> Iterator[Example]:
    """Endless examples that only a comparison with the reference decides: nothing but the last value differs.

    Two in three responses are one line long. A judge that starts with whole mixed responses learns to spot bad steps
    and never to compare.
    """
    rng = random.Random(seed)
    right = [row for row in rows if is_right(row)]
    while True:
        question, reference, response = rng.choice(right)
        if rng.random() < 0.67:
            reference = str(rng.randint(-20, 20))
            response = f"{parse_question(question).variable} = {reference}"
        correct = rng.random() < 0.5
        if not correct:
            reference = another(reference, rng)
        yield from _example(question, reference, response, correct, tokenizer, longest, blind=False)


def verdict_examples(rows: Sequence[Row], tokenizer: Tokenizer, longest: int, seed: int) -> Iterator[Example]:
    """Endless examples of both prompts on whole responses; under half of those with a reference agree with it."""
    rng = random.Random(seed)
    right = [row for row in rows if is_right(row)]
    wrong = [row for row in rows if not is_right(row)]
    while True:
        blind = rng.random() < 0.5
        correct = rng.random() < (0.5 if blind else 0.7)
        question, reference, response = rng.choice(right if correct else wrong)
        if not blind and correct and rng.random() < 0.4:
            reference, correct = another(reference, rng), False
        yield from _example(question, reference, response, correct, tokenizer, longest, blind=blind)


def another(value: str, rng: random.Random) -> str:
    """A different integer: a near one, or the same with the other sign."""
    number = int(value)
    return str(rng.choice([n for n in (-number, -number, number - 1, number + 1, number + 2) if n != number]))


def _example(
    question: str, reference: str, response: str, correct: bool, tokenizer: Tokenizer, longest: int, *, blind: bool
) -> Iterator[Example]:
    prompt_ids = tokenizer.encode_prompt(prompt("tiny", blind=blind).filled(question, reference, response))
    response_ids = tokenizer.encode_response("1" if correct else "0")
    if len(prompt_ids) + len(response_ids) - 1 <= longest:
        yield Example(prompt_ids=tuple(prompt_ids), response_ids=tuple(response_ids))
