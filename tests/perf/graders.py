"""Prints how well our verifiers and other graders decide on each kind of data, in one run: a table, a grader a line.

    python tests/perf/graders.py [--peers DIR] [--rows FILE.jsonl]... [--verifier NAME]...

Takes labelled rows, by default the calibration rows of tests/golden, four kinds in four files. For each kind a cell has
three shares: of the right answers those that the grader did not accept, of the right answers those that it decided
wrong, of the wrong answers those that it accepted; and below the table stand CPU milliseconds a row. `--peers` names
the folder of the other graders' environment, made on first use. A reference that is a whole solution (`... #### 18`)
is given to the others as the text after its mark, as their users do. Asserts nothing.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType

import click

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.perf.answer_checking import Row, Standing, environment, labelled, ours, theirs
from tests.perf.answer_peers import PEERS

GOLDEN = Path(__file__).parents[1] / "golden"
KINDS = ("linear_1d", "word_problems", "mathematics", "hostile")
VERIFIERS = ("sympy", "exact", "substitution", "math_verify", "two_readers")
OPTIONS = MappingProxyType({"two_readers": MappingProxyType({"type": "cascade", "members": ("sympy", "math_verify")})})
OTHERS = tuple(peer for peer in PEERS if peer != "plain_sympy")  # it reads a whole response as one expression


def marked(row: Row) -> Row:
    """The row with the text after `####` as its reference, if it has one."""
    problem = row.attempt.problem
    reference = (problem.reference or "").rpartition("####")[2].strip()
    return dataclasses.replace(
        row, attempt=dataclasses.replace(row.attempt, problem=dataclasses.replace(problem, reference=reference))
    )


def cell(rows: Sequence[Row], standing: Standing) -> str:
    """`4.0 / 1.0 / 0.0`: not accepted and decided wrong of the right, accepted of the wrong, in percent."""
    graded = list(zip(rows, standing.accepted, standing.undecided, strict=True))
    right = [(accepted, undecided) for row, accepted, undecided in graded if row.right]
    missed = [undecided for accepted, undecided in right if not accepted]
    fooled = [accepted for row, accepted, _ in graded if not row.right]
    shares = [(len(missed), len(right)), (missed.count(False), len(right)), (sum(fooled), len(fooled))]
    return " / ".join(f"{100 * count / of:.1f}" if of else "-" for count, of in shares)


@click.command(help=__doc__)
@click.option("--peers", type=click.Path(path_type=Path), help="Folder of the other graders' environment.")
@click.option("--rows", "files", type=click.Path(path_type=Path, exists=True), multiple=True)
@click.option("--verifier", "names", multiple=True, default=VERIFIERS, show_default=True)
@click.option("--limit", default=15.0, show_default=True, help="Seconds after which another grader is killed.")
def main(peers: Path | None, files: tuple[Path, ...], names: tuple[str, ...], limit: float) -> None:
    python = environment(peers) if peers else None
    sets = {path.stem: labelled(path) for path in files or [GOLDEN / f"{kind}.jsonl" for kind in KINDS]}
    cells: dict[str, list[str]] = {}
    speeds: dict[str, list[str]] = {}
    for title, rows in sets.items():
        click.echo(title, err=True)
        for name in [f"`{name}`" for name in names] + [*(OTHERS if python else ())]:
            if name.startswith("`"):
                standing = ours(name.strip("`"), [rows], OPTIONS)
            else:
                assert python
                standing = theirs(python, name, [marked(row) for row in rows], limit, 1)
            cells.setdefault(name, []).append(cell(rows, standing) + (f" ({standing.remark})" * bool(standing.remark)))
            speeds.setdefault(name, []).append(f"{1e3 * standing.cpu_seconds / len(rows):.3g}")
    heads = [
        f"{title} ({sum(row.right for row in rows)} + {sum(not row.right for row in rows)})"
        for title, rows in sets.items()
    ]
    for header, table in (
        ("right not accepted / right decided wrong / wrong accepted, %", cells),
        ("CPU ms a row", speeds),
    ):
        click.echo(f"\n{header}\n\n| grader | {' | '.join(heads)} |\n|---|{'---|' * len(heads)}")
        for name, values in table.items():
            click.echo(f"| {name} | {' | '.join(values)} |")


if __name__ == "__main__":
    main()
