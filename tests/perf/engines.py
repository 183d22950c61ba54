"""The proof of docs/engines.md on real software: a small suite by our own sampler and by servers, killed in the middle.

    python -m tests.perf.engines FOLDER [--vllm ENV/bin/python] [--dtype bfloat16]... [--llama ENV/bin/python]

`restem serve --allow-update` is always one of the servers: it is told by SGLang's route. With `--vllm`, vLLM of that
environment (its CPU build is enough) is started by the run for every checkpoint; so is llama.cpp with `--llama`
(llama_server.py). A server's run needs three processes: the first is killed while training samples are drawn, the
server of the second while test samples of the trained checkpoint are, and the third ends the run. Prints JSON, then a
table, and writes both into FOLDER.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

SUITE = """
name = "engines"
seed = 0
iterations = 1

[benchmark]
regime = [3.0, 4.5]
train = 64
validation = 1
test = 64

[sampling]
train_samples = 8
test_samples = 4

[training]
checks = 0

[probe]
problems = 0

[[arms]]
name = "sympy"
verifier = "sympy"
"""
VLLM = (
    "-m vllm.entrypoints.openai.api_server --model {folder} --port {port} --host 127.0.0.1 --enforce-eager "
    "--max-model-len 256 --max-num-seqs 64 --logprobs-mode processed_logprobs --dtype"
)
VLLM_VARIABLES = {
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "OMP_NUM_THREADS": str(len(os.sched_getaffinity(0))),
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # one process, so that to kill the server is to kill one process
    "HF_HUB_OFFLINE": "1",
}
RESTEM = [sys.executable, "-m", "restem.harness.cli"]
TRAINED = "sympy/1"


class Run:
    """A run in a folder, by the same command each time.

    Args:
        folder: Holds the suite and the runs.
        name: The run's folder.
        settings: Those that differ from the suite.
    """

    def __init__(self, folder: Path, name: str, settings: Sequence[str] = ()) -> None:
        self.path = folder / name
        options = [word for setting in settings for word in ("--set", setting)]
        self._command = [*RESTEM, "run", str(folder / "suite.toml"), "--out", str(self.path), "--quiet", *options]

    def start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self._command, env=os.environ | VLLM_VARIABLES, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )

    def finish(self) -> None:
        process = self.start()
        errors = process.communicate()[1]
        if process.returncode:
            raise SystemExit(f"{self.path} ended with {process.returncode}: {errors}")

    def samples(self, checkpoint: str, split: str) -> int:
        """How many are stored, also while the run writes."""
        sql = "SELECT count(*) FROM sample s JOIN problem p ON p.id = s.problem WHERE s.checkpoint = ? AND p.split = ?"
        rows = self._query(sql, checkpoint, split)
        return rows[0][0] if rows else 0

    def events(self) -> list[dict[str, Any]]:
        """The events that say what drew samples."""
        return [json.loads(row[0]) for row in self._query("SELECT detail FROM event WHERE kind = 'engine' ORDER BY id")]

    def facts(self) -> dict[str, Any]:
        """What the finished run holds."""
        (counts,) = self._query("SELECT count(*), count(token_ids), count(mean_logprob) FROM sample")
        (gain,) = [row["gain"] for row in self._json("show", self.path)["standings"] if row["checkpoint"] == TRAINED]
        return {
            "samples, those with ids, with log-probabilities": counts,
            "gain": gain,
            "engine events": self.events(),
            "restem check": self._json("check", self.path)["sound"],
        }

    def compared(self, other: Run) -> Any:
        """`restem compare` of this run and another one."""
        return self._json("compare", self.path, other.path, "--output", self.path / "compare")

    def _query(self, sql: str, *values: str) -> list[Any]:
        try:
            with contextlib.closing(sqlite3.connect(f"file:{self.path}/run.db?mode=ro", uri=True)) as db:
                return db.execute(sql, values).fetchall()
        except sqlite3.OperationalError:  # there is no table yet
            return []

    @staticmethod
    def _json(*words: object) -> Any:
        done = subprocess.run([*RESTEM, *map(str, words), "--json"], stdout=subprocess.PIPE, text=True, check=False)
        return json.loads(done.stdout)


def disturbed(run: Run, server: subprocess.Popen[bytes] | None, back: Any = None) -> dict[str, Any]:
    """Runs with two kills, and says what was stored at each.

    Args:
        run: The run.
        server: The process of a server that is no child of the run's; None: the run starts it.
        back: Starts that server again.
    """
    process = run.start()
    _wait(lambda: run.samples("base", "train") >= 128, process)
    process.kill()
    process.communicate()
    told: dict[str, Any] = {"training samples when the run was killed": run.samples("base", "train")}
    process = run.start()
    _wait(lambda: run.samples(TRAINED, "test") >= 16, process)
    if server is None:
        os.kill(_listener(run.events()[-1]["servers"][0]["address"]), signal.SIGKILL)
    else:
        server.kill()
        server.wait()
    errors = process.communicate()[1]
    told["test samples when the server was killed"] = run.samples(TRAINED, "test")
    told["exit code, lines"] = [process.returncode, errors.strip().splitlines()]
    if back is not None:
        back()
    run.finish()
    return told


def _wait(reached: Any, process: subprocess.Popen[str]) -> None:
    while not reached():
        if process.poll() is not None:
            raise SystemExit(f"the run ended with {process.returncode}: {process.communicate()[1]}")
        time.sleep(0.05)


def _listener(address: str) -> int:
    """The process whose command names the address's port: the server that the run started."""
    port = address.removesuffix("/v1").rpartition(":")[2]
    for folder in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            words = (folder / "cmdline").read_text().split("\0") if folder.name.isdigit() else []
            if ("--port", port) in itertools.pairwise(words):
                return int(folder.name)
    raise SystemExit(f"no process was started with --port {port}")


@contextlib.contextmanager
def served(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """`restem serve tiny`, which may be told to load what is in the folder."""
    words = [*RESTEM, "serve", "tiny", "--port", str(port), "--allow-update", str(folder)]
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/models"):
            break
        time.sleep(0.2)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def by_serve(folder: Path) -> tuple[Run, dict[str, Any]]:
    """A run whose samples `restem serve` draws."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    addresses = f'engine.base_urls=["http://127.0.0.1:{port}/v1"]'
    run = Run(folder, "serve", ["sampling.engine=openai", addresses, "engine.reload=sglang", "engine.concurrency=4"])
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(served(folder, port))
        return run, disturbed(run, server, lambda: stack.enter_context(served(folder, port)))


def by_started(folder: Path, name: str, words: Sequence[str]) -> tuple[Run, dict[str, Any]]:
    """A run whose samples a server draws that it starts with each checkpoint."""
    run = Run(folder, name, ["sampling.engine=openai", f"engine.start={json.dumps(words)}"])
    return run, disturbed(run, None)


def interval(points: Sequence[float]) -> str:
    value, low, high = (100 * number for number in points)
    return f"{value:+.1f} [{low:+.1f}, {high:+.1f}]"


def table(results: dict[str, Any]) -> str:
    """The results as Markdown."""
    lines = ["| drawn by | killed, server killed | compared tokens, near ties, nats | gain |", "|---|---|---|---|"]
    for name, result in results.items():
        events, told = result["engine events"], result.get("disturbed", {})
        kills = ", ".join(str(number) for key, number in told.items() if "killed" in key) or "no"
        ties = sum(event["near_ties"] for event in events)
        differences = [nats for event in events if (nats := event["logprob_difference"]) is not None]
        nats = f"{max(differences):.2g}" if differences else "not given"
        parity = f"{sum(event['compared_tokens'] for event in events)}, {ties}, {nats}" if events else ""
        lines.append(f"| {name} | {kills} | {parity} | {interval(result['gain'])} |")
    return "\n".join(lines)


@click.command(help=__doc__)
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--vllm", help="Of an environment with vLLM.")
@click.option("--llama", help="Of an environment with llama.cpp.")
@click.option("--dtype", "dtypes", multiple=True, default=("float32",), show_default=True)
def main(folder: Path, vllm: str | None, llama: str | None, dtypes: tuple[str, ...]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "suite.toml").write_text(SUITE)
    own = Run(folder, "own")
    own.finish()
    results: dict[str, Any] = {"our own sampler": own.facts()}
    others = {"restem serve": lambda: by_serve(folder)}
    started = {f"vllm_{dtype}": [vllm, *VLLM.split(), dtype] for dtype in dtypes} if vllm else {}
    if llama:
        started["llama_cpp"] = [llama, "-m", "tests.perf.llama_server", "{folder}", "--port", "{port}"]
    others |= {name: lambda name=name: by_started(folder, name, started[name]) for name in started}
    for name, draw in others.items():
        run, told = draw()
        results[name] = run.facts() | {"disturbed": told, "compared with our own": own.compared(run)}
        (folder / "engines.json").write_text(json.dumps(results, indent=1))
    click.echo(json.dumps(results, indent=1))
    click.echo(table(results))
    (folder / "engines.md").write_text(table(results) + "\n")


if __name__ == "__main__":
    main()
