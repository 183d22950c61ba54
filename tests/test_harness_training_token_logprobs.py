"""Log-probabilities of tokens beside those of the network's own logits."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from restem.harness.model.gemma import forward
from restem.harness.training.token_logprobs import token_logprobs
from tests.small_policy import small_policy


@pytest.mark.parametrize("length", [2, 63, 64, 65])
def test_they_are_those_of_the_networks_logits(length: int) -> None:
    policy = small_policy()
    ids = np.random.default_rng(length).integers(0, policy.architecture.vocab_size, length)
    logits = forward(policy.model, policy.params, ids[None]).logits[0]
    expected = np.asarray(jax.nn.log_softmax(logits))[np.arange(length - 1), ids[1:]]
    np.testing.assert_allclose(token_logprobs(policy, ids.tolist()), expected, rtol=1e-4)
