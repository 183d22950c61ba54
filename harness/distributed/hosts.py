"""Several hosts as one: the leader runs ReST-EM, the others sample and train when it says so.

Takes a suite's `[mesh]`, then policies, prompts and examples; gives samples and fitted parameters. Knows nothing of
problems, verifiers or run.db, all of which are the leader's alone. With one host this is `sampler` and `m_step` on its
devices.

    the leader                                  every other host
    fit      says "fit", with the examples      hears it; all run the same fit, each feeding its rows
      check  draws and verifies                 hears "sample" as often as that takes
             says "checked", with the reward    trains on, or stops, as the leader does
    sample   says "sample", with the prompts    hears it; each draws every n-th prompt's samples on its own devices,
             gathers tokens                     and sends tokens, lengths, log-probabilities and stop flags

Words and tokens go through `channel`; parameters and gradients go from device to device.

When a host dies without a word, `jax.distributed` ends the others: at once where it was the leader, else when the
devices notice, at the latest after 100 seconds without a heartbeat. The same command goes on where the run was.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jaxtyping import UInt32

from restem.harness.config import MeshConfig, TrainingConfig
from restem.harness.distributed.messages import Channel
from restem.harness.errors import ConfigError, HostFailed, NonFiniteLoss
from restem.harness.model.mesh import Meshes, gather_to_local, keep_freed_memory, make_meshes, want_cpu_devices
from restem.harness.model.policy import Params, Policy, params_hash
from restem.harness.sampling.decoding import Decoding
from restem.harness.sampling.sampler import Draws, sample
from restem.harness.training import m_step

BASE, CURRENT = "base", "current"


def connect(config: MeshConfig, count: int = 1, index: int | None = None, coordinator: str | None = None) -> Hosts:
    """This host among `count`, its devices made ready; to be called before JAX has begun.

    Args:
        config: The suite's mesh.
        count: Hosts; 1: this one alone.
        index: This one's number, the leader's being 0; None: as the cluster's own variables say.
        coordinator: HOST:PORT of the leader; None: as the cluster's own variables say.

    Raises:
        ConfigError: There are not enough devices, or the hosts cannot be told apart.
    """
    want_cpu_devices(-(-config.data // count) * config.model)
    if count > 1:
        # Else it takes SIGTERM for a notice of preemption, and the command could not be stopped.
        jax.config.update("jax_enable_preemption_service", False)
        try:
            jax.distributed.initialize(coordinator, count, index, shutdown_timeout_seconds=20)
        except (ValueError, RuntimeError) as error:
            raise ConfigError(f"--hosts {count}: {error}") from None
    keep_freed_memory()
    return Hosts(make_meshes(config.data, config.model))


class Hosts:
    """All hosts, as one of them sees it. A context: leaving it ends the others' work too, with the leader's error."""

    def __init__(self, meshes: Meshes) -> None:
        self.meshes = meshes
        self._channel = Channel()
        self.count, self.index = self._channel.count, self._channel.index
        self._base: Policy | None = None
        self._params: dict[str, Params] = {}  # what every host holds: the base, and what was last fitted or sent
        self._computing = False  # together, so that no word would be heard

    @property
    def leads(self) -> bool:
        """Whether this host runs the suite and writes run.db."""
        return self.index == 0

    def __enter__(self) -> Hosts:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self.count == 1 or self._computing:
            return
        if self.leads:
            self._channel.say("end", error=None if kind is None else f"{kind.__name__}: {error}")
        elif error is not None and not isinstance(error, HostFailed):
            self._channel.fail(f"{type(error).__name__}: {error}")
        jax.distributed.shutdown()

    def begin(self, base: Policy) -> None:
        """All hosts hold this base; the leader hears from each that it does."""
        self._base, self._params[BASE] = base, base.params
        if self.count > 1 and self.leads:
            self._channel.say("begin", sha256=params_hash(base.params), mesh=dict(self.meshes.whole.shape))
            self._channel.meet()

    def sample(
        self,
        policy: Policy,
        prompts: Sequence[Sequence[int]],
        keys: UInt32[np.ndarray, "B K 2"],
        decoding: Decoding,
        **shapes: Any,
    ) -> Iterator[tuple[Sequence[int], Draws]]:
        """Positions of prompts and their draws, in any order of prompts; see `sampler.sample` for the arguments."""
        if self.count == 1:
            yield from sample(policy.model, policy.params, prompts, keys, decoding, mesh=self.meshes.local, **shapes)
            return
        name = self._shared(policy.params)
        how = {"decoding": dataclasses.asdict(decoding), "shapes": shapes}
        number = self._channel.say("sample", params=name, prompts=prompts, keys=keys.tolist(), **how)
        first, *rest = (range(host, len(prompts), self.count) for host in range(self.count))
        own = self._own_share(policy, prompts, keys, decoding, shapes)
        mine = ((first[part.start : part.stop], draws) for part, draws in own)
        others = (self._received(number, host, share) for host, share in enumerate(rest, 1))
        for blocks in itertools.zip_longest(mine, *others):
            yield from (block for block in blocks if block is not None)
        self._channel.forget(number)

    def fit(
        self,
        policy: Policy,
        examples: Sequence[m_step.Example],
        training: TrainingConfig,
        seed: int,
        check: Callable[[int, Params], float | None],
    ) -> m_step.Fitted:
        """What `m_step.fit` gives, from all devices of all hosts; its parameters lie on this host's."""
        if self.count == 1:
            return m_step.fit(policy, examples, training, seed, check, self.meshes)
        name = self._shared(policy.params)
        rows = [dataclasses.astuple(example) for example in examples]
        number = self._channel.say("fit", params=name, examples=rows, training=training.model_dump(), seed=seed)

        def checked(step: int, params: Params) -> float | None:
            reward = check(step, params)
            self._channel.say("checked", reward=reward)
            return reward

        fitted = self._fitted(policy, examples, training, seed, checked)
        self._channel.forget(number)
        return fitted

    def follow(self, until: str = "end") -> dict[str, Any]:
        """What every host but the leader does: all that it says, until it says this; gives what came with it.

        Raises:
            HostFailed: The leader ended with an error.
            ConfigError: The leader has another base or another mesh.
        """
        while True:
            number, said = self._channel.hear()
            if said["do"] == until and said.get("error") is None:
                return said
            match said.pop("do"):
                case "begin":
                    self._check_begin(**said)
                case "params":
                    self._channel.meet()
                    self._params[CURRENT] = self._broadcast(self._params[BASE])
                case "sample":
                    self._sample_share(number, **said)
                case "fit":
                    self._fit_along(**said)
                case _:
                    raise HostFailed(f"the leading host stopped: {said.get('error')}")

    # what the others do

    def _policy(self, name: str) -> Policy:
        assert self._base is not None
        return dataclasses.replace(self._base, params=self._params[name])

    def _check_begin(self, sha256: str, mesh: dict[str, int]) -> None:
        if params_hash(self._params[BASE]) != sha256:
            raise ConfigError("the policy differs from the leading host's (SHA-256 of its parameters)")
        if dict(self.meshes.whole.shape) != mesh:
            raise ConfigError(f"the mesh is {dict(self.meshes.whole.shape)}, the leading host's {mesh}")
        self._channel.meet()

    def _sample_share(
        self,
        number: int,
        params: str,
        prompts: list[list[int]],
        keys: list[list[list[int]]],
        decoding: dict[str, Any],
        shapes: dict[str, Any],
    ) -> None:
        how = Decoding(**{**decoding, "stop_ids": tuple(decoding["stop_ids"])})
        own = self._own_share(self._policy(params), prompts, np.array(keys, np.uint32), how, shapes)
        for block, (_, draws) in enumerate(own):
            self._channel.send(number, block, draws)

    def _fit_along(self, params: str, examples: list[Any], training: dict[str, Any], seed: int) -> None:
        rows = [m_step.Example(prompt_ids=tuple(p), response_ids=tuple(r), weight=w) for p, r, w in examples]
        config = TrainingConfig.model_validate(training)
        with contextlib.suppress(NonFiniteLoss):  # the leader meets it too, and ends with it
            self._fitted(self._policy(params), rows, config, seed, lambda *_: self.follow("checked")["reward"])

    # what all do

    def _own_share(
        self,
        policy: Policy,
        prompts: Sequence[Sequence[int]],
        keys: UInt32[np.ndarray, "B K 2"],
        decoding: Decoding,
        shapes: dict[str, Any],
    ) -> Iterator[tuple[range, Draws]]:
        """Draws of every n-th prompt, from the one with this host's number on."""
        mine = prompts[self.index :: self.count]
        if mine:
            mesh, share = self.meshes.local, keys[self.index :: self.count]
            yield from sample(policy.model, policy.params, mine, share, decoding, mesh=mesh, **shapes)

    def _fitted(
        self,
        policy: Policy,
        examples: Sequence[m_step.Example],
        training: TrainingConfig,
        seed: int,
        check: Callable[[int, Params], float | None],
    ) -> m_step.Fitted:
        def apart(step: int, params: Params) -> float | None:
            self._computing, self._params[CURRENT] = False, params
            reward = check(step, params)
            self._computing = True
            return reward

        self._channel.meet()
        self._computing = True
        try:
            fitted = m_step.fit(policy, examples, training, seed, apart, self.meshes)
        except NonFiniteLoss:  # on all hosts alike
            self._computing = False
            raise
        except jax.errors.JaxRuntimeError as error:
            raise HostFailed(f"training with all hosts broke off; has one of them died? {error}") from error
        self._computing, self._params[CURRENT] = False, fitted.params
        return fitted

    def _shared(self, params: Params) -> str:
        """The name by which all hosts hold these parameters, after they were sent where that must be."""
        for name, held in self._params.items():
            if held is params:
                return name
        self._channel.say("params")
        self._channel.meet()
        self._broadcast(params)
        self._params[CURRENT] = params
        return CURRENT

    def _broadcast(self, params: Params) -> Params:
        """The leader's parameters, on this host's devices; the others give some of the same shapes."""
        self._computing = True
        sent = jax.tree.map(lambda leaf: multihost_utils.broadcast_one_to_all(np.asarray(leaf)), params)
        self._computing = False
        return gather_to_local(sent, self.meshes.local)

    def _received(self, number: int, host: int, share: Sequence[int]) -> Iterator[tuple[Sequence[int], Draws]]:
        """What another host draws of its share, block by block."""
        for block in itertools.count():
            if not share:
                return
            draws = self._channel.receive(number, host, block)
            done, share = share[: len(draws.ids)], share[len(draws.ids) :]
            yield done, draws
