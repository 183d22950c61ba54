"""How fast `restem serve` answers: tokens a second and seconds a request, by the number of clients.

Takes a policy's name; prints one line for each number of clients, then two lines about mixed requests: what a small one
waits behind large ones, and what each other `max_tokens` costs. It asserts no times.

    uv run python tests/perf/serving_load.py [--policy tiny] [--requests 128]
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click
import numpy as np
import openai

from restem.benchmarks.linear_1d import problems


@contextlib.contextmanager
def served(policy: str) -> Iterator[dict[str, str]]:
    """Address and model of a server of this policy, in a process of its own."""
    command = [sys.executable, "-m", "restem.harness.cli", "serve", policy, "--port", "0", "--while-stdin-open"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            yield json.loads(child.stdout.readline()) | {"pid": str(child.pid)}
        finally:
            child.stdin.close()


class Load:
    """Requests to one server, and the seconds that each took."""

    def __init__(self, server: dict[str, str]) -> None:
        self._model, self._process = server["model"], Path("/proc") / server["pid"] / "stat"
        self._client = openai.AsyncOpenAI(base_url=server["base_url"], api_key="none", max_retries=0, timeout=600)
        self._questions = [problem.question for problem in problems(11, (3.0, 4.5), {"test": 256})["test"]]

    async def one(self, index: int, **options: int | float) -> tuple[float, int]:
        """Seconds and tokens of one request."""
        start = time.perf_counter()
        question = self._questions[index % len(self._questions)]
        settings: dict[str, int | float] = {"temperature": 0.7, "max_tokens": 64, "seed": index} | options
        reply = await self._client.chat.completions.create(
            model=self._model, messages=[{"role": "user", "content": question}], **settings
        )
        assert reply.usage is not None
        return time.perf_counter() - start, reply.usage.completion_tokens

    async def by_clients(self, clients: int, requests: int) -> str:
        """A line about this many requests from this many clients."""
        waiting = iter(range(requests))
        results: list[tuple[float, int]] = []

        async def client() -> None:
            for index in waiting:
                results.append(await self.one(index))

        start, before = time.perf_counter(), self._processor_seconds()
        await asyncio.gather(*(client() for _ in range(clients)))
        seconds, used = time.perf_counter() - start, self._processor_seconds() - before
        tokens = sum(tokens for _, tokens in results)
        took = np.array([took for took, _ in results]) * 1000
        return (
            f"{clients:3} clients: {tokens / seconds:7.0f} tokens/s"
            f" {requests / seconds:6.1f} requests/s,"
            f" p50 {np.percentile(took, 50):5.0f} ms, p95 {np.percentile(took, 95):5.0f} ms,"
            f" {1000 * used / tokens:.2f} processor seconds for 1000 tokens"
        )

    def _processor_seconds(self) -> float:
        """What the server has used of the processors, which other programs on the machine do not change; on Linux."""
        user, system = self._process.read_text().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    async def small_behind_large(self) -> str:
        """A line about a request of 4 tokens that arrives after 64 requests of 8 choices of 200 tokens."""
        large = [asyncio.ensure_future(self.one(i, n=8, max_tokens=200, temperature=2.0)) for i in range(64)]
        await asyncio.sleep(0.3)
        seconds, _ = await self.one(0, max_tokens=4)
        whole = max(took for took, _ in await asyncio.gather(*large))
        return f"a request of 4 tokens behind 64 large ones: {seconds:.2f} s (the large ones: {whole:.1f} s)"

    async def other_limits(self) -> str:
        """A line about eight requests one after another, each with a `max_tokens` not seen before."""
        took = [(await self.one(0, max_tokens=limit))[0] for limit in range(71, 200, 16)]
        return f"each other max_tokens: {np.mean(took):.2f} s, at most {max(took):.2f} s"


@click.command()
@click.option("--policy", default="tiny", show_default=True)
@click.option("--requests", default=256, show_default=True)
def main(policy: str, requests: int) -> None:
    """Prints the lines."""

    async def run(server: dict[str, str]) -> None:
        load = Load(server)
        for clients in (1, 8, 32, 64):
            await load.by_clients(clients, 3 * clients)  # compiles
            click.echo(await load.by_clients(clients, max(32, requests if clients > 1 else requests // 4)))
        click.echo(await load.other_limits())
        click.echo(await load.small_behind_large())

    with served(policy) as server:
        asyncio.run(run(server))


if __name__ == "__main__":
    main()
