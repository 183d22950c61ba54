"""Prints how well and how fast answers are checked, by our verifiers and by other graders on the same rows.

    python tests/perf/answer_checking.py [--peers DIR] [--rows FILE.jsonl]... [--verifier NAME]...

Without `--rows`: 2,000 generated linear_1d responses in 20 forms, half of them right. With `--rows`: labelled rows, one
JSON object a line (`question`, `reference` or `gold`, `response`, `expected`). `--peers` names a folder for the peers'
own virtual environment, made on first use; each peer grades in a child process without an environment, in an empty
folder, and is killed where a row takes longer than the limit.

CPU seconds are the process's own, the least of several rounds. Asserts nothing: figures belong to the machine.
"""

from __future__ import annotations

import dataclasses
import json
import os
import random
import selectors
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import click

sys.path.insert(0, str(Path(__file__).parents[2]))

from restem.benchmarks.linear_1d import stream
from restem.benchmarks.linear_equations import parse_question, worked_solution
from restem.benchmarks.problem import Problem
from restem.reports.stats.estimates import wilson
from restem.verifiers.catalog import Tables, build
from restem.verifiers.verdict import Attempt, Outcome
from tests.perf.answer_peers import PEERS

REQUIREMENTS = (
    *("math-verify==0.9.0", "latex2sympy2_extended[antlr4]", "inspect_ai==0.3.285"),
    *("mathruler==0.1.0", "pylatexenc", "tqdm"),
)
ALONE = ("verl==0.9.1",)  # without what it requires: one file of it is loaded, which needs nothing
ROUNDS = 5
PASSES = 4  # over the rounds: together they hold more problems than any cache, so the next pass finds nothing in one
PER_FORM = 100
SYMBOLIC = Attempt(
    problem=Problem(id="symbolic", question="Simplify.", reference="2*sqrt(2)", split="", source=""),
    response="\\boxed{\\sqrt{8}}",
)
SEED = 20_261


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """A labelled response."""

    attempt: Attempt
    right: bool


@dataclasses.dataclass(frozen=True, kw_only=True)
class Standing:
    """What a grader made of the rows.

    Attributes:
        accepted: Whether it accepted each row; an error, a hang or undecided accepts nothing.
        undecided: Whether it left each row undecided, or raised or hung on it.
        cpu_seconds: CPU time of all rows, the least of the rounds; that of child processes included.
        slowest: CPU time of the slowest row.
        remark: Hangs, files left behind, and the like.
    """

    accepted: list[bool]
    undecided: list[bool]
    cpu_seconds: float
    slowest: float
    remark: str = ""


# -- Rows --------------------------------------------------------------------------------------------------------------


def chained(problem: Problem, answer: int) -> str:
    """A worked solution whose last line gives the answer."""
    equation = parse_question(problem.question)
    *lines, last = worked_solution(equation)
    return "\n".join([*lines, f"{equation.variable} = {answer}"]) if lines else last.split("=")[0] + f"= {answer}"


def signed(answer: int) -> str:
    """The answer with a sign from outside ASCII, or one that need not be there."""
    return f"\u2212{-answer}" if answer < 0 else f"+{answer}"


# Each form takes the problem, its variable and an answer.
FORMS: tuple[Callable[[Problem, str, int], str], ...] = (
    lambda _, x, n: f"{n}",
    lambda _, x, n: f"{x} = {n}",
    lambda _, x, n: f"{x}={n}.",
    lambda _, x, n: f"{n}.0",
    lambda _, x, n: f"{2 * n}/2",
    lambda _, x, n: f"{x} = {3 * n}/3 = {n}",
    lambda _, x, n: f"Dividing both sides, we get \\boxed{{{n}}}.",
    lambda _, x, n: f"Therefore $\\boxed{{{x} = {n}}}$.",
    lambda _, x, n: f"So the solution is $\\boxed{{\\frac{{{2 * n}}}{{2}}}}$.",
    lambda _, x, n: f"We collect the terms in {x}.\nAnswer: {n}",
    lambda _, x, n: f"The answer is {n}.",
    lambda _, x, n: f"The value of {x} is {n}.",
    lambda _, x, n: f"Final Answer: The final answer is ${n}$. I hope it is correct.",
    lambda _, x, n: f"{x} = {signed(n)}",
    lambda _, x, n: f"{x} = ({n})",
    lambda _, x, n: f"{x} = {n} (checked in 2 ways)",
    lambda problem, x, n: chained(problem, n),
    lambda _, x, n: f"Step 1: collect {x}.\nStep 2: divide.\n#### {n}",
    lambda _, x, n: f"**{x} = {n}**",
    lambda problem, x, n: f"{problem.question[6:-7]} is solved by ${x} = {n}$",
)


def near_miss(rng: random.Random, answer: int) -> int:
    """Another integer: off by one, of the other sign, with a digit more or less, or any other."""
    others = [answer + 1, answer - 1, -answer, answer * 10, answer // 10, answer + rng.randint(2, 40)]
    return rng.choice([other for other in others if other != answer])


def generated(seed: int) -> list[Row]:
    """Rows of distinct problems, `PER_FORM` for each form, in mixed order; every other one is right."""
    rng = random.Random(seed)
    rows: list[Row] = []
    draws = stream(seed, "train-easy")
    for form in FORMS:
        for index in range(PER_FORM):
            problem = next(draws)
            answer = int(problem.reference or "")
            right = index % 2 == 0
            written = answer if right else near_miss(rng, answer)
            response = form(problem, parse_question(problem.question).variable, written)
            rows.append(Row(attempt=Attempt(problem=problem, response=response), right=right))
    rng.shuffle(rows)
    return rows


def labelled(path: Path) -> list[Row]:
    """The rows of a file."""
    rows: list[Row] = []
    for line in path.read_bytes().split(b"\n"):
        if line.strip():
            row = json.loads(line)
            reference = row["reference"] if "reference" in row else row["gold"]
            problem = Problem(id=row["question"], question=row["question"], reference=reference, split="", source="")
            rows.append(Row(attempt=Attempt(problem=problem, response=row["response"]), right=_is_right(row)))
    return rows


def _is_right(row: Mapping[str, Any]) -> bool:
    return row["label"] == "correct" if "label" in row else bool(row["expected"])


# -- Graders -----------------------------------------------------------------------------------------------------------


def ours(name: str, rounds: Sequence[Sequence[Row]], options: Tables = MappingProxyType({})) -> Standing:
    """One of our verifiers: all rows in one `verify`; several rounds have rows of their own, so that no cache helps."""
    verifier = build(name, options)
    # Imports, compiles the patterns of each variable, and starts the worker that compares expressions.
    verifier.verify([*(row.attempt for row in generated(seed=1)), SYMBOLIC])
    least = float("inf")
    for rows in reversed([*rounds] * (PASSES if len(rounds) > 1 else 1)):
        attempts = [row.attempt for row in rows]
        began = _cpu_seconds()
        verdicts = verifier.verify(attempts)
        least = min(least, (_cpu_seconds() - began) / len(rows))
    outcomes = [verdict.outcome for verdict in verdicts]
    return Standing(
        accepted=[outcome is Outcome.CORRECT for outcome in outcomes],
        undecided=[outcome is Outcome.UNDECIDED for outcome in outcomes],
        cpu_seconds=least * len(rounds[0]),
        slowest=max(_least_cpu(lambda row=row: verifier.verify([row.attempt])) for row in rounds[0]),
    )


def _least_cpu(call: Callable[[], Any]) -> float:
    times: list[float] = []
    for _ in range(3):
        began = _cpu_seconds()
        call()
        times.append(_cpu_seconds() - began)
    return min(times)


def _cpu_seconds() -> float:
    """CPU time of this process, and of the children that run now: the workers that compare expressions."""
    ticks = os.sysconf("SC_CLK_TCK")
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    fields = [Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split() for child in children]
    return time.process_time() + sum((int(field[11]) + int(field[12])) / ticks for field in fields)


class Child:
    """A peer in a process that can be killed, in an empty folder."""

    def __init__(self, python: Path, peer: str, limit_seconds: float) -> None:
        self.command = [str(python), str(Path(__file__).with_name("answer_peers.py")), peer]
        self.limit_seconds = limit_seconds
        self.folder, self.home = Path(tempfile.mkdtemp()), Path(tempfile.mkdtemp())
        self.killed = 0
        self.process = self._started()

    def _started(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            self.command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=self.folder,
            env={"HOME": str(self.home), "PYTHONDONTWRITEBYTECODE": "1"},
        )
        if self._line(process, 120.0) != b"ready\n":
            process.kill()
            raise click.ClickException(f"the peer {self.command[-1]} does not start: is its environment whole?")
        return process

    @staticmethod
    def _line(process: subprocess.Popen[bytes], seconds: float) -> bytes:
        """The next line, or nothing where the process ends or the time is up."""
        assert process.stdout
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            return process.stdout.readline() if selector.select(seconds) else b""

    def graded(self, attempt: Attempt) -> dict[str, Any]:
        """Its answer; a process that hangs or dies is replaced, and has accepted nothing."""
        assert self.process.stdin
        row = {"reference": attempt.problem.reference, "response": attempt.response}
        self.process.stdin.write(json.dumps(row).encode() + b"\n")
        self.process.stdin.flush()
        line = self._line(self.process, self.limit_seconds)
        if line:
            return json.loads(line)
        self.killed += 1
        self.process.kill()
        self.process.wait()
        self.process = self._started()
        return {"accepted": False, "seconds": self.limit_seconds, "error": "killed"}

    def close(self) -> list[str]:
        """Ends it; gives the names of the files that graded text has left behind."""
        self.process.kill()
        self.process.wait()
        left = sorted(path.name for path in self.folder.iterdir())
        shutil.rmtree(self.folder)
        shutil.rmtree(self.home)
        return left


def theirs(python: Path, peer: str, rows: Sequence[Row], limit_seconds: float, count: int) -> Standing:
    """A peer: row by row in a child; the least of `count` rounds for each row."""
    child = Child(python, peer, limit_seconds)
    rounds = [[child.graded(row.attempt) for row in rows] for _ in range(count)]
    killed, left = child.killed, child.close()
    seconds = [min(answer["seconds"] for answer in answers) for answers in zip(*rounds, strict=True)]
    remarks = [f"{killed // count} killed"] * bool(killed) + [f"executed: left {', '.join(left)}"] * bool(left)
    return Standing(
        accepted=[answer["accepted"] for answer in rounds[0]],
        undecided=[bool(answer["error"]) for answer in rounds[0]],
        cpu_seconds=sum(seconds),
        slowest=max(seconds),
        remark="; ".join(remarks),
    )


def environment(folder: Path) -> Path:
    """The Python of the peers' environment, made where there is none."""
    python = folder.resolve() / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *REQUIREMENTS], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", "--no-deps", *ALONE], check=True)
    return python


# -- The table ---------------------------------------------------------------------------------------------------------


def rate(errors: int, count: int) -> str:
    """`3.1 % (5/160, 1.3 to 7.1)`: a share with Wilson's 95 % interval."""
    if not count:
        return "-"
    low, high = wilson(errors / count, count)
    return f"{errors / count:.2%} ({errors}/{count}; {low:.2%} to {high:.2%})".replace("%", " %")


def table(rows: Sequence[Row], standings: Iterable[tuple[str, Standing]]) -> str:
    """A Markdown table, one grader a line; ratios are to the first."""
    right = sum(row.right for row in rows)
    lines = [
        "| grader | missed of the right | accepted of the wrong | undecided or error | answers/CPU-s | of ours"
        " | slowest row, ms | remark |",
        "|---|---|---|---|---|---|---|---|",
    ]
    first = None
    for name, standing in standings:
        missed = sum(row.right and not yes for row, yes in zip(rows, standing.accepted, strict=True))
        fooled = sum(yes and not row.right for row, yes in zip(rows, standing.accepted, strict=True))
        speed = len(rows) / standing.cpu_seconds
        first = first or speed
        lines.append(
            f"| {name} | {rate(missed, right)} | {rate(fooled, len(rows) - right)} | {sum(standing.undecided)}"
            f" | {speed:,.0f} | {speed / first:.3g} | {1e3 * standing.slowest:.2f} | {standing.remark} |"
        )
    return "\n".join(lines)


@click.command(help=__doc__)
@click.option("--peers", type=click.Path(path_type=Path), help="Folder of the peers' environment.")
@click.option("--rows", "files", type=click.Path(path_type=Path, exists=True), multiple=True)
@click.option("--verifier", "names", multiple=True, default=["sympy", "exact", "substitution"], show_default=True)
@click.option("--limit", default=15.0, show_default=True, help="Seconds after which a peer is killed.")
def main(peers: Path | None, files: tuple[Path, ...], names: tuple[str, ...], limit: float) -> None:
    python = environment(peers) if peers else None
    sets = [(str(path), [labelled(path)]) for path in files]
    if not sets:
        sets = [("generated linear_1d", [generated(SEED + index) for index in range(ROUNDS)])]
    for title, rounds in sets:
        rows = rounds[0]
        standings = [(f"`{name}`", ours(name, rounds)) for name in names]
        for peer in PEERS if python else ():
            standings.append((peer, theirs(python, peer, rows, limit, 1 if files else 2)))
        click.echo(f"\n{title}: {len(rows)} rows, {sum(row.right for row in rows)} right\n\n{table(rows, standings)}")


if __name__ == "__main__":
    main()
