"""Compares what a judge's run counts with what its provider counts, in many mixes of faults.

    uv run python tests/perf/faults_money.py [--seeds 3] [--only WORD] [--requests 80]

Run by name. Each trial judges the same responses by a real loopback server (tests/judge_server.py) that counts what a
provider may bill: every request that it received, but for those that it refused with a status such as 429. The judge is
a process of its own that is stopped in the ways named, and started again until it has all verdicts or its budget is
used up. A line a trial: calls by the provider and by the run, the same in US dollars, the budget, the verdicts that are
right, opposite and undecided, and the starts. At the end the largest differences.

Faults whose bill nobody can know (a reset, a 500, a cut body) count as billed here: the provider that bills the most.
"""

from __future__ import annotations

import dataclasses
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

sys.path.insert(0, str(Path(__file__).parents[2]))

from restem.benchmarks.problem import Problem
from restem.harness.store.store import Store
from restem.verifiers.chat.budget import Prices
from restem.verifiers.chat.sent import unanswered_calls, unanswered_in_batches
from restem.verifiers.verdict import Attempt, JudgeUnavailable, Outcome
from tests import building, faults
from tests.batch_server import BatchServer
from tests.judge_server import COMPLETION_TOKENS, PROMPT_TOKENS, JudgeServer

PRICE = (30.0, 60.0)
MOST_STARTS = 40
QUICK = {"backoff_seconds": 0.01, "timeout_seconds": 0.5, "concurrency": 8, "prices": {"m": PRICE}, "model": "m"}
MIXES: Mapping[str, Mapping[str, float]] = {
    "clean": {},
    "500": {"500": 0.3},
    "503": {"503": 0.3},
    "reset": {"reset": 0.3},
    "bad JSON": {"badjson": 0.2, "badbytes": 0.1},
    "HTML": {"html": 0.1},
    "cut bodies": {"midbody": 0.15, "shortbody": 0.15},
    "hang": {"hang": 0.1},
    "drip": {"drip": 0.1},
    "no usage": {"nousage": 0.5, "oddusage": 0.5},
    "429": {"429": 0.2, "ms:20": 0.2},
    "400": {"400": 0.2},
    "no choice": {"nochoices": 0.3},
    "endless body": {"endless": 0.05},
    "401 in between": {"401": 0.03},
    "quota in between": {"quota": 0.03},
    "all": {
        **dict.fromkeys(("500", "503", "reset", "badjson", "html", "midbody", "shortbody", "429", "nochoices"), 0.04),
        **dict.fromkeys(("hang", "drip", "nousage", "400", "endless"), 0.02),
        "401": 0.01,
    },
}
STOPS: Mapping[str, signal.Signals] = {"kill -9": signal.SIGKILL, "SIGTERM": signal.SIGTERM, "Ctrl-C": signal.SIGINT}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trial:
    """A mix of faults, a budget, a way to stop, and a seed."""

    mix: str
    budget: str = ""
    stop: str = ""
    seed: int

    @property
    def options(self) -> dict[str, Any]:
        name, _, value = self.budget.partition(" ")
        return {name: float(value) if "." in value else int(value)} if name else {}

    def __str__(self) -> str:
        return f"{self.mix:16} {self.budget or '-':19} {self.stop or '-':8}"


def trials(seeds: int) -> Iterator[Trial]:
    """Every mix with every budget, and some with every stop."""
    for seed in range(seeds):
        for mix in MIXES:
            for budget in ("", "max_calls 50", "max_cost_usd 0.25"):
                yield Trial(mix=mix, budget=budget, seed=seed)
        for mix in ("clean", "all"):
            for stop in STOPS:
                for budget in ("", "max_calls 50"):
                    yield Trial(mix=mix, budget=budget, stop=stop, seed=seed)


def attempts(count: int) -> list[Attempt]:
    """Every third of them wrong, all different."""
    return [
        Attempt(
            problem=Problem(id=str(i), question=f"item {i}", reference=str(i), split="test", source="test"),
            response=f"x = {i + (i % 3 == 0)}",
        )
        for i in range(count)
    ]


def judged(folder: Path, requests: int, options: Mapping[str, Any]) -> tuple[list[Outcome], str]:
    """The outcomes of the judge in this process; none where it stopped, and why."""
    with Store(folder, write=True) as store:
        judge = building.judge(calls=store, **options)
        try:
            return [verdict.outcome for verdict in judge.verify(attempts(requests))], ""
        except JudgeUnavailable as error:
            return [], str(error)


def counted(folder: Path, options: Mapping[str, Any]) -> tuple[int, float]:
    """Calls and US dollars by the rows of a run."""
    with Store(folder) as store:
        verifier = building.judge(**options).fingerprint
        open_ = unanswered_calls(store, verifier) + unanswered_in_batches(store, verifier)
        prices = Prices({"m": PRICE}, "m")
        rows = store.spent(verifier)
    usd = sum(prices.cost(model, *tokens) for model, _, *tokens in rows) + prices.most(open_)
    return sum(calls for _, calls, *_ in rows) + open_.calls, usd


def child(folder: Path, requests: int, options: Mapping[str, Any]) -> subprocess.Popen[str]:
    """The judge in a process of its own."""
    command = [sys.executable, __file__, "--child", str(folder), "--requests", str(requests), json.dumps(options)]
    env = faults.environment(PYTHONPATH=f"{faults.ROOT}:{faults.ROOT / 'src'}")
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)


def stopped(server: JudgeServer, process: subprocess.Popen[str], stop: signal.Signals, after: int) -> None:
    """Stops the process when the server has received so many more requests."""
    before = server.requests
    while server.requests < before + after and process.poll() is None:
        time.sleep(0.002)
    process.send_signal(stop)


def tried(server: JudgeServer, trial: Trial, requests: int) -> tuple[int, list[str]]:
    """How far the run's count of calls is above the provider's, and what is wrong with the trial."""
    server.reset()
    server.latency_seconds = 0.02
    server.mix(MIXES[trial.mix], trial.seed)
    rng = random.Random(trial.seed)
    options = QUICK | trial.options | {"base_url": server.base_url}
    outcomes: list[Outcome] = []
    kills = starts = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for starts in range(1, MOST_STARTS + 1):  # noqa: B007
            if trial.stop and kills < 3:  # a process of its own is slow to start
                process = child(folder, requests, options)
                stopped(server, process, STOPS[trial.stop], rng.randint(3, 30))
                kills += 1
                process.communicate()
                continue
            outcomes, why = judged(folder, requests, options)
            if outcomes or "budget" in why:
                break
        calls, usd = counted(folder, options)
    provider = server.billed
    provider_usd = Prices({"m": PRICE}, "m").cost("m", provider * PROMPT_TOKENS, provider * COMPLETION_TOKENS)
    expected = [Outcome.CORRECT if index % 3 else Outcome.WRONG for index in range(requests)]
    pairs = list(zip(outcomes, expected, strict=False))
    opposite = sum(got != want and got is not Outcome.UNDECIDED for got, want in pairs)
    undecided = sum(got is Outcome.UNDECIDED for got, _ in pairs)
    above = calls - provider
    slack = kills * int(QUICK["concurrency"]) if trial.stop == "kill -9" else 1
    wrong = [
        *(["run below provider"] if above < 0 or usd < provider_usd - 1e-12 else []),
        *([f"run above provider by {above}"] if above > slack else []),
        *(["budget exceeded"] if provider > trial.options.get("max_calls", provider) else []),
        *(["budget exceeded"] if provider_usd > trial.options.get("max_cost_usd", provider_usd) else []),
        *(["opposite verdict"] if opposite else []),
        *(["no end"] if starts == MOST_STARTS else []),
    ]
    click.echo(
        f"{trial} calls {provider:4} {calls:4} {above:+3}  USD {provider_usd:.4f} {usd:.4f}"
        f"  right {len(pairs) - opposite - undecided:3} opposite {opposite} undecided {undecided:2}"
        f"  starts {starts:2}  paid again {server.asked_again:2}  {'; '.join(wrong)}"
    )
    return above, wrong


def killed_when_created(server: BatchServer, process: list[subprocess.Popen[str]]) -> None:
    """Kills the process once its batch exists, before it is answered."""
    server.after_creation = lambda: process[0].kill()


def batches_tried(requests: int) -> list[str]:
    """What is wrong after a batch was created whose answer was lost, by a kill or by the connection."""
    wrong: list[str] = []
    for name, listed, lost in (("answer lost", True, 0), ("killed", True, 1), ("killed, no list", False, 1)):
        with BatchServer() as server, tempfile.TemporaryDirectory() as folder:
            options = QUICK | {"base_url": server.base_url, "batch": True, "poll_seconds": 0.01, "concurrency": 8}
            server.lists = listed
            processes: list[subprocess.Popen[str]] = []
            if lost:
                killed_when_created(server, processes)
            else:
                server.faults = [200, 200, 200, 0]
            processes.append(child(Path(folder), requests, options))
            processes[0].communicate()
            server.after_creation = None
            outcomes, why = judged(Path(folder), requests, options)
            calls, _ = counted(Path(folder), options)
            provider = sum(map(len, server.uploads))
            again = provider - requests
            click.echo(
                f"batch, {name:16} calls {provider:4} {calls:4} {calls - provider:+3}  sent again {again:3}"
                f"  verdicts {len(outcomes):3}  {why[:90]}"
            )
            wrong += [f"batch, {name}"] * (calls != provider or (listed and again > 0) or len(outcomes) != requests)
    return wrong


@click.command(help=__doc__)
@click.option("--seeds", default=3, show_default=True)
@click.option("--only", default="", help="Only the trials whose line begins with it.")
@click.option("--requests", default=80, show_default=True)
@click.option("--child", "folder", type=click.Path(path_type=Path), hidden=True)
@click.argument("options", default="{}")
def main(seeds: int, only: str, requests: int, folder: Path | None, options: str) -> None:
    if folder is not None:
        signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # as the command line does
        outcomes, why = judged(folder, requests, json.loads(options))
        click.echo(" ".join(outcomes))
        click.echo(why, err=True)
        sys.exit(not outcomes)
    above: list[int] = []
    wrong: list[str] = []
    with JudgeServer() as server:
        for trial in trials(seeds):
            if str(trial).startswith(only):
                difference, faulty = tried(server, trial, requests)
                above.append(difference)
                wrong += faulty
    if not only or only == "batch":
        wrong += batches_tried(requests)
    click.echo(
        f"{len(above)} trials; the run's count above the provider's by {min(above, default=0)} to"
        f" {max(above, default=0)}; {len(wrong)} wrong: {'; '.join(wrong)}"
    )
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
