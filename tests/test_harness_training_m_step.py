"""The loss against NumPy, micro-batches against one batch, and what training changes and what it does not."""

from __future__ import annotations

import dataclasses
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from restem.harness.errors import NonFiniteLoss
from restem.harness.model import mesh
from restem.harness.model.architecture import Architecture
from restem.harness.model.gemma import forward
from restem.harness.model.matmul_precision import product_weights
from restem.harness.model.mesh import make_mesh
from restem.harness.model.policy import Params, Policy, init_params, params_hash
from restem.harness.settings import TrainingConfig
from restem.harness.training import m_step
from restem.harness.training.example import Example
from restem.harness.training.loss import Batch, Likelihood, weighted_nll
from restem.harness.training.optimizer_step import Step, TrainState, nan_unless_finite, train_step
from restem.harness.training.packing import pack


def example(policy: Policy, question: str, response: str, weight: float = 1.0) -> Example:
    return Example(
        prompt_ids=tuple(policy.tokenizer.encode_prompt(question)),
        response_ids=tuple(policy.tokenizer.encode_response(response)),
        weight=weight,
    )


@pytest.fixture(scope="module")
def small(tiny: Policy) -> Policy:
    """A policy that compiles in a moment."""
    architecture = Architecture(vocab_size=406, embed_dim=16, hidden_dim=32, num_layers=2, num_heads=2, head_dim=8)
    return dataclasses.replace(tiny, architecture=architecture, params=init_params(architecture, jax.random.key(0)))


@pytest.fixture(scope="module")
def three(tiny: Policy) -> list[Example]:
    return [
        example(tiny, "Solve 3*x = 6 for x.", "x = 6/3\nx = 2"),
        example(tiny, "Solve 2*y + 1 = 6 for y.", "2*y = 6 - 1\n2*y = 5", 0.5),
        example(tiny, "Solve k = 6 for k.", "k = 6", 2.0),
    ]


def losses_of(policy: Policy, e: Example) -> list[float]:
    """The negative log-likelihood of every response token, by NumPy."""
    sequence = [*e.prompt_ids, *e.response_ids]
    logits = np.asarray(forward(policy.model, policy.params, np.array([sequence[:-1]])).logits[0], np.float64)
    places = range(len(e.prompt_ids) - 1, len(sequence) - 1)
    return [float(np.logaddexp.reduce(logits[place]) - logits[place][sequence[place + 1]]) for place in places]


def test_the_loss_equals_numpys_on_every_example_alone(small: Policy, three: list[Example]) -> None:
    total = weight = 0.0
    for e in three:
        losses = losses_of(small, e)
        total += e.weight * sum(losses)
        weight += e.weight * len(losses)
    batch = pack(three, 80)
    assert float(weighted_nll(small.model, small.params, batch)) == pytest.approx(total, rel=1e-4)
    assert float(batch.weights.sum()) == pytest.approx(weight)
    step = Step(network=small.model, optimizer=m_step.optimizer_of("sgd", 1e-4, 0, 1), mesh=make_mesh())
    params = jax.tree.map(jnp.copy, small.params)
    state = TrainState(params, step.optimizer.init(params))
    _, value = train_step(step, state, {}, Batch(*(field[None] for field in batch)))
    assert float(value) == pytest.approx(total / weight, rel=1e-4)


def test_a_rejected_example_adds_its_negative_weight_times_a_bounded_loss(tiny: Policy) -> None:
    chosen = [
        example(tiny, "Solve 3*x = 6 for x.", "x = 6/3\nx = 2", 1.5),
        example(tiny, "Solve 3*x = 6 for x.", "x = 6/3\nx = 3", -0.5),
        example(tiny, "Solve 3*x = 6 for x.", "the cat", -1.0),
    ]
    total = weight = 0.0
    for e in chosen:
        nll = np.array(losses_of(tiny, e))
        total += e.weight * (nll if e.weight > 0 else 1 - np.exp(-nll)).sum()
        weight += abs(e.weight) * len(nll)
    batch = pack(chosen, 80)
    assert float(weighted_nll(tiny.model, tiny.params, batch)) == pytest.approx(total, rel=1e-4)
    assert float(batch.magnitudes.sum()) == pytest.approx(weight)


def test_training_on_rejected_examples_is_bounded(small: Policy, three: list[Example]) -> None:
    learnt = dataclasses.replace(small, params=run_fit(small, three, steps=30, learning_rate=0.02).params)
    rejected = [dataclasses.replace(e, weight=-e.weight) for e in three]
    losses = run_fit(learnt, rejected, steps=30, checks=0, learning_rate=0.02).losses
    assert losses[-1] < losses[0]
    assert min(losses) >= -1


def test_a_prompts_tokens_have_no_loss(three: list[Example]) -> None:
    batch = pack(three[:1], 80)
    assert (np.asarray(batch.weights) > 0).sum() == len(three[0].response_ids)


def run_fit(policy: Policy, chosen: list[Example], check: object = lambda step, params: None, **changes: object):
    config = TrainingConfig(**{"steps": 6, "rows": 2, "row_length": 80, "checks": 2, **changes})  # type: ignore[arg-type]
    return m_step.fit(policy, chosen, config, 0, check)  # type: ignore[arg-type]


def test_training_lowers_the_loss_and_leaves_the_base_alone(small: Policy, three: list[Example]) -> None:
    before = params_hash(small.params)
    fitted = run_fit(small, three)
    assert fitted.losses[-1] < fitted.losses[0]
    assert params_hash(small.params) == before != params_hash(fitted.params)


def test_training_twice_gives_the_same_parameters(small: Policy, three: list[Example]) -> None:
    assert params_hash(run_fit(small, three).params) == params_hash(run_fit(small, three).params)


@pytest.mark.parametrize("trainable", ["full", "lora"])
def test_a_step_is_compiled_once_however_many_are_taken(small: Policy, three: list[Example], trainable: str) -> None:
    before = train_step._cache_size()  # type: ignore[attr-defined]
    run_fit(small, three, steps=4, row_length=72, trainable=trainable)
    assert train_step._cache_size() == before + 1  # type: ignore[attr-defined]


def test_training_stops_where_the_validation_reward_falls(small: Policy, three: list[Example]) -> None:
    rewards = {2: 0.5, 4: 0.4, 6: 0.9}
    seen: dict[int, str] = {}

    def check(step: int, params: Params) -> float:
        seen[step] = params_hash(params)
        return rewards[step]

    fitted = run_fit(small, three, check, checks=3)
    assert (fitted.steps, fitted.validation_reward, sorted(seen)) == (2, 0.5, [2, 4])
    assert params_hash(fitted.params) == seen[2]


def close(a: Params, b: Params, atol: float = 1e-5) -> None:
    for left, right in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_allclose(left, right, atol=atol)


# Plain SGD shows the gradient itself; AdamW would hide its size.
ONE_STEP = {"optimizer": "sgd", "learning_rate": 0.1, "steps": 1, "checks": 0, "row_length": 32}


def test_micro_batches_of_different_weight_equal_one_large_batch(small: Policy, three: list[Example]) -> None:
    large = run_fit(small, three, **ONE_STEP, rows=3)
    micro = run_fit(small, three, **ONE_STEP, rows=1, accumulate=3)
    close(micro.params, large.params)
    assert micro.losses == pytest.approx(large.losses, rel=1e-5)


def test_accumulating_all_is_one_batch_of_every_example_once(small: Policy, three: list[Example]) -> None:
    every = run_fit(small, three, **ONE_STEP, rows=2, accumulate_all=True)  # three rows: a fourth is empty
    close(every.params, run_fit(small, three, **ONE_STEP, rows=3).params)


def test_training_in_bfloat16_keeps_float32_parameters_near_those_of_float32(
    small: Policy, three: list[Example]
) -> None:
    exact = run_fit(small, three)
    rough = run_fit(small, three, compute_dtype="bfloat16")
    assert {leaf.dtype for leaf in jax.tree.leaves(rough.params)} == {np.dtype("float32")}
    assert rough.losses == pytest.approx(exact.losses, rel=0.03)
    assert rough.losses != exact.losses


def test_training_with_mixed_products_is_nearer_to_float32_than_bfloat16_is(
    small: Policy, three: list[Example]
) -> None:
    exact, mixed, rough = (
        run_fit(small, three, compute_dtype=kind).losses for kind in ("float32", "mixed", "bfloat16")
    )
    assert mixed == pytest.approx(exact, rel=0.01)
    assert 0 < np.abs(np.subtract(mixed, exact)).max() < np.abs(np.subtract(rough, exact)).max()


def test_rematerialised_layers_give_the_same_training(small: Policy, three: list[Example]) -> None:
    close(run_fit(small, three, remat=True).params, run_fit(small, three).params)


def test_a_loss_that_is_not_finite_stops_training(small: Policy, three: list[Example]) -> None:
    broken = dataclasses.replace(small, params=jax.tree.map(lambda leaf: leaf * float("nan"), small.params))
    with pytest.raises(NonFiniteLoss, match=r"^step 1 "):
        run_fit(broken, three)


def test_a_learning_rate_that_explodes_stops_before_any_check_of_what_it_made(
    small: Policy, three: list[Example]
) -> None:
    before = params_hash(small.params)
    checked: list[int] = []

    def check(step: int, params: Params) -> None:
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(params))
        checked.append(step)

    with pytest.raises(NonFiniteLoss, match=r"^step [2-8] "):
        run_fit(small, three, check, optimizer="sgd", learning_rate=1e30, steps=8, checks=8)
    assert checked == list(range(1, len(checked) + 1))
    assert params_hash(small.params) == before


def test_a_loss_is_nan_where_a_parameter_has_overflowed(small: Policy) -> None:
    overflowed = {**small.params, "last": jnp.array([1.0, jnp.inf])}
    losses = [nan_unless_finite(jnp.float32(2), params) for params in (small.params, overflowed)]
    assert (float(losses[0]), bool(np.isnan(losses[1]))) == (2.0, True)


def test_a_gradient_that_is_not_finite_makes_the_loss_nan(small: Policy, three: list[Example]) -> None:
    @dataclasses.dataclass(frozen=True)
    class Steep(Likelihood):
        """A finite loss with an infinite gradient."""

        def summed(self, nll: jax.Array, *fields: jax.Array) -> jax.Array:
            return jnp.sqrt(jnp.sum(nll) * 0)

    step = Step(
        network=small.model, optimizer=m_step.optimizer_of("sgd", 1e-3, 1, 6), mesh=make_mesh(), objective=Steep()
    )
    state = TrainState(jax.tree.map(jnp.copy, small.params), step.optimizer.init(small.params))
    batch = next(m_step.batches(pack(three, 80), 2, 1, np.random.default_rng(0)))
    assert np.isnan(train_step(step, state, {}, batch)[1])


@pytest.mark.skipif(jax.local_device_count() < 2, reason="needs two devices")
@pytest.mark.parametrize(("compute", "gathered"), [("float32", {"f32"}), ("bfloat16", {"bf16"}), ("mixed", None)])
def test_sharded_leaves_are_gathered_in_the_type_they_are_used_in_and_again_in_the_backward_pass(
    small: Policy, three: list[Example], compute: str, gathered: set[str] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mesh, "MIN_SHARDED_SIZE", 100)  # all but the norms' scales
    two = mesh.make_mesh(2)
    step = Step(network=small.model, optimizer=m_step.optimizer_of("sgd", 0.1, 0, 1), compute=compute, mesh=two)
    params = mesh.shard(small.params, mesh.shardings_of(two, small.params, over_data=True))
    batch = next(m_step.batches(pack(three, 80), 2, 1, np.random.default_rng(0)))
    text = train_step.lower(step, TrainState(params, step.optimizer.init(params)), {}, batch).as_text()  # type: ignore[attr-defined]
    gathers = re.findall(r"stablehlo\.all_gather.*-> tensor<(?:\d+x)+(\w+)>", text)
    summed = re.findall(r"stablehlo\.reduce_scatter.*?\(tensor<(?:\d+x)+(\w+)>\)", text, re.DOTALL)
    leaves = sum(leaf.size >= 100 for leaf in jax.tree.leaves(params))
    products = len(product_weights(small.model, small.params))
    assert (len(gathers), set(summed)) == (2 * leaves, {"f32"})
    assert gathered is None or set(gathers) == gathered
    assert compute != "mixed" or (0 < gathers.count("bf16") == 2 * products < 2 * leaves)
