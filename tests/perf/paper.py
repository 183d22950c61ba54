"""The paper's experiments and those that came after it: runs, small tables, and docs/paper.md and docs/literature.md.

    python -m tests.perf.paper run [NAME...] [--out FOLDER]   runs suites of benchmarks/suites/paper and literature
    python -m tests.perf.paper rows [NAME...] [--out FOLDER]  docs/paper/NAME.json from the finished runs
    python -m tests.perf.paper pages                          both pages, from docs/paper/*.json alone

A run that was stopped goes on. What was published, and which number of ours it speaks of, stands in paper_findings.py
and literature_findings.py; whether both agree is decided in the first, by one rule.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from restem.benchmarks.catalog import SUITES
from restem.harness.config import built_in_suites
from restem.reports.analysis.quality_over_arms import Measure
from restem.reports.tables.quality_over_arms import NAMES
from tests.perf.literature_findings import LITERATURE
from tests.perf.paper_findings import (
    FEWEST_SEEDS,
    LARGEST_RATIO,
    PAPER,
    QUOTED,
    REMARKS,
    SAME,
    Answer,
    Effect,
    Finding,
    answer,
)

ROOT = Path(__file__).parents[2]
STORED = ROOT / "docs" / "paper"
RUNS = Path("runs/paper")
PAGES: Mapping[str, Sequence[Finding]] = {"paper": PAPER, "literature": LITERATURE}
TITLES = {
    "paper": "The paper's experiments",
    "literature": "What later papers found",
}
OPENINGS = {
    "paper": """ReST-EM's paper (arXiv:2312.06585) trained PaLM 2 models on MATH and APPS. This page repeats its
ablations in small: the embedded policy, problems of `linear_1d` with a wide spread of difficulty, eight training
seeds, two CPU cores. So it says whether a finding carries over to another model and task. It cannot say that the paper
is wrong.
""",
    "literature": """Papers of 2025 and 2026 on imperfect verifiers, most of them on policy gradients (GRPO) with models
of 3 to 14 billion parameters. This page looks at the same questions with ReST-EM, the embedded policy, problems of
`linear_1d`, eight training seeds and two CPU cores. So it says whether a finding carries over. It
cannot say that a paper is wrong. Whether LR+ orders verifiers for ReST-EM and Youden's J for GRPO (`em_grpo`):
[grpo.md](grpo.md).
""",
}
POLICY = """What to keep in mind of the embedded policy: its last phase of training taught it mistakes, in all of its
four tasks at once (`harness/assets/make.py`). What is seen here fits with right answers undoing that, whatever their
task: 28 training problems do about as much as 112 (28 less 112: {} points), one iteration with exact verdicts as much
as three (third less first: {} points), and training on one task raises the other three. A policy that never had an
ability may behave otherwise.
"""
RULE = f"""## The rule

Every finding is written as a range in which one number of ours lies if the finding holds here: above 0, below 0, within
±{SAME:g} points, above .92. The number has a 95 % interval of other seeds on other problems (train-test gaps: of these
seeds; R²: of other arms on other problems). **Agree**: the interval lies within the range. **Does not agree**: it lies
outside. **Equal within {SAME:g} points**: it does neither, and holds no difference as large as that. **Cannot tell**:
none of these, or there are fewer than {FEWEST_SEEDS} seeds. **Not comparable**: no range can be written, and our number
is shown alone. The ranges stand in `tests/perf/paper_findings.py` and
`tests/perf/literature_findings.py`, the rule is the function `answer` of the first. The intervals are not corrected for
the number of rows: of twenty findings that hold at the limit of their range, one may fail by chance.

Made by `python -m tests.perf.paper pages` from the tables in [paper/](paper), which `run` and `rows` make again; runs
on another machine differ in the last bits, and so train other policies.
"""
UNKNOWN = "Part of the interval lies within the range: more seeds or problems are needed"


@click.group(help=__doc__)
def main() -> None:
    pass


@main.command("run")
@click.argument("names", nargs=-1)
@click.option("--out", type=click.Path(path_type=Path), default=RUNS)
@click.option("--quick", is_flag=True, help="The small form of each suite.")
def run_command(names: Sequence[str], out: Path, quick: bool) -> None:
    """Runs suites one after another, all of them or the named ones, and prints the seconds of each."""
    for name in names or studies():
        started = time.monotonic()
        command = [sys.executable, "-m", "restem.harness.cli", "run", name, "--out", str(out / name), "--quiet"]
        subprocess.run([*command, *(["--quick"] if quick else [])], check=True, stdout=subprocess.DEVNULL)
        click.echo(f"{name}: {time.monotonic() - started:.0f} s")


@main.command("rows")
@click.argument("names", nargs=-1)
@click.option("--out", type=click.Path(path_type=Path), default=RUNS)
def rows_command(names: Sequence[str], out: Path) -> None:
    """Writes docs/paper/NAME.json of every finished run."""
    from tests.perf.paper_rows import rows_of

    STORED.mkdir(exist_ok=True)
    for name in names or [name for name in studies() if (out / name / "run.db").is_file()]:
        table = rows_of(out / name, effects_of(name))
        if table.pop("finished"):
            (STORED / f"{name}.json").write_text(printed(table), "utf-8")
        else:
            click.echo(f"{name}: not finished", err=True)


@main.command("pages")
def pages_command() -> None:
    """Writes docs/paper.md and docs/literature.md."""
    for name in PAGES:
        (ROOT / "docs" / f"{name}.md").write_text(page(name), "utf-8")


def effects_of(suite: str) -> list[Effect]:
    """The numbers of a suite that the pages speak of."""
    findings = [(finding.suite, finding.effect) for finding in (*PAPER, *LITERATURE)]
    return [effect for name, effect in (*findings, *REMARKS, *QUOTED) if name == suite]


def studies(folder: str | None = None) -> list[str]:
    """The suites of the paper and of the literature; of one of the two."""
    folders = [SUITES / name for name in ([folder] if folder else PAGES)]
    return [name for name, path in built_in_suites().items() if path.parent in folders]


def printed(table: Mapping[str, Any]) -> str:
    """A table as JSON with one line a row."""
    lines = [
        f"{json.dumps(key)}: {json.dumps(value)}"
        for key, value in table.items()
        if key not in ("rows", "groups", "effects")
    ]
    lines.append('"rows": [\n' + ",\n".join(f"  {json.dumps(row)}" for row in table["rows"]) + "\n]")
    lines.append('"groups": [\n' + ",\n".join(f"  {json.dumps(group)}" for group in table["groups"]) + "\n]")
    effects = [
        f"  {json.dumps(name, ensure_ascii=False)}: {json.dumps(value)}" for name, value in table["effects"].items()
    ]
    lines.append('"effects": {\n' + ",\n".join(effects) + "\n}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def stored(name: str) -> Mapping[str, Any] | None:
    """The table of a suite; None where it has not been run."""
    file = STORED / f"{name}.json"
    return json.loads(file.read_text("utf-8")) if file.is_file() else None


def page(name: str) -> str:
    """docs/paper.md or docs/literature.md."""
    tables = {suite: stored(suite) for suite in studies(name)}
    remarks = [_remark(suite, effect) for suite, effect in REMARKS]
    parts = [f"# {TITLES[name]}\n", OPENINGS[name], POLICY.format(*remarks), "## What was found, and what comes here\n"]
    parts += [_findings(PAGES[name], tables), RULE, "## The suites\n", _suites(tables)]
    parts += [part for suite, table in tables.items() if table for part in _study(suite, table)]
    return "\n".join(parts)


def _remark(suite: str, effect: Effect) -> str:
    table = stored(suite)
    if table is None:
        return str(Answer.NOT_RUN)
    value, low, high = table["effects"][str(effect)]
    return f"{value:+.1f} [{low:+.1f}, {high:+.1f}]"


def _findings(findings: Sequence[Finding], tables: Mapping[str, Mapping[str, Any] | None]) -> str:
    lines: list[list[str]] = []
    notes = list(dict.fromkeys(finding.note for finding in findings if finding.note))
    for finding in findings:
        number = f"{finding.effect} (`{finding.suite}`)"
        told = _told(finding, tables.get(finding.suite))
        mark = f" ({notes.index(finding.note) + 1})" if finding.note else ""
        lines.append([finding.published + mark, finding.where, number, told[0], _range(finding), *told[1:]])
    heads = ["published", "where", "our number", "value and interval", "expected", "so", "why not"]
    below = "".join(f"\n({place}) {note[0].upper()}{note[1:]}.\n" for place, note in enumerate(notes, 1))
    return _markdown(lines, heads) + "\n" + below


def _told(finding: Finding, table: Mapping[str, Any] | None) -> tuple[str, str, str]:
    """Our number, whether it is as published, and why not."""
    value = table["effects"].get(str(finding.effect)) if table else None
    if table is None or value is None or None in value:
        return "", f"**{Answer.NOT_RUN}**", ""
    told = answer(finding, value[1], value[2], table["seeds"])
    why = {Answer.DISAGREE: finding.why, Answer.UNKNOWN: UNKNOWN}.get(told, "")
    return _shown(value, finding, table), f"**{told}**", why


def _shown(value: Sequence[float], finding: Finding, table: Mapping[str, Any]) -> str:
    squared, problems = finding.effect.measure.startswith("R2"), table["problems"]
    digits = ".2f" if squared else "+.1f"
    covers = (
        f"{len(table['rows']) - 1} arms"
        if squared
        else f"{problems.get(finding.effect.measure, problems['test'])} problems"
    )
    return f"{value[0]:{digits}} [{value[1]:{digits}}, {value[2]:{digits}}]; {covers}, {table['seeds']} seeds"


def _range(finding: Finding) -> str:
    if finding.range is None:
        return ""
    low, high = finding.range
    if finding.effect.measure.startswith("R2"):
        return f"above {low:g}"
    if low == -high:
        return f"within ±{high:g}"
    if math.isinf(high):
        return f"above {low:g}".replace("-", "−")
    return f"below {high:g}"


def _suites(tables: Mapping[str, Mapping[str, Any] | None]) -> str:
    """What each suite covers, and how long it took."""
    lines = [list(_covered(suite, table)) for suite, table in tables.items()]
    heads = ["suite", "test problems", "training problems", "samples a training problem", "steps", "seeds", "seconds"]
    return _markdown(lines, heads) + (
        "\n\nSeconds are without loading, of two cores that did other work at the same time. Problems are of "
        "`linear_1d`, the policy is `tiny`; `--quick` runs a small form of each suite. A log LR+ beyond ±5 is shown as "
        "infinite. Verifier's columns are empty where a majority vote chose among the accepted samples.\n"
    )


def _covered(suite: str, table: Mapping[str, Any] | None) -> Iterator[str]:
    yield f"`{suite}`"
    if table is None:
        yield "not run yet"
        yield from [""] * 5
        return
    yield str(table["problems"]["test"])
    yield str(table["problems"]["train"])
    yield str(table["samples"]["train_samples"])
    yield from (str(table[key]) for key in ("steps", "seeds", "seconds"))


COLUMNS = {
    "accuracy": "accuracy, %",
    "gain": "gain over the base, points",
    "train_accuracy": "accuracy on training problems, %",
    "reward": "reward, %",
    "precision": "kept that is right, %",
    "verifier_accuracy": "verifier's accuracy",
    "youden": "Youden's J",
    "log_ratio": "log LR+",
    "majority": "maj@k, largest k, %",
}


def _study(suite: str, table: Mapping[str, Any]) -> Iterator[str]:
    """All arms and iterations of a suite."""
    rows = table["rows"]
    passes = list(dict.fromkeys(k for row in rows for k in row.get("pass", {})))
    further = list(dict.fromkeys(key for row in rows for key in row if key.startswith("test:")))
    keys = [key for key in (*COLUMNS, *further) if any(key in row for row in rows)]
    yield f"### `{suite}`\n"
    heads = [COLUMNS.get(key, f"accuracy on `{key}`, %") for key in keys]
    lines = [
        [row["arm"], str(row["iteration"]), *(_cell(row, key) for key in keys), *(_pass(row, k) for k in passes)]
        for row in rows
    ]
    yield _markdown(lines, ["arm", "iteration", *heads, *(f"pass@{k}, %" for k in passes)]) + "\n"
    if table.get("groups"):
        yield _qualities(table["groups"])


def _qualities(groups: Sequence[Mapping[str, Any]]) -> str:
    """R² and rank correlation of each quality of the verifiers with the gain."""
    lines = [
        [*_settings(group), NAMES[Measure(measure)], _interval(fit["explained"], ""), _interval(fit["order"], "+")]
        for group in groups
        for measure, fit in group["fits"].items()
    ]
    heads = ["quality of the verifier", "R² with the gain", "rank correlation"]
    return _markdown(lines, [*(["arms with"] if any(map(_settings, groups)) else []), *heads]) + (
        f"\n\nOver {groups[0]['arms']} arms, the gold's own among them; intervals of other arms on other problems.\n"
    )


def _settings(group: Mapping[str, Any]) -> list[str]:
    return [", ".join(f"{key} {value}" for key, value in group["settings"].items())] if group["settings"] else []


def _interval(bounds: Sequence[float | None], sign: str) -> str:
    value, low, high = (f"{number:{sign}.2f}" if number is not None else "" for number in bounds)
    return f"{value} [{low}, {high}]" if low else value


def _cell(row: Mapping[str, Any], key: str) -> str:
    value = row.get(key)
    if value is None:
        return ""
    if isinstance(value, list):
        sign = "+" if key == "gain" else ""
        return f"{value[0]:{sign}.1f} [{value[1]:{sign}.1f}, {value[2]:{sign}.1f}]" if value[1] is not None else ""
    if key == "log_ratio" and abs(value) >= LARGEST_RATIO:
        return "∞" if value > 0 else "−∞"
    return f"{100 * value:.0f}" if key == "precision" else f"{value:.1f}" if key == "majority" else f"{value:.2f}"


def _pass(row: Mapping[str, Any], k: str) -> str:
    value = row.get("pass", {}).get(k)
    return "" if value is None else f"{value:.1f}"


def _markdown(lines: Sequence[Sequence[str]], heads: Sequence[str]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in (heads, ["---"] * len(heads), *lines))


if __name__ == "__main__":
    main()
