"""The sampler against decoding from scratch, against gemma's own sampler, and against itself in other batches."""

from __future__ import annotations

import dataclasses
import enum
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from restem.harness.errors import NonFiniteLogits, PromptTooLong
from restem.harness.model.gemma import forward
from restem.harness.model.policy import Policy
from restem.harness.sampling.decoding import SORTED_FROM, choose
from restem.harness.sampling.device_sampler import cache_stages
from restem.harness.sampling.keys import sample_key
from restem.harness.sampling.sampler import Batching, Decoding, Draws, Work, sample, shared_prefix

QUESTIONS = [
    "Solve 3*x - 2 = 4 for x.",
    "Solve -22 = 3*u + 8*u for u.",
    "Solve 5 - 7 = 2*k for k.",
    "Solve 0 = -17*a + 21*a + 104 for a.",
    "Solve 6*t = 6 for t.",
]
LIMIT = 40
COMPUTES = ("float32", "mixed", "bfloat16")


def decoding(policy: Policy, **changes: int | float) -> Decoding:
    return Decoding(**{"max_new_tokens": LIMIT, "stop_ids": policy.tokenizer.stop_ids, **changes})  # type: ignore[arg-type]


def draw(
    policy: Policy,
    questions: list[str],
    samples: int,
    slots: int,
    settings: Decoding,
    padded: int = 32,
    work: Work | None = None,
    prefix_length: int = 0,
    compute: str = "float32",
) -> Draws:
    prompts = [policy.tokenizer.encode_prompt(question) for question in questions]
    keys = np.array([[sample_key(0, question, k) for k in range(samples)] for question in questions])
    batching = Batching(
        padded_length=padded, context_length=128, slots=slots, prefix_length=prefix_length, compute=compute
    )
    parts = [
        draws
        for _, draws in sample(
            policy.model,
            policy.params,
            prompts,
            keys,
            settings,
            batching,
            work=work,
        )
    ]
    return Draws(*(np.concatenate(fields) for fields in zip(*parts, strict=True)))


def greedy_from_scratch(policy: Policy, question: str) -> list[int]:
    """One token at a time, the whole sequence through the model each time, no cache."""
    ids = policy.tokenizer.encode_prompt(question)
    start = len(ids)
    run = jax.jit(lambda tokens, last: forward(policy.model, policy.params, tokens).logits[0, last])
    while len(ids) < start + LIMIT:
        padded = np.zeros((1, 80), np.int32)
        padded[0, : len(ids)] = ids
        ids.append(int(jnp.argmax(run(padded, len(ids) - 1))))
        if ids[-1] in policy.tokenizer.stop_ids:
            break
    return ids[start:]


def test_cached_decoding_equals_decoding_from_scratch(tiny: Policy) -> None:
    draws = draw(tiny, QUESTIONS, 1, 8, decoding(tiny, top_k=1))
    for i, question in enumerate(QUESTIONS):
        assert draws.ids[i, 0, : draws.lengths[i, 0]].tolist() == greedy_from_scratch(tiny, question)


def test_greedy_equals_gemmas_own_sampler(tiny: Policy) -> None:
    from gemma.gm.text import _sampler, _tokenizer

    class Special(_tokenizer.SpecialTokens, enum.IntEnum):
        PAD, EOS, BOS, UNK, START_OF_TURN, END_OF_TURN = 0, 1, 2, 3, 4, 5
        BEGIN_OF_TOOL_RESPONSE = 351

    class Adapter(_tokenizer.Tokenizer):
        special_tokens = Special

        def encode(self, text: str, **_: bool) -> list[int]:
            return tiny.tokenizer.encode_prompt(text)

        def decode(self, ids: list[int]) -> str:
            return tiny.tokenizer.decode(ids)

    assert tiny.tokenizer.stop_ids[1] == Special.END_OF_TURN
    sampler = _sampler.Sampler(
        model=tiny.model,
        params=tiny.params,
        tokenizer=Adapter(path=str(tiny.tokenizer.path)),
        cache_length=128,
        max_out_length=LIMIT,
        pad_length=32,
    )
    with jax.numpy_dtype_promotion("standard"):
        theirs = sampler.sample(QUESTIONS, return_state=True, max_new_tokens=LIMIT)
    ours = draw(tiny, QUESTIONS, 1, 8, decoding(tiny, top_k=1))
    assert np.array_equal(np.asarray(theirs.tokens), ours.ids[:, 0])


@pytest.mark.parametrize(("slots", "padded"), [(4, 32), (8, 48), (64, 32)])
def test_a_sample_does_not_depend_on_its_batch(tiny: Policy, slots: int, padded: int) -> None:
    together = draw(tiny, QUESTIONS, 4, 32, decoding(tiny))
    for order in (QUESTIONS, QUESTIONS[::-1]):
        other = draw(tiny, order, 4, slots, decoding(tiny), padded)
        for i, question in enumerate(order):
            assert np.array_equal(other.ids[i], together.ids[QUESTIONS.index(question)])


@pytest.mark.parametrize("compute", COMPUTES)
def test_refilled_slots_give_the_same_samples_to_the_last_bit(tiny: Policy, compute: str) -> None:
    """320 samples in 128 and in 256 slots, and part of them alone, as after a stop: other batches, another order."""
    small, large = Work(), Work()
    first = draw(tiny, QUESTIONS, 64, 128, decoding(tiny), work=small, compute=compute)
    again = draw(tiny, QUESTIONS, 64, 256, decoding(tiny), work=large, compute=compute)
    part = draw(tiny, QUESTIONS[3:], 64, 128, decoding(tiny), compute=compute)
    for field in Draws._fields:
        assert np.array_equal(getattr(first, field), getattr(again, field))
        assert np.array_equal(getattr(first, field)[3:], getattr(part, field))
    assert small.useful == large.useful == first.lengths.sum()
    assert small.useful < small.slot_steps
    assert large.useful < large.slot_steps < 1.3 * large.useful


@pytest.mark.parametrize("compute", COMPUTES[1:])
def test_samples_in_bfloat16_are_near_those_of_float32(tiny: Policy, compute: str) -> None:
    exact, rounded = (draw(tiny, QUESTIONS, 64, 128, decoding(tiny), compute=kind) for kind in ("float32", compute))
    same = (rounded.ids == exact.ids).all(-1)
    assert 0.5 < same.mean() < 1  # equal random numbers: only those near the boundary of two tokens give another token
    off = np.abs(rounded.logprobs - exact.logprobs)[same]
    assert 0 < off.mean() < 0.1


def test_more_samples_than_slots_are_drawn_in_parts(tiny: Policy) -> None:
    whole = draw(tiny, QUESTIONS[:1], 50, 64, decoding(tiny))
    assert np.array_equal(whole.ids, draw(tiny, QUESTIONS[:1], 50, 8, decoding(tiny)).ids)


def test_a_prefix_computed_once_changes_no_sample(tiny: Policy) -> None:
    prompts = [tiny.tokenizer.encode_prompt(question) for question in QUESTIONS]
    common = min(
        next(i for i, pair in enumerate(zip(prompts[0], p, strict=False)) if len({*pair}) > 1) for p in prompts[1:]
    )
    assert common >= 4
    plain, shared = (draw(tiny, QUESTIONS, 4, 16, decoding(tiny), prefix_length=known) for known in (0, common))
    assert np.array_equal(plain.ids, shared.ids)
    assert plain.logprobs == pytest.approx(shared.logprobs, abs=1e-4)


def test_the_shared_prefix_leaves_every_prompt_a_token_of_its_own() -> None:
    long = list(range(1, 130))
    assert shared_prefix([long, [*long[:100], 7]]) == 64
    assert shared_prefix([long, long[:64]]) == 0
    assert shared_prefix([long, long]) == 128
    assert shared_prefix([long, [9, *long]]) == 0


def test_top_p_leaves_the_likeliest_tokens_alone(tiny: Policy) -> None:
    prompt = tiny.tokenizer.encode_prompt(QUESTIONS[0])
    logits = np.asarray(forward(tiny.model, tiny.params, jnp.array([prompt])).logits[0, -1], np.float64) / 3
    order = np.argsort(-logits)
    sums = np.cumsum(np.exp(logits[order] - np.logaddexp.reduce(logits)))
    nucleus = order[: int(np.searchsorted(sums, 0.8)) + 1].tolist()
    assert 1 < len(nucleus) < len(order)
    settings = Decoding(temperature=3.0, top_k=len(order), top_p=0.8, max_new_tokens=1)
    assert set(draw(tiny, QUESTIONS[:1], 2000, 512, settings).ids.ravel().tolist()) == set(nucleus)


@pytest.mark.parametrize("vocabulary", [SORTED_FROM - 1, SORTED_FROM])
def test_no_token_outside_the_top_k_is_drawn_even_at_the_end_of_the_distribution(vocabulary: int) -> None:
    """At this key the uniform number is 1 to the last bit, where a sum that rose by rounding would be hit."""
    logits = jax.random.normal(jax.random.key(0), (2048, vocabulary)) * 3
    keys = jnp.broadcast_to(jnp.array([0, 3353848], jnp.uint32), (2048, 2))
    token, logprob = jax.jit(choose)(Decoding(top_k=40), logits, keys, jnp.zeros(2048, jnp.int32))
    assert np.isfinite(np.asarray(logprob)).all()
    assert (np.sum(np.asarray(logits > jnp.take_along_axis(logits, token[:, None], 1)), axis=1) < 40).all()


@pytest.mark.parametrize("vocabulary", [SORTED_FROM - 1, SORTED_FROM])
@pytest.mark.parametrize("top_p", [1.0, 0.6])
def test_tokens_of_any_vocabulary_follow_the_distribution_over_the_likeliest(vocabulary: int, top_p: float) -> None:
    """4,000 tokens of one row of logits against the softmax of its top 5; a false alarm has probability 1e-5."""
    row = np.asarray(jax.random.normal(jax.random.key(3), (vocabulary,)))
    keys = np.array([sample_key(2, k) for k in range(4000)])
    settings = Decoding(top_k=5, top_p=top_p, temperature=0.9)
    zeros = jnp.zeros(4000, jnp.int32)
    tokens, logprobs = jax.jit(choose)(settings, jnp.broadcast_to(row, (4000, vocabulary)), keys, zeros)
    top = np.argsort(-row)[:5]
    shares = np.exp(row[top] / 0.9) / np.exp(row[top] / 0.9).sum()
    shares *= np.cumsum(shares) - shares < top_p
    shares /= shares.sum()
    drawn = np.array([(np.asarray(tokens) == token).mean() for token in top])
    assert drawn.sum() == pytest.approx(1)
    assert np.all(np.abs(drawn - shares) <= 4.8 * np.sqrt(shares * (1 - shares) / 4000))
    of_token = dict(zip(top.tolist(), shares, strict=True))
    np.testing.assert_allclose(logprobs, np.log([of_token[token] for token in tokens.tolist()]), atol=1e-4)


def test_samples_of_a_problem_differ_and_repeat(tiny: Policy) -> None:
    first, again = (draw(tiny, QUESTIONS, 8, 32, decoding(tiny, temperature=1.5)) for _ in range(2))
    assert np.array_equal(first.ids, again.ids)
    assert len({tuple(tokens) for tokens in first.ids.reshape(-1, LIMIT)}) > len(QUESTIONS)


def test_draws_follow_the_top_k_distribution(tiny: Policy) -> None:
    """First tokens of 2,000 samples against the softmax of the top 3 logits; a false alarm has probability 1e-6."""
    settings = decoding(tiny, top_k=3, max_new_tokens=1, temperature=1.3)
    prompt = tiny.tokenizer.encode_prompt(QUESTIONS[0])
    keys = np.array([[sample_key(1, k) for k in range(2000)]])
    ((_, draws),) = sample(
        tiny.model, tiny.params, [prompt], keys, settings, Batching(padded_length=32, context_length=128, slots=2000)
    )
    logits = np.asarray(forward(tiny.model, tiny.params, jnp.array([prompt])).logits[0, -1]) / 1.3
    top = np.argsort(logits)[-3:]
    expected = np.exp(logits[top] - logits[top].max())
    expected /= expected.sum()
    observed = np.array([(draws.ids[0, :, 0] == token).mean() for token in top])
    assert observed.sum() == 1.0
    assert np.all(np.abs(observed - expected) < 5 * np.sqrt(expected * (1 - expected) / 2000) + 1e-3)


def test_log_probabilities_are_those_of_the_sampling_distribution(tiny: Policy) -> None:
    settings = decoding(tiny)
    draws = draw(tiny, QUESTIONS[:1], 1, 8, settings)
    ids = draws.ids[0, 0, : draws.lengths[0, 0]].tolist()
    prompt = tiny.tokenizer.encode_prompt(QUESTIONS[0])
    logits = np.asarray(forward(tiny.model, tiny.params, jnp.array([prompt + ids])).logits[0], np.float64)
    total = 0.0
    for position, token in enumerate(ids):
        values = np.sort(logits[len(prompt) - 1 + position])[-settings.top_k :] / settings.temperature
        total += logits[len(prompt) - 1 + position][token] / settings.temperature - np.logaddexp.reduce(values)
    assert draws.logprobs[0, 0] == pytest.approx(total, abs=1e-3)


def test_a_sample_that_never_stops_ends_at_the_limit_and_is_marked(tiny: Policy) -> None:
    draws = draw(tiny, QUESTIONS, 1, 8, Decoding(top_k=1, max_new_tokens=5))
    assert draws.lengths.tolist() == [[5]] * len(QUESTIONS)
    assert not draws.stopped.any()


@pytest.mark.parametrize("top_k", [1, 40])
def test_logits_that_are_not_finite_are_an_error(tiny: Policy, top_k: int) -> None:
    broken = dataclasses.replace(tiny, params=jax.tree.map(lambda leaf: leaf * jnp.nan, tiny.params))
    with pytest.raises(NonFiniteLogits):
        draw(broken, QUESTIONS[:1], 2, 8, decoding(tiny, top_k=top_k))


def test_closing_the_iterator_ends_all_threads(tiny: Policy) -> None:
    prompts = [tiny.tokenizer.encode_prompt(question) for question in QUESTIONS]
    keys = np.array([[sample_key(0, question, k) for k in range(64)] for question in QUESTIONS])
    work = Work()
    parts = sample(
        tiny.model,
        tiny.params,
        prompts,
        keys,
        decoding(tiny),
        Batching(padded_length=32, context_length=128, slots=8),
        work=work,
    )
    next(parts)
    parts.close()
    assert work.useful < len(QUESTIONS) * 64 * 10
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("sampler")]


def test_a_prompt_that_does_not_fit_is_an_error(tiny: Policy) -> None:
    with pytest.raises(PromptTooLong, match="prompt 0 has"):
        draw(tiny, ["Solve " + "1" * 60 + " = x for x."], 1, 8, decoding(tiny))


@given(st.integers(1, 600), st.integers(1, 2000), st.integers(1, 512))
def test_every_cache_has_room_for_a_prompt_and_the_largest_for_a_whole_sequence(
    padded: int, longest: int, slots: int
) -> None:
    stages = cache_stages(padded, longest, slots)
    assert stages == sorted(set(stages))
    assert stages[-1] == padded + longest
    assert all(columns > padded for columns in stages)
