"""Verifiers built from keyword options, as a table of a suite holds them, for tests."""

from __future__ import annotations

from typing import Any

from restem.verifiers.chat.client import ChatClient
from restem.verifiers.chat.connect import connect
from restem.verifiers.chat.endpoint import Endpoint
from restem.verifiers.chat.transport import CallStore, Progress
from restem.verifiers.composed.controls import Random
from restem.verifiers.composed.noise import Noisy
from restem.verifiers.judge.judge import Judge
from restem.verifiers.options import ChatOptions, JudgeOptions, NoisyOptions, RandomOptions, read_options
from restem.verifiers.verdict import Verifier

MODEL = "gpt-4"  # a name for a server that takes any
SAMPLING = ("temperature", "max_tokens", "logprobs")


def judge(
    *, name: str = "judge", calls: CallStore | None = None, progress: Progress | None = None, **options: Any
) -> Judge:
    return Judge(
        read_options(JudgeOptions, name, {"model": MODEL} | options), name=name, calls=calls, progress=progress
    )


def chat(*, calls: CallStore | None = None, verifier: str = "", **options: Any) -> ChatClient:
    sampling = {name: options.pop(name) for name in SAMPLING if name in options}
    return connect(
        Endpoint(read_options(ChatOptions, "judge", {"model": MODEL} | options), **sampling),
        calls=calls,
        verifier=verifier,
    )


def noisy(*, base: Verifier, **options: Any) -> Noisy:
    return Noisy(read_options(NoisyOptions, "noisy", options), base=base)


def random(**options: Any) -> Random:
    return Random(read_options(RandomOptions, "random", options))
