"""Several hosts as one: the leader runs ReST-EM, and the other hosts sample and train when it asks them to.

Takes a suite's `[mesh]`, then policies, prompts and examples; gives samples and fitted parameters. Does not depend on
problems, verifiers or run.db, which only the leader uses. With one host, this is `sampler` and `m_step` on its devices.

    the leader                                   every other host (`follow`)
    fit      broadcasts "fit" with the examples  reads it; all hosts run the same fit, each feeding its own rows
      check  samples and verifies                reads a "sample" for each call of the sampler
             broadcasts "checked", the reward    continues or stops training, as the leader does
    sample   broadcasts "sample", the prompts    reads it; samples every n-th prompt on its own devices
             collects the draws                  sends tokens, lengths, log-probabilities and stop flags

Messages and draws go through `messages`; parameters and gradients go through device collectives.

When a host fails, is stopped or is killed, `liveness` ends the others with a line. The same commands resume the run.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jaxtyping import UInt32

from restem.harness.distributed.addresses import address_text, bind_host, listen, parse_address
from restem.harness.distributed.liveness import Peers
from restem.harness.distributed.messages import Channel
from restem.harness.distributed.relay import Relay
from restem.harness.errors import ConfigError, HostFailed, NonFiniteLoss
from restem.harness.model.mesh import Meshes, gather_to_local, keep_freed_memory, make_meshes, want_cpu_devices
from restem.harness.model.policy import Params, Policy, policy_hash
from restem.harness.sampling.sampler import Batching, Decoding, Draws, sample
from restem.harness.settings import MeshConfig, TrainingConfig
from restem.harness.training import m_step
from restem.harness.training.example import Example
from restem.harness.training.grpo import FromBase, Grpo

BASE, CURRENT = "base", "current"
JAX_SECONDS = 120  # the hosts have met, so that JAX's own start takes a second or two
SHUTDOWN_SECONDS = 20
NEVER_SECONDS = 10**6


def connect(
    config: MeshConfig,
    count: int = 1,
    index: int | None = None,
    coordinator: str | None = None,
    facts: Mapping[str, Any] | None = None,
) -> Hosts:
    """Connects this host with the others and prepares its devices; call it before JAX has started.

    Args:
        config: The suite's mesh.
        count: Number of hosts; 1: this one alone.
        index: This host's number, 0 for the leader; None: as the cluster's environment variables say.
        coordinator: HOST:PORT of the leader; None: as the cluster's environment variables say.
        facts: What must be equal on all hosts, by name, as JSON values.

    Raises:
        ConfigError: There are too few devices, the hosts cannot be told apart, or they differ.
        HostFailed: A host did not come.
    """
    want_cpu_devices(-(-config.data // count) * config.model)
    if count == 1:
        keep_freed_memory()
        return Hosts(make_meshes(config.data, config.model))
    coordinator, index = find_place(coordinator, count, index)
    peers = Peers(parse_address(coordinator), count, index, facts or {})
    try:
        peers.meet()
        _start_jax(peers, *parse_address(coordinator))
        keep_freed_memory()
        meshes = make_meshes(config.data, config.model)
        # Gloo connects the hosts in their first collective, and waits 30 s for the slowest one. Later on, a host may
        # need that much longer than another to compile.
        multihost_utils.sync_global_devices("connected")
        return Hosts(meshes, peers)
    except BaseException as error:
        peers.leave(error)
        raise


def find_place(coordinator: str | None, count: int, index: int | None) -> tuple[str, int]:
    """The leader's address and this host's number, as given or as the cluster says."""
    coordinator = coordinator or os.environ.get("JAX_COORDINATOR_ADDRESS")
    if coordinator is None or index is None:
        # JAX names no public function for what its `initialize` finds by itself.
        from jax._src import clusters

        detect = clusters.ClusterEnv.auto_detect_unset_distributed_params
        coordinator, _, index, _ = detect(coordinator, count, index, None, None, JAX_SECONDS)
    if coordinator is None or index is None:
        remedy = "give --host-index, and the leader's address as --coordinator HOST:PORT"
        raise ConfigError(f"--hosts {count}: the cluster does not say which host this is; {remedy}")
    return coordinator, index


def _start_jax(peers: Peers, leader: str, port: int) -> None:
    """Starts JAX's service on the leader, and its client on every host."""
    # Otherwise JAX takes SIGTERM for a notice of preemption, and the command cannot be stopped.
    jax.config.update("jax_enable_preemption_service", False)
    if peers.index == 0:
        host = bind_host(leader)
        with listen(host, 0) as free:
            port = free.getsockname()[1]
        everywhere = "::" if socket.has_dualstack_ipv6() else "0.0.0.0"
        address, bound = address_text((host or "127.0.0.1", port)), address_text((host or everywhere, port))
        peers.announce(port)
    else:
        address, bound = Relay((leader, peers.service)).address, None
    try:
        jax.distributed.initialize(
            address,
            peers.count,
            peers.index,
            initialization_timeout=JAX_SECONDS,
            coordinator_bind_address=bound,
            heartbeat_timeout_seconds=NEVER_SECONDS,  # `peers` knows it earlier, and ends the process in order
            shutdown_timeout_seconds=SHUTDOWN_SECONDS,
        )
    except (ValueError, RuntimeError) as error:
        raise HostFailed(f"jax.distributed does not start: {str(error).splitlines()[0]}") from None


class Hosts:
    """All hosts, from the view of one. A context: leaving it with an error ends the other hosts too."""

    def __init__(self, meshes: Meshes, peers: Peers | None = None) -> None:
        self.meshes, self._peers = meshes, peers
        self._channel = Channel()
        self.count, self.index = self._channel.count, self._channel.index
        self._base: Policy | None = None
        # The parameters that every host holds: those of the base, and those last fitted or broadcast.
        self._params: dict[str, Params] = {}

    @property
    def leads(self) -> bool:
        """Whether this host runs the suite and writes run.db."""
        return self.index == 0

    def __enter__(self) -> Hosts:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._peers is None:
            return
        try:
            if error is None:
                if self.leads:
                    self._channel.broadcast("end")
                jax.distributed.shutdown()
        except BaseException as failure:
            error = failure
            raise
        finally:
            self._peers.leave(error)
        if isinstance(error, jax.errors.JaxRuntimeError):  # of XLA or Gloo, with a page of stack
            raise HostFailed(f"computing with all hosts broke off: {str(error).splitlines()[0]}") from None

    def begin(self, base: Policy) -> None:
        """Sets the base policy; the leader waits until every host has confirmed that it holds the same one."""
        self._base, self._params[BASE] = base, base.params
        if self.count > 1 and self.leads:
            mesh = dict(self.meshes.whole.shape)
            self._channel.broadcast("begin", sha256=policy_hash(base), mesh=mesh)
            self._channel.barrier()

    def sample(
        self,
        policy: Policy,
        prompts: Sequence[Sequence[int]],
        keys: UInt32[np.ndarray, "B K 2"],
        decoding: Decoding,
        batching: Batching,
    ) -> Iterator[tuple[Sequence[int], Draws]]:
        """Indices of prompts and their draws, in any order of prompts; see `sampler.sample` for the arguments."""
        if self.count == 1:
            yield from self.sample_alone(policy, prompts, keys, decoding, batching)
            return
        number = self._channel.broadcast(
            "sample",
            params=self._name_on_all_hosts(policy.params),
            prompts=prompts,
            keys=keys.tolist(),
            decoding=dataclasses.asdict(decoding),
            batching=dataclasses.asdict(batching),
        )
        local, *remote = (range(host, len(prompts), self.count) for host in range(self.count))
        drawn = self._sample_share(policy, prompts, keys, decoding, batching)
        blocks = ((local[part.start : part.stop], draws) for part, draws in drawn)
        received = (self._receive(number, host, share) for host, share in enumerate(remote, 1))
        for round_of_blocks in itertools.zip_longest(blocks, *received):
            yield from (block for block in round_of_blocks if block is not None)
        self._channel.delete(number)

    def sample_alone(
        self,
        policy: Policy,
        prompts: Sequence[Sequence[int]],
        keys: UInt32[np.ndarray, "B K 2"],
        decoding: Decoding,
        batching: Batching,
    ) -> Iterator[tuple[Sequence[int], Draws]]:
        """The same on this host's devices, for a policy that is not the run's: the other hosts do not have it."""
        return sample(policy.model, policy.params, prompts, keys, decoding, batching, mesh=self.meshes.local)

    def fit(
        self,
        policy: Policy,
        examples: Sequence[Example],
        training: TrainingConfig,
        seed: int,
        check: Callable[[int, Params], float | None],
        grpo: Grpo | None = None,
    ) -> m_step.Fitted:
        """What `m_step.fit` gives, computed on all devices of all hosts; the parameters are on this host's mesh.

        With a loss of GRPO, its penalty is measured from the base.
        """
        if self.count == 1:
            return m_step.fit(policy, examples, training, seed, check, self.meshes, self._from_base(grpo))
        number = self._channel.broadcast(
            "fit",
            params=self._name_on_all_hosts(policy.params),
            examples=[dataclasses.astuple(example) for example in examples],
            training=training.model_dump(),
            seed=seed,
            grpo=grpo and dataclasses.asdict(grpo),
        )

        def check_and_broadcast(step: int, params: Params) -> float | None:
            reward = check(step, params)
            self._channel.broadcast("checked", reward=reward)
            return reward

        fitted = self._fit_together(policy, examples, training, seed, check_and_broadcast, grpo)
        self._channel.delete(number)
        return fitted

    def follow(self, until: str = "end") -> dict[str, Any]:
        """Does what the leader's messages ask for, until one of this kind; gives that one. For all other hosts.

        Raises:
            ConfigError: The leader has another base or another mesh.
        """
        while True:
            number, message = self._channel.read()
            if message["kind"] == until:
                return message
            match message.pop("kind"):
                case "begin":
                    self._follow_begin(**message)
                case "params":
                    self._channel.barrier()
                    self._params[CURRENT] = self._broadcast_params(self._params[BASE])
                case "sample":
                    self._follow_sample(number, **message)
                case "fit":
                    self._follow_fit(**message)
                case kind:
                    raise HostFailed(f"host 0 sent {kind!r} where {until!r} was expected")

    # What the other hosts do when they read a message; arguments are the message's content.

    def _policy(self, name: str) -> Policy:
        assert self._base is not None
        return dataclasses.replace(self._base, params=self._params[name])

    def _follow_begin(self, sha256: str, mesh: dict[str, int]) -> None:
        assert self._base is not None
        if policy_hash(self._base) != sha256:
            what = "SHA-256 of parameters, architecture, prompt and tokenizer"
            raise ConfigError(f"the policy differs from the leading host's ({what})")
        if dict(self.meshes.whole.shape) != mesh:
            raise ConfigError(f"the mesh is {dict(self.meshes.whole.shape)}, the leading host's {mesh}")
        self._channel.barrier()

    def _follow_sample(
        self,
        number: int,
        params: str,
        prompts: list[list[int]],
        keys: list[list[list[int]]],
        decoding: dict[str, Any],
        batching: dict[str, Any],
    ) -> None:
        settings = Decoding(**{**decoding, "stop_ids": tuple(decoding["stop_ids"])})
        arguments = (prompts, np.array(keys, np.uint32), settings, Batching(**batching))
        for block, (_, draws) in enumerate(self._sample_share(self._policy(params), *arguments)):
            self._channel.send(number, block, draws)

    def _follow_fit(
        self, params: str, examples: list[Any], training: dict[str, Any], seed: int, grpo: dict[str, Any] | None
    ) -> None:
        unpacked = [Example(prompt_ids=tuple(p), response_ids=tuple(r), weight=w) for p, r, w in examples]
        config, loss = TrainingConfig.model_validate(training), Grpo(**grpo) if grpo else None
        with contextlib.suppress(NonFiniteLoss):  # the leader raises it too, and ends the run with it
            self._fit_together(
                self._policy(params), unpacked, config, seed, lambda *_: self.follow("checked")["reward"], loss
            )

    # What all hosts do.

    def _sample_share(
        self,
        policy: Policy,
        prompts: Sequence[Sequence[int]],
        keys: UInt32[np.ndarray, "B K 2"],
        decoding: Decoding,
        batching: Batching,
    ) -> Iterator[tuple[range, Draws]]:
        """The draws of this host's prompts: every n-th one, starting with this host's number."""
        mine = prompts[self.index :: self.count]
        if mine:
            my_keys, mesh = keys[self.index :: self.count], self.meshes.local
            yield from sample(policy.model, policy.params, mine, my_keys, decoding, batching, mesh=mesh)

    def _fit_together(
        self,
        policy: Policy,
        examples: Sequence[Example],
        training: TrainingConfig,
        seed: int,
        check: Callable[[int, Params], float | None],
        grpo: Grpo | None,
    ) -> m_step.Fitted:
        def check_current(step: int, params: Params) -> float | None:
            self._params[CURRENT] = params
            return check(step, params)

        self._channel.barrier()
        fitted = m_step.fit(policy, examples, training, seed, check_current, self.meshes, self._from_base(grpo))
        self._params[CURRENT] = fitted.params
        return fitted

    def _from_base(self, loss: Grpo | None) -> FromBase | None:
        assert self._base is not None
        return loss and FromBase(loss=loss, base=self._base)

    def _name_on_all_hosts(self, params: Params) -> str:
        """The name under which all hosts hold these parameters; they are broadcast first where that is needed."""
        for name, held in self._params.items():
            if held is params:
                return name
        self._channel.broadcast("params")
        self._channel.barrier()
        self._broadcast_params(params)
        self._params[CURRENT] = params
        return CURRENT

    def _broadcast_params(self, params: Params) -> Params:
        """The leader's parameters on this host's mesh; the other hosts pass any parameters of the same shapes."""
        received = jax.tree.map(lambda leaf: multihost_utils.broadcast_one_to_all(np.asarray(leaf)), params)
        return gather_to_local(received, self.meshes.local)

    def _receive(self, number: int, host: int, share: Sequence[int]) -> Iterator[tuple[Sequence[int], Draws]]:
        """The draws of another host's prompts, block by block."""
        for block in itertools.count():
            if not share:
                return
            draws = self._channel.receive(number, host, block)
            received, share = share[: len(draws.ids)], share[len(draws.ids) :]
            yield received, draws
