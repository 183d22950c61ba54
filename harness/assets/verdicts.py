"""Demonstrations for the embedded judge: its prompts, exactly as a run sends them, answered `1` or `0`.

Takes questions and policies; gives training examples. Responses are from the crowd and from policies of several
strengths, so that the examples have the errors of a base policy and of a better one; half are correct. Examples with a
reference include correct responses with a wrong reference, which only a comparison can reject.
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


def policy_rows(policy: Policy, questions: Sequence[str], samples: int, temperature: float, seed: int) -> list[Row]:
    """The policy's responses to questions, with the correct answers."""
    decoding = Decoding(temperature=temperature, max_new_tokens=56, stop_ids=policy.tokenizer.stop_ids)
    texts = responses(policy, questions, questions, samples, decoding, seed)
    answers = [str(solution(parse_question(question))) for question in questions]
    return [(q, answer, text) for q, answer, drawn in zip(questions, answers, texts, strict=True) for text in drawn]


def is_right(row: Row) -> bool:
    """Whether the response's last line is `<variable> = <reference>`."""
    question, reference, response = row
    return response.strip().split("\n")[-1] == f"{parse_question(question).variable} = {reference}"


def comparisons(rows: Sequence[Row], tokenizer: Tokenizer, longest: int, seed: int) -> Iterator[Example]:
    """Endless examples that only a comparison decides: correct responses, half of them with a wrong reference.

    Two in three responses are a single line. A judge that starts with whole responses of both kinds learns to detect
    wrong steps, but not to compare.
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
    """Endless examples of both prompts on whole responses; of those with a reference, under half agree with it."""
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
    """Another integer: a near one, or the same with the opposite sign."""
    number = int(value)
    return str(rng.choice([n for n in (-number, -number, number - 1, number + 1, number + 2) if n != number]))


def _example(
    question: str, reference: str, response: str, correct: bool, tokenizer: Tokenizer, longest: int, *, blind: bool
) -> Iterator[Example]:
    prompt_ids = tokenizer.encode_prompt(prompt("tiny", blind=blind).filled(question, reference, response))
    response_ids = tokenizer.encode_response("1" if correct else "0")
    if len(prompt_ids) + len(response_ids) - 1 <= longest:
        yield Example(prompt_ids=tuple(prompt_ids), response_ids=tuple(response_ids))
