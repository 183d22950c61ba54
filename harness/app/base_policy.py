"""The policies that a run begins with: found, loaded and given the run's prompt; and what may train and sample them.

Takes a suite; gives its base, one of our own network's or an outside one, and what trains it. JAX is loaded for the
former alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from restem.benchmarks.problem import Problem
from restem.harness.app.arm_sources import check_room, sources_of
from restem.harness.app.policies import is_outside, load_foreign_policy
from restem.harness.config import Suite
from restem.harness.errors import ConfigError
from restem.harness.model.architecture import ASSETS, EMBEDDED
from restem.harness.outside.any_policy import AnyPolicy
from restem.harness.outside.policy import OutsidePolicy, open_outside, read_config
from restem.harness.store.store import Store

if TYPE_CHECKING:
    from jax.sharding import Mesh

    from restem.harness.distributed.hosts import Hosts
    from restem.harness.loop.learner import Learner
    from restem.harness.model.policy import Policy


def check_outside(suite: Suite, *, trains: bool = True, hosts: int = 1) -> None:
    """Checks, before any work, that other programs compute the policies that our network cannot.

    Args:
        suite: The suite.
        trains: Whether the command goes on after the base.
        hosts: Machines that run the suite.

    Raises:
        ConfigError: Naming the setting.
    """
    for key, name in [("policy", suite.policy), *((key, name) for key, _, name in sources_of(suite))]:
        if not is_outside(name):
            continue
        model_type = read_config(Path(name))["model_type"]
        why = f"{key} {name!r} is of the type {model_type!r}, which our network cannot compute (docs/engines.md)"
        if suite.sampling.engine == "own":
            raise ConfigError(f"sampling.engine: found 'own', expected 'openai': {why}")
        if key == "policy" and trains and suite.training.engine == "own":
            raise ConfigError(f"training.engine: found 'own', expected 'command', or --until base: {why}")
        if hosts > 1:
            raise ConfigError(f"--hosts: found {hosts}, expected 1: {why}")


def load_base(suite: Suite, hosts: Hosts | None) -> tuple[Suite, AnyPolicy]:
    """The suite with the prompt that its base uses, and the base, with its parameters on the devices.

    Args:
        suite: The suite.
        hosts: The devices; None: the policy is an outside one.
    """
    return prompted(suite, load_any_policy(suite.policy, hosts and hosts.meshes.local))


def check_base_policy(suite: Suite, base: AnyPolicy, hosts: Hosts | None) -> None:
    """Checks that what the suite names can train the base and sample it.

    Raises:
        ConfigError: LoRA or the suite's command cannot train it, or it cannot be written for servers.
    """
    if isinstance(base, OutsidePolicy):
        return
    from restem.harness.app.command_training import check_training
    from restem.harness.app.engine_sampler import check_engine_policy
    from restem.harness.training.trainable import check_lora

    assert hosts is not None
    if suite.training.trainable == "lora":
        check_lora(base.model)
    check_engine_policy(suite, base, hosts.count)
    check_training(suite, base, hosts)


def learner_of(suite: Suite, store: Store, base: AnyPolicy, hosts: Hosts | None) -> Learner:
    """What trains the run's policies."""
    if isinstance(base, OutsidePolicy):
        from restem.harness.app.outside_training import OutsideLearner

        return OutsideLearner(store=store, instruction=base.tokenizer.instruction)
    from restem.harness.app.command_training import own_learner

    assert hosts is not None
    return own_learner(suite, store, base, hosts)


def check_base(store: Store, base: AnyPolicy) -> str:
    """The hash by which the run knows its base.

    Raises:
        ConfigError: The run began with another base.
    """
    known, now = store.run().get("base_sha256"), base.sha256
    if known == base.params_sha256:  # a run of an earlier version, which hashed parameters alone
        return base.params_sha256
    if known not in (None, now):
        raise ConfigError(f"{store.folder}: this run began with another base policy: {known} now {now}")
    return now


def load_any_policy(name: str, mesh: Mesh | None = None) -> AnyPolicy:
    """A policy by its name or folder; one that our network cannot compute is an outside one.

    Raises:
        ConfigError: It is not there, or is damaged.
    """
    return open_outside(Path(name)) if is_outside(name) else load_named_policy(name, mesh)


def load_named_policy(name: str, mesh: Mesh | None = None) -> Policy:
    """A policy by a name that `restem models` lists, or by a folder in our, Kaggle's or Hugging Face's format.

    Its parameters lie on the mesh; None: on the first device.
    """
    from restem.harness.model.policy import load_policy

    folder = ASSETS / EMBEDDED[name] if name in EMBEDDED else Path(name)
    if (folder / "policy.json").is_file():
        return load_policy(folder, mesh)
    return load_foreign_policy(name, mesh)


def load_sources(suite: Suite, problems: Mapping[str, Sequence[Problem]], hosts: Hosts | None) -> dict[str, AnyPolicy]:
    """The policies whose samples the suite's arms begin with, each with a prompt of its own, by `source`.

    Raises:
        ConfigError: One of them is damaged, has no prompt, or has no room for the problems; the arm is named.
    """
    sources: dict[str, AnyPolicy] = {}
    for key, source, name in sources_of(suite):
        if source not in sources:
            try:
                _, policy = load_base(suite.model_copy(update={"policy": name}), hosts)
                check_room(suite, problems["train"], policy)
            except ConfigError as error:
                raise ConfigError(f"{key}: {error}") from None
            sources[source] = policy
    return sources


def prompted(suite: Suite, base: AnyPolicy) -> tuple[Suite, AnyPolicy]:
    """The suite with its few-shot prompt and instruction, and the base that uses them; both unchanged without these.

    A suite that names no instruction takes that of the base, a checkpoint which was trained with it; an empty text
    takes none.

    Raises:
        ConfigError: A base model, and neither suite nor benchmark has examples for it.
    """
    text = suite.benchmark.few_shot or base.tokenizer.few_shot
    if text is None and not base.chat:
        text = suite.benchmark.definition.few_shot
        if text is None:
            raise ConfigError(
                f"policy {suite.policy!r} is a base model, not tuned on turns: give it examples by "
                "benchmark.few_shot or benchmark.few_shot_file"
            )
    named = suite.benchmark.instruction
    instruction = base.tokenizer.instruction if named is None else named
    benchmark = suite.benchmark.model_copy(update={"few_shot": text, "instruction": instruction})
    return suite.model_copy(update={"benchmark": benchmark}), base.with_prompt(text, instruction or None)
