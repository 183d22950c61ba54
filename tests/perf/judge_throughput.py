"""Prints how near the judge comes to the speed that a server's latency allows, and what a request costs in CPU time.

    python tests/perf/judge_throughput.py [--requests 2000] [--concurrency 64] [--latency 0.05]

First the given case, clean and with a tenth of mixed faults, each as a ratio to the ideal `requests / concurrency *
latency`, with whether every verdict is that of the clean run and what was asked again though it had been answered;
before them, what bare sockets take with this server. Then requests a second without latency. Client and server are two
processes, as in a run. The server is this file too: it answers with as little work as Python allows, so that it is not
the one that is measured; tests/judge_server.py takes 1 ms a request. Asserts nothing: the figure belongs to the machine
and its load.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import hashlib
import json
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import click

sys.path.insert(0, str(Path(__file__).parents[2]))

from restem.benchmarks.problem import Problem
from restem.harness.store.store import Store
from restem.verifiers.verdict import Attempt, Outcome
from tests import building

FAULTS = ("500", "503", "reset", "shortbody", "badjson", "html", "nochoices", "429")
CHOICE = '{{"index":0,"message":{{"role":"assistant","content":"{}"}},"finish_reason":"stop"}}'
USAGE = '{"prompt_tokens":100,"completion_tokens":1,"total_tokens":101}'
VALUE = re.compile(rb'(Correct|Model) Answer: (?:[^"]|"[^"]*?= ?)*?\\"[^"]*?(-?\d+)\\"')


class Lean(asyncio.Protocol):
    """One connection; all share how often each request was answered."""

    answered: ClassVar[collections.Counter[bytes]] = collections.Counter()
    latency, share = 0.0, 0.0
    draws = random.Random(0)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport, self._data = transport, b""

    def data_received(self, data: bytes) -> None:
        self._data += data
        end = self._data.find(b"\r\n\r\n")
        if self._data.startswith(b"GET") and end > 0:  # the list of models
            self._data = b""
            self._send("404 Not Found", "{}")
            return
        length = int(self._data[:end].lower().split(b"content-length:")[1].split(b"\r\n")[0]) if end > 0 else 0
        if end > 0 and len(self._data) >= end + 4 + length:
            body, self._data = self._data[end + 4 :], b""
            asyncio.get_running_loop().call_later(Lean.latency, self._answer, body)

    def _answer(self, body: bytes) -> None:
        if self._transport.is_closing():
            return
        if body.startswith(b'"report"'):
            again = sum(count - 1 for count in Lean.answered.values())
            Lean.answered.clear()
            Lean.latency, Lean.share = json.loads(body.partition(b":")[2])
            self._send("200 OK", str(again))
        elif Lean.draws.random() < Lean.share:
            self._fail(Lean.draws.choice(FAULTS))
        else:
            Lean.answered[hashlib.sha256(body).digest()] += 1
            values = [match[2] for match in VALUE.finditer(body)]
            choice = CHOICE.format(int(len(values) == 2 and values[0] == values[1]))
            self._send("200 OK", f'{{"model":"gpt-4","choices":[{choice}],"usage":{USAGE}}}')

    def _send(self, status: str, text: str, kind: str = "application/json", extra: str = "") -> None:
        head = f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {len(text)}\r\n{extra}\r\n"
        self._transport.write((head + text).encode())

    def _fail(self, fault: str) -> None:
        match fault:
            case "reset":
                self._transport.abort()
            case "shortbody":
                self._transport.write(b'HTTP/1.1 200 OK\r\ncontent-length: 400\r\n\r\n{"choices": [')
                self._transport.close()
            case "badjson":
                self._send("200 OK", '{"choices": [{')
            case "html":
                self._send("200 OK", "<html>1</html>", "text/html")
            case "nochoices":
                self._send("200 OK", '{"choices": []}')
            case "429":
                self._send("429 Slow Down", '{"error": {"message": "slow"}}', extra="retry-after-ms: 20\r\n")
            case status:
                self._send(f"{status} Fault", '{"error": {"message": "scripted"}}')


async def serve() -> None:
    """Serves until standard input closes; prints its address first."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Lean, "127.0.0.1", 0, backlog=256)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


@contextlib.contextmanager
def served() -> Iterator[str]:
    """The address of the server, in a process of its own."""
    command = [sys.executable, __file__, "--serve"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdin
        yield process.stdout.readline().strip()
        process.stdin.close()


def tell(base_url: str, latency: float, share: float) -> int:
    """Sets the server's latency and share of faults; gives how many answers it had sent twice before."""
    host, port = base_url.removeprefix("http://").removesuffix("/v1").split(":")

    async def send() -> int:
        reader, writer = await asyncio.open_connection(host, int(port))
        body = f'"report":[{latency}, {share}]'
        writer.write(f"POST / HTTP/1.1\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.split(b"content-length:")[1].split(b"\r\n")[0])
        again = int(await reader.readexactly(length))
        writer.close()
        return again

    return asyncio.run(send())


def bare(base_url: str, requests: int, concurrency: int, latency: float) -> float:
    """Seconds that as many requests take over bare sockets, with nothing checked or stored: the least that can be."""
    tell(base_url, latency, 0.0)
    host, port = base_url.removeprefix("http://").removesuffix("/v1").split(":")
    bodies = iter(b"%900d" % number for number in range(requests))

    async def work() -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        for body in bodies:
            writer.write(b"POST / HTTP/1.1\r\ncontent-length: 900\r\n\r\n" + body)
            head = await reader.readuntil(b"\r\n\r\n")
            json.loads(await reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0])))
        writer.close()

    async def send() -> float:
        wall = time.perf_counter()
        await asyncio.gather(*[work() for _ in range(concurrency)])
        return time.perf_counter() - wall

    return asyncio.run(send())


def attempts(count: int) -> list[Attempt]:
    """Attempts with the length and shape of a small policy's, all different, every third of them wrong."""
    worked = "{0}*x + 3 = 7*x + 45\n{0}*x - 7*x = 45 - 3\n-3*x = 42\nx = 42/-3\nx = {1}"
    batch: list[Attempt] = []
    for i in range(count):
        question = f"Solve {i}*x + 3 = 7*x + 45 for x."
        problem = Problem(id=str(i), question=question, reference=str(i), split="test", source="perf")
        batch.append(Attempt(problem=problem, response=worked.format(i, i + (i % 3 == 0))))
    return batch


def measure(base_url: str, batch: list[Attempt], concurrency: int, latency: float, share: float) -> list[Outcome]:
    """The outcomes of one judged batch; prints what it took."""
    tell(base_url, latency, share)
    with tempfile.TemporaryDirectory() as folder, Store(Path(folder), write=True) as store:
        judge = building.judge(
            name="judge", calls=store, base_url=base_url, concurrency=concurrency, backoff_seconds=0.05
        )
        wall, cpu = time.perf_counter(), time.process_time()
        verdicts = judge.verify(batch)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    again = tell(base_url, 0.0, 0.0)
    ideal = len(batch) / concurrency * latency
    ratio = f"{wall:5.2f} s, {wall / ideal:.2f} of the ideal {ideal:.2f} s" if ideal else f"{len(batch) / wall:4.0f}/s"
    click.echo(
        f"concurrency {concurrency:3}, faults {share:4.0%}: {ratio}; {1e3 * cpu / len(batch):.2f} ms of CPU each;"
        f" {again} answered twice"
    )
    return [verdict.outcome for verdict in verdicts]


@click.command(help=__doc__)
@click.option("--requests", default=2000, show_default=True)
@click.option("--concurrency", default=64, show_default=True)
@click.option("--latency", default=0.05, show_default=True, help="Seconds.")
@click.option("--serve", "serving", is_flag=True, hidden=True)
def main(requests: int, concurrency: int, latency: float, serving: bool) -> None:
    if serving:
        asyncio.run(serve())
        return
    batch = attempts(requests)
    with served() as base_url:
        measure(base_url, batch[:64], concurrency, 0.0, 0.0)  # imports and first connections are start-up
        floor, ideal = bare(base_url, requests, concurrency, latency), requests / concurrency * latency
        click.echo(f"bare sockets: {floor:.2f} s, {floor / ideal:.2f} of the ideal")
        clean = measure(base_url, batch, concurrency, latency, 0.0)
        faulty = measure(base_url, batch, concurrency, latency, 0.1)
        click.echo(f"verdicts equal: {clean == faulty}; correct {clean.count(Outcome.CORRECT)} of {len(clean)}")
        for workers in (1, 4, 16, 64):
            measure(base_url, batch, workers, 0.0, 0.0)


if __name__ == "__main__":
    main()
