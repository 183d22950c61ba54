"""What draws a run's samples, as its suite says: our own sampler, or the servers of `[engine]`.

Takes a suite, a store, the base and hosts; gives a sampler. Here a policy becomes what an engine needs of it: a folder
in Hugging Face's format, and the greedy responses of our own network to a few prompts. JAX is loaded where a policy is.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from restem.harness.config import Suite
from restem.harness.engines.openai_engine import OpenAIEngine, Weights
from restem.harness.engines.parity import GREEDY, PROMPTS, Fixture
from restem.harness.errors import ConfigError
from restem.harness.outside.policy import OutsidePolicy
from restem.harness.sampling.engine import Response, Sampler, SamplingTask
from restem.harness.store.store import Store
from restem.verifiers.code.permission import permission

if TYPE_CHECKING:
    from restem.harness.distributed.hosts import Hosts
    from restem.harness.distributed.own_sampler import OwnSampler
    from restem.harness.model.policy import Policy
    from restem.harness.outside.any_policy import AnyPolicy


def check_engine(suite: Suite) -> None:
    """Checks, before any work, what an engine needs that the suite cannot say.

    Raises:
        ConfigError: A file names a command and the user did not permit it, or the variable for the key is not set.
    """
    config = suite.engine
    if suite.sampling.engine == "own":
        return
    if config.start and not permission().sets("engine.start"):
        raise ConfigError(
            f"engine.start: a file names the program {config.start[0]!r}, which is not executed by default: give "
            "--allow-code if you trust the file, or name it by --set"
        )
    if config.api_key_env is not None and not os.environ.get(config.api_key_env, "").strip():
        raise ConfigError(f"engine.api_key_env: the environment variable {config.api_key_env} is not set")


def check_engine_policy(suite: Suite, base: Policy, hosts: int) -> None:
    """Checks, before any work, that servers can draw from the policy.

    Raises:
        ConfigError: Several hosts run the suite, or the policy cannot be written for servers.
    """
    if suite.sampling.engine == "own":
        return
    from restem.harness.weights.huggingface_config import to_config

    if hosts > 1:
        raise ConfigError("sampling.engine: found 'openai' with --hosts, expected 'own': one host alone asks servers")
    to_config(base.architecture, base.tokenizer, "float32")


@contextlib.contextmanager
def sampler_of(suite: Suite, store: Store, hosts: Hosts | None) -> Iterator[Sampler]:
    """What draws the samples; a server that is started for it is stopped at the end.

    Args:
        suite: The suite.
        store: Of the run.
        hosts: The devices of our own sampler; None: the policy is an outside one.
    """
    own = _own(hosts)
    if suite.sampling.engine == "own":
        assert own is not None
        yield own
        return
    confidence = any(arm.selection.rule == "weighted" and arm.selection.weight == "confidence" for arm in suite.arms)
    with OpenAIEngine(suite.engine, store.folder, store.log, needs_logprobs=confidence) as engine:
        yield EngineSampler(engine, own)


def _own(hosts: Hosts | None) -> OwnSampler | None:
    if hosts is None:
        return None
    from restem.harness.distributed.own_sampler import OwnSampler  # it imports JAX

    return OwnSampler(hosts)


class EngineSampler:
    """An engine that draws from policies.

    Args:
        engine: The servers.
        own: Computes what a server's greedy responses have to be; None: every policy is an outside one.
    """

    def __init__(self, engine: OpenAIEngine, own: OwnSampler | None) -> None:
        self._engine, self._own = engine, own
        self._prompts: Sequence[Sequence[int]] = ()
        self._fixtures: dict[str, Fixture] = {}

    def sample(self, policy: AnyPolicy, task: SamplingTask) -> Iterator[tuple[int, Sequence[Response]]]:
        """Yields an index into `task.missing` and the responses to that prompt.

        Raises:
            EngineFailed: No server holds the policy's weights, or none is left.
        """
        yield from self._engine.sample(self._weights(policy, self._prompts_of(task)), task)

    def rest(self) -> None:
        """Stops a server that every checkpoint starts anew."""
        self._engine.rest()

    def _weights(self, policy: AnyPolicy, prompts: Sequence[Sequence[int]]) -> Weights:
        sha256, stop_ids = policy.params_sha256, policy.tokenizer.stop_ids
        if isinstance(policy, OutsidePolicy):
            return Weights(sha256=sha256, place=policy.folder, known=prompts, stop_ids=stop_ids)
        from restem.harness.model.policy import Policy
        from restem.harness.weights.huggingface import save_hf

        assert isinstance(policy, Policy)
        return Weights(
            sha256=sha256,
            place=lambda folder: save_hf(policy, folder),
            known=lambda: self._fixture(policy, prompts),
            stop_ids=stop_ids,
        )

    def _prompts_of(self, task: SamplingTask) -> Sequence[Sequence[int]]:
        """The same for all checkpoints of a run: what a server kept of them under other weights shows."""
        if task.foreign:
            return task.prompts[:PROMPTS]
        self._prompts = self._prompts or task.prompts[:PROMPTS]
        return self._prompts

    def _fixture(self, policy: Policy, prompts: Sequence[Sequence[int]]) -> Fixture:
        if policy.params_sha256 not in self._fixtures:
            self._fixtures = {policy.params_sha256: self._computed(policy, prompts)}
        return self._fixtures[policy.params_sha256]

    def _computed(self, policy: Policy, prompts: Sequence[Sequence[int]]) -> Fixture:
        from restem.harness.training.token_logprobs import token_logprobs

        greedy = SamplingTask(
            checkpoint="fixture",
            prompts=prompts,
            missing=range(len(prompts)),
            keys=np.zeros((len(prompts), 1, 2), np.uint32),
            config=GREEDY.model_copy(update={"rows": PROMPTS}),
            foreign=True,  # the other hosts, where there are any, do not join in
        )
        assert self._own is not None
        responses = dict(self._own.sample(policy, greedy))
        ids = [responses[index][0].ids or () for index in range(len(prompts))]
        texts = [policy.tokenizer.decode(each) for each in ids]
        return Fixture(
            prompts=prompts,
            responses=ids,
            texts=texts,
            stop_ids=policy.tokenizer.stop_ids,
            logprobs=functools.cache(functools.partial(token_logprobs, policy)),
        )
