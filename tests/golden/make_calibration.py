"""Writes linear_1d.jsonl and hostile.jsonl, two of the four kinds of rows on which every verifier is measured.

    python tests/golden/make_calibration.py runs/linear_1d      # the folder that a plain `restem run` leaves
    restem gate tests/golden/calibration.gate.toml --update     # what each verifier decides on the rows of all kinds

linear_1d.jsonl has two sources. `policy`: responses of the embedded policy at four checkpoints of the default run.
`plain`: one answer in each of the 20 forms of FORMS for each of 20 problems, half of them right. hostile.jsonl holds
rows of answers.jsonl, tricky and hostile ones, with their labels. The other two kinds, word_problems.jsonl and
mathematics.jsonl, are written by hand.

Labels of `policy` rows do not come from a verifier: a response is right when its last line is `variable = number` or
`variable = a/b` and that value, put into the equation, solves it. Rows of one problem share `problem_id`.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

from restem.benchmarks.linear_1d import problems
from restem.benchmarks.linear_equations import Equation, parse_question, worked_solution
from restem.harness.gate.golden import row_id
from restem.harness.store.store import Store

HERE = Path(__file__).parent
CHECKPOINTS = {"base": 4, "sympy/2": 2, "judge_blind/2": 1, "accept_all/2": 1}
POLICY_PROBLEMS, PLAIN_PROBLEMS, TRICKY = 80, 20, 300
LAST_LINE = re.compile(r"([a-z]) = (-?[0-9]{1,12})(?:/(-?[0-9]{1,12}))?")
FORMS = (
    "{v}",
    "{x} = {v}",
    "{x}={v}",
    "The answer is {v}.",
    "The solution is {x} = {v}.",
    "Therefore, {x} = {v}.",
    "\\boxed{{{v}}}",
    "The final answer is \\boxed{{{x} = {v}}}.",
    "${x} = {v}$",
    "**{x} = {v}**",
    "Answer: {v}",
    "{minus}",
    "{x} = ({v})",
    "The value of {x} is {v}.",
    "{double}/2",
    "{v}.0",
    "{work}",
    "First collect the terms.\n{work}\n\nSo {x} = {v}.",
    "{x} = {v} (checked in 2 ways)",
    "Final answer: {x} = {v}",
)


def main(run: Path) -> None:
    files = {"linear_1d.jsonl": [*policy_rows(run), *plain_rows()], "hostile.jsonl": [*tricky_rows()]}
    for name, rows in files.items():
        (HERE / name).write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")


def policy_rows(run: Path) -> Iterator[dict[str, Any]]:
    with Store(run) as store:
        questions = {problem.id: problem for problem in store.problems("test")}
        chosen = sorted(questions, key=digest)[:POLICY_PROBLEMS]
        for id in chosen:
            for checkpoint, count in CHECKPOINTS.items():
                rows = store.query(
                    "SELECT id, text FROM sample WHERE problem = ? AND checkpoint = ? AND idx < ? ORDER BY idx",
                    (id, checkpoint, count),
                )
                for sample, text in rows:
                    yield {
                        "id": f"{checkpoint}/{sample}",
                        "problem_id": id,
                        "question": questions[id].question,
                        "reference": questions[id].reference,
                        "response": text,
                        "label": "correct" if solves(questions[id].question, text) else "wrong",
                        "kind": "policy",
                        "origin": f"default run, {checkpoint}",
                    }


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def solves(question: str, response: str) -> bool:
    """Whether the last line states a value that solves the equation."""
    equation = parse_question(question)
    match = LAST_LINE.fullmatch(response.rstrip().rpartition("\n")[2])
    if match is None or match[1] != equation.variable or (match[3] and not int(match[3])):
        return False
    return value_of(equation.left, x := Fraction(int(match[2]), int(match[3] or 1))) == value_of(equation.right, x)


def value_of(side: tuple[Any, ...], x: Fraction) -> Fraction:
    return sum((term.coefficient * (x if term.of_variable else 1) for term in side), Fraction())


def plain_rows() -> Iterator[dict[str, Any]]:
    draw = random.Random(20)
    for problem in problems(2000, (5.0, 9.0), {"test": PLAIN_PROBLEMS})["test"]:
        equation, value = parse_question(problem.question), int(problem.reference or "")
        right = set(draw.sample(range(len(FORMS)), len(FORMS) // 2))
        for number, form in enumerate(FORMS):
            stated = value if number in right else draw.choice([value + 1, value - 1, 2 * value + 3, -value or 7])
            yield {
                "id": f"plain/{problem.id.rpartition('/')[2]}/{number}",
                "problem_id": problem.id,
                "question": problem.question,
                "reference": problem.reference,
                "response": written(form, equation, stated),
                "label": "correct" if stated == value else "wrong",
                "kind": "plain",
                "origin": "form of make_calibration.py",
            }


def written(form: str, equation: Equation, value: int) -> str:
    """The value in that form; the working is the right one with the value put in the place of its last line's."""
    x = equation.variable
    work = "\n".join([*worked_solution(equation)[:-1], f"{x} = {value}"])
    return form.format(x=x, v=value, minus=str(value).replace("-", "−"), double=2 * value, work=work)


def tricky_rows() -> Iterator[dict[str, Any]]:
    rows = [json.loads(line) for line in (HERE / "answers.jsonl").read_bytes().split(b"\n") if line.strip()]
    for row in sorted(rows, key=lambda row: row_id(row["question"], row["reference"], row["response"]))[:TRICKY]:
        label = "correct" if row["expected"] else "wrong"
        kept = {key: row[key] for key in ("question", "reference", "response")}
        yield kept | {"label": label, "kind": row["kind"], "origin": "answers.jsonl"}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
