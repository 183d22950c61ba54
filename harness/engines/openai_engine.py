"""An engine behind OpenAI's routes as the sampler of a run: vLLM, SGLang, llama.cpp, `restem serve`.

Takes a checkpoint's weights as a function that writes them, and a task; gives responses. It needs ids, stop tokens and
a folder, and neither JAX nor a policy.

    load     the weights are written to a folder named after their hash; every server is told, or started with them
    compare  what each server computes on a few prompts, beside our own network; a difference ends the run
             (where no network of ours computes the policy: beside what the server said under other weights)
    draw     the prompts are shared out over the servers

All three happen for every checkpoint, the second one also before every further split of it, because a server may have
been started anew in between, with the weights of its command.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from restem.harness.engines.child import Child
from restem.harness.engines.completions import sampled
from restem.harness.engines.parity import Fixture, Logprobs, Parity, check
from restem.harness.engines.reload import RELOADS
from restem.harness.engines.served import Served, served_by
from restem.harness.engines.server import Busy, Gone, Server
from restem.harness.engines.shared_out import REMEDY, share_out
from restem.harness.engines.witness import Witnesses
from restem.harness.errors import EngineFailed
from restem.harness.names import ENGINE
from restem.harness.sampling.engine import Response, SamplingTask
from restem.harness.settings import EngineConfig

FOLDER = "engine"  # of the weights, inside the run folder
Prompts = Sequence[Sequence[int]]
_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Weights:
    """A checkpoint's parameters, as an engine needs them.

    Attributes:
        sha256: Their hash.
        place: The folder that holds them in Hugging Face's format, or what writes a new one.
        known: Prompts with the greedy responses of our own network; where that cannot compute them, prompts alone.
        stop_ids: The tokens that end a response.
    """

    sha256: str
    place: Path | Callable[[Path], None]
    known: Callable[[], Fixture] | Prompts
    stop_ids: Sequence[int]


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Ready:
    """A server that holds the weights, by comparison."""

    server: Server
    served: Served
    parity: Parity


class OpenAIEngine:
    """The servers of a run. A context: leaving it stops the server that was started for it.

    Args:
        config: The suite's `[engine]`.
        folder: The run folder.
        log: Adds an event to the run.
        needs_logprobs: Whether an arm selects by the policy's confidence.
    """

    def __init__(
        self, config: EngineConfig, folder: Path, log: Callable[..., None], *, needs_logprobs: bool = False
    ) -> None:
        self._config, self._folder, self._log, self._needs_logprobs = config, folder, log, needs_logprobs
        self._child = Child(config, folder / "engine.log") if config.start else None
        self._servers = [Server(address, config) for address in config.base_urls]
        self._held: dict[Server, str] = {}
        self._computed: dict[str, tuple[Prompts, Logprobs]] = {}  # of a fixture's prompts, by the hash
        self._witnesses = Witnesses()

    def __enter__(self) -> OpenAIEngine:
        return self

    def __exit__(self, *_: object) -> None:
        if self._child is not None:
            self._child.stop()
        for server in self._servers:
            server.close()
        shutil.rmtree(self._folder / FOLDER, ignore_errors=True)

    def sample(self, weights: Weights, task: SamplingTask) -> Iterator[tuple[int, Sequence[Response]]]:
        """Yields an index into `task.missing` and the responses to that prompt.

        Raises:
            EngineFailed: No server holds these weights, or none is left.
        """
        ready = self._ready(weights)
        models = {one.server: one.served.model for one in ready}
        keep_logprobs = all(one.parity.logprobs for one in ready)
        self._log(ENGINE, checkpoint=task.checkpoint, weights=weights.sha256, **_facts(ready))
        if self._needs_logprobs and not keep_logprobs:
            raise EngineFailed(
                f"engine at {ready[0].server}: an arm selects by the policy's confidence, and the server's "
                "log-probabilities are not those of the distribution that it draws from; vLLM gives these with "
                "--logprobs-mode processed_logprobs"
            )

        def ask(server: Server, index: int) -> list[Response]:
            prompt = task.prompts[task.missing[index]]

            def post(body: dict[str, Any]) -> Any:
                return server.post("completions", body)

            return sampled(post, models[server], prompt, task.keys[index], task.config, weights.stop_ids)

        drawn = share_out(
            [one.server for one in ready],
            range(len(task.missing)),
            ask,
            concurrency=self._config.concurrency,
            retries=self._config.retries,
        )
        with contextlib.closing(drawn):
            for index, responses in drawn:
                yield (
                    index,
                    responses
                    if keep_logprobs
                    else [dataclasses.replace(response, mean_logprob=None) for response in responses],
                )

    def rest(self) -> None:
        """Stops the server that is started anew for the next checkpoint, so that training has the device's memory."""
        if self._child is not None and self._config.reload == "restart":
            self._child.stop()

    def _ready(self, weights: Weights) -> list[_Ready]:
        """The servers that hold the weights; one that cannot be reached is left out until the next checkpoint."""
        folder = self._written(weights)
        if self._child is not None:
            self._start(self._child, folder, weights.sha256)
        known = weights.known() if callable(weights.known) else weights.known
        if isinstance(known, Fixture):
            self._computed[weights.sha256] = known.prompts, known.of_prompts()
        ready: list[_Ready] = []
        reasons: list[str] = []
        for server in self._servers:
            try:
                ready.append(self._loaded(server, folder, weights, known))
            except (Gone, Busy) as fault:
                self._held.pop(server, None)
                reasons.append(f"engine at {server}: {fault}")
        if not ready:
            raise EngineFailed(f"{reasons[0]}; no server is left. {REMEDY}")
        for reason in reasons:
            _log.warning("%s; it is left out, %d of %d servers go on", reason, len(ready), len(self._servers))
        for other in (self._folder / FOLDER).glob("*"):
            if other.resolve() != folder:
                shutil.rmtree(other, ignore_errors=True)
        return ready

    def _written(self, weights: Weights) -> Path:
        """The folder of the weights, absolute, as a server in another folder needs it."""
        if isinstance(weights.place, Path):
            return weights.place.resolve()
        folder = (self._folder / FOLDER / weights.sha256[:16]).resolve()
        if not folder.exists():
            weights.place(folder)
        return folder

    def _start(self, child: Child, folder: Path, sha256: str) -> None:
        """Starts the server where it does not run, or where it can be given other weights in no other way."""
        if child.runs and (self._config.reload != "restart" or sha256 in self._held.values()):
            return
        for server in self._servers:
            server.close()
        self._servers = [Server(child.start(folder), self._config)]
        self._held = {self._servers[0]: sha256}

    def _loaded(self, server: Server, folder: Path, weights: Weights, known: Fixture | Prompts) -> _Ready:
        """The server, after it was told to load the weights where it does not hold them, and was compared."""
        if self._held.get(server) == weights.sha256:
            with contextlib.suppress(EngineFailed):  # it was started anew, and holds the weights of its command
                return self._compared(server, weights, known)
        if self._config.reload in RELOADS:
            RELOADS[self._config.reload](server, folder, weights.sha256)
        ready = self._compared(server, weights, known)
        self._held[server] = weights.sha256
        return ready

    def _compared(self, server: Server, weights: Weights, known: Fixture | Prompts) -> _Ready:
        served = served_by(server, self._config.model)
        if isinstance(known, Fixture):
            computed = {other: of for other, (prompts, of) in self._computed.items() if prompts == known.prompts}
            others = {other: of for other, of in computed.items() if other != weights.sha256}
            parity = check(server, served.model, known, self._config, others)
        else:
            told = weights.sha256 if self._config.reload in RELOADS else None
            parity = self._witnesses.check(server, served.model, known, weights.stop_ids, told)
        return _Ready(server=server, served=served, parity=parity)


def _facts(ready: Sequence[_Ready]) -> dict[str, Any]:
    """What the run stores of the servers that draw a checkpoint's samples."""
    differences = [one.parity.difference for one in ready]
    return {
        "servers": [{"address": str(one.server), **dataclasses.asdict(one.served)} for one in ready],
        "compared_tokens": min(one.parity.tokens for one in ready),
        "compared_texts": min(one.parity.texts for one in ready),
        "near_ties": max(one.parity.near_ties for one in ready),
        "logprob_difference": None if None in differences else max(filter(None, differences), default=0.0),
        "token_ids": all(one.parity.token_ids for one in ready),
        "logprobs": all(one.parity.logprobs for one in ready),
    }
