"""What the disagreement explorer of report.html holds: the samples it carries, as one value for JSON.

Takes a Run, and the open Store for the texts of what is carried; gives plain lists and numbers. How they are shown is
written in templates/explorer/. A page cannot hold every text of a large run, so it has

- of the whole run: how many samples got which verdicts, by checkpoint and split;
- of every problem that it shows: every verifier's outcome on every sample of every checkpoint;
- of the carried samples, the most informative ones: text, verdicts with their reasons, the judges' prompts and
  replies.

Verdicts are letters, one a verifier: `c`orrect, `w`rong, `u`ndecided, `-` no verdict. Equal texts are stored once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import numpy as np

from restem.benchmarks.problem import Problem
from restem.harness.names import can_be_asked, unmarked
from restem.harness.store.store import Store
from restem.reports.analysis.informative_samples import (
    LETTERS,
    Layout,
    informative_rows,
    informed_verifiers,
    lay_out,
    own_names,
)
from restem.reports.data.judge_calls import read_calls
from restem.reports.data.run import Arm, Run
from restem.reports.stats.estimates import Ints
from restem.verifiers.verdict import Verdict

T = TypeVar("T", str, tuple[Any, ...])
MOST_SAMPLES = 5_000
MOST_BYTES = 1_800_000  # of JSON: with its pictures the page stays below 3 MB
MOST_RESPONSE = 20_000
MOST_TEXT = 4_000  # of a question, a reference, a reason, a reply
FIELDS = ("id", "problem", "place", "number", "text", "cut", "said", "spans", "calls")


class Numbered(Generic[T]):
    """Numbers values as they come, so that the page holds each once; `size` is what they take as JSON."""

    def __init__(self) -> None:
        self.values: list[T] = []
        self.size = 0
        self._numbers: dict[T, int] = {}

    def __call__(self, value: T) -> int:
        number = self._numbers.setdefault(value, len(self.values))
        if number == len(self.values):
            self.values.append(value)
            self.size += len(json.dumps(value))
        return number


def explorer(
    store: Store,
    run: Run,
    first: Sequence[int] = (),
    opened: Arm | None = None,
    pair: tuple[str, str] | None = None,
) -> dict[str, Any] | None:
    """The value that the page carries; None where fewer than two verifiers have verdicts.

    Args:
        store: Where the texts are.
        run: What was read of it.
        first: Rows of `run.samples` to carry before all others.
        opened: Arm whose samples are shown first, its verifier against the gold.
        pair: Two verifiers that are shown first, on all splits, where there is no such arm.
    """
    layout = lay_out(run)
    if len(layout.verifiers) < 2:
        return None
    page = _Page(store, run, layout, informative_rows(run, layout, first, MOST_SAMPLES))
    problems = list(page.problems)
    total = int((layout.place >= 0).sum())
    return {
        "run": {"name": str(run.suite.get("name", "run")), "key": run_key(run), "gold": run.gold},
        "note": _note(len(page.samples), len(problems), total) + _seeded(run, layout),
        "verifiers": layout.verifiers,
        "opens": _opens(run, layout, opened, pair),
        "golden": [_askable(run, name) for name in layout.verifiers],
        "places": [[c, split, run.checkpoints[c].arm if c in run.checkpoints else None] for c, split in layout.places],
        "patterns": _patterns(layout),
        "counts": _counts(layout),
        "problems": [_problem(run, page.words, *where) for where in problems],
        "strips": _strips(run, layout, problems),
        "samples": {field: [sample[field] for sample in page.samples] for field in FIELDS},
        "words": page.words.values,
        "verdicts": page.verdicts.values,
        "calls": page.calls.values,
    }


def _askable(run: Run, name: str) -> bool:
    """Whether a gate can ask it again: no human or recorded reward, and no other seed in each replicate."""
    return name in informed_verifiers(run) and can_be_asked(name) and len(own_names(run, name)) == 1


def _opens(run: Run, layout: Layout, opened: Arm | None, pair: tuple[str, str] | None) -> dict[str, str]:
    """What the explorer shows first: verifiers A and B, and the arm whose samples it filters."""
    verifier = unmarked(opened.verifier) if opened else ""
    if opened and {run.gold, verifier} <= set(layout.verifiers):
        return {"a": run.gold, "b": verifier, "arm": opened.name}
    if pair and set(pair) <= set(layout.verifiers):
        return {"a": pair[0], "b": pair[1], "split": "any"}
    return {"a": layout.verifiers[0], "b": layout.verifiers[1]}


def run_key(run: Run) -> str:
    """Tells runs apart in a reader's browser: marks on one are not shown on another."""
    facts = json.dumps([run.suite, run.facts.get("base_sha256")], sort_keys=True)
    return hashlib.sha256(facts.encode()).hexdigest()[:16]


def _note(carried: int, problems: int, total: int) -> str:
    if carried == total:
        return f"This page carries all {total:,} samples of the run."
    return (
        f"This page carries {carried:,} of the run's {total:,} samples, on {problems:,} problems: first those on which "
        "verifiers differ, taking turns over pairs of verifiers, who says what, checkpoints and splits; every tenth "
        "is one on which they agree. The counts in the table are of the whole run wherever they say so; all texts "
        "are in run.db."
    )


def _seeded(run: Run, layout: Layout) -> str:
    if all(len(own_names(run, name)) == 1 for name in layout.verifiers):
        return ""
    return (
        " A verifier that errs under another seed in each replicate stands here under one name: a replicate's samples "
        "were judged by its own, the base's test samples by each, and of those the page has what the first one said."
    )


class _Page:
    """The carried samples in their order, as far as MOST_BYTES goes, and what they share.

    Attributes:
        samples: One value a sample, by FIELDS.
        problems: (split, position) -> number.
        verdicts: [score, answer, rule, reason], the texts by their numbers in `words`; an answer that stands in the
            text is given by the sample's spans instead.
        calls: [the judge, prompt, reply, model and end]; the prompt as `Call.pieces` gives it.
    """

    def __init__(self, store: Store, run: Run, layout: Layout, order: Ints) -> None:
        self._run, self._layout = run, layout
        ids = run.samples.id[order].tolist()
        self._texts = {id: text for id, (_, text) in store.responses(ids).items()}
        self._verdicts_on = _verdicts(store, run, layout, ids)
        asked = {(self._problem(row).question, self._text(row)) for row in order.tolist()}
        self._calls = read_calls(store, asked, {fingerprint: name for name, fingerprint in run.fingerprints.items()})
        self.words: Numbered[str] = Numbered()
        self.verdicts: Numbered[tuple[Any, ...]] = Numbered()
        self.calls: Numbered[tuple[Any, ...]] = Numbered()
        self.problems: dict[tuple[str, int], int] = {}
        self.samples: list[dict[str, Any]] = []
        self._fill(order)

    def _fill(self, order: Ints) -> None:
        run, layout = self._run, self._layout
        per_sample = 50 + 6 * len(layout.verifiers)
        # A strip has a number for each sample of its problem, and one for each checkpoint.
        everywhere = 4 * len(layout.place) // max(1, sum(map(len, run.problems.values())))
        per_problem = everywhere + 7 * len(layout.places) // max(1, len(run.problems))
        for row in order.tolist():
            self.samples.append(self._sample(row))
            plain = per_sample * len(self.samples) + per_problem * len(self.problems)
            if plain + self.words.size + self.verdicts.size + self.calls.size > MOST_BYTES:
                break

    def _problem(self, row: int) -> Problem:
        return self._run.problems[self._split(row)][self._run.samples.problem[row]]

    def _split(self, row: int) -> str:
        return self._layout.places[self._layout.place[row]][1]

    def _text(self, row: int) -> str:
        return self._texts[int(self._run.samples.id[row])]

    def _sample(self, row: int) -> dict[str, Any]:
        """One sample as the page holds it: of a long response its beginning and its end."""
        text, half = self._text(row), MOST_RESPONSE // 2
        missing = max(0, len(text) - MOST_RESPONSE)
        id, where = int(self._run.samples.id[row]), (self._split(row), int(self._run.samples.problem[row]))
        outcomes, spans = [-1] * len(self._layout.verifiers), []
        for number, verdict in self._verdicts_on.get(id, {}).items():
            if span := _span(verdict.span, len(text)):
                spans.append([number, *span])
            answer = None if span else verdict.answer
            texts = (answer, verdict.rule, verdict.reason)
            outcomes[number] = self.verdicts(
                (verdict.score, *(None if t is None else self.words(short(t)) for t in texts))
            )
        return {
            "id": str(id),  # 63 bits: more than a number in a browser holds
            "problem": self.problems.setdefault(where, len(self.problems)),
            "place": int(self._layout.place[row]),
            "number": int(self._layout.number[row]),
            "text": self.words(text[:half] + text[-half:] if missing else text),
            "cut": [half, missing] if missing else 0,
            "said": outcomes,
            "spans": spans,
            "calls": [self.calls(call) for call in self._about(row)],
        }

    def _about(self, row: int) -> list[tuple[Any, ...]]:
        problem, text = self._problem(row), self._text(row)
        return [
            (
                self.words(call.asker),
                call.pieces(
                    problem.question, problem.reference, text, lambda part: self.words(short(part, MOST_RESPONSE))
                ),
                self.words(short(call.reply)),
                self.words(call.end),
            )
            for call in sorted(self._calls.about(problem.question, text), key=lambda call: call.asker)
        ]


def _span(span: tuple[int, int] | None, length: int) -> tuple[int, int] | None:
    """The position of an answer in the shown part of a response; None where that part does not hold it."""
    half, missing = MOST_RESPONSE // 2, max(0, length - MOST_RESPONSE)
    if span is None:
        return None
    start, end = span
    if not missing or end <= half:
        return start, end
    return (start - missing, end - missing) if start >= length - half else None


def _verdicts(store: Store, run: Run, layout: Layout, ids: Sequence[int]) -> dict[int, dict[int, Verdict]]:
    """Sample id -> number of the verifier -> its verdict."""
    named: dict[str, list[int]] = {}
    for number, name in enumerate(layout.verifiers):
        for own_name in own_names(run, name):
            named.setdefault(run.fingerprints[own_name], []).append(number)
    rank = {fingerprint: place for place, fingerprint in enumerate(named)}
    by_sample: dict[int, dict[int, Verdict]] = {}
    for sample, verdicts in store.verdicts_on(ids).items():
        for fingerprint in sorted(verdicts.keys() & rank.keys(), key=lambda fingerprint: rank[fingerprint]):
            for number in named[fingerprint]:
                by_sample.setdefault(sample, {}).setdefault(number, verdicts[fingerprint])
    return by_sample


def short(text: str, most: int = MOST_TEXT) -> str:
    """The text, its end left out where it is very long."""
    return text if len(text) <= most else f"{text[:most]} ... ({len(text) - most} characters more)"


def _patterns(layout: Layout) -> list[str]:
    _, rows = np.unique(layout.pattern, return_index=True)
    return ["".join(LETTERS[code] for code in layout.codes[:, row]) for row in rows]


def _counts(layout: Layout) -> list[list[int]]:
    """[place, pattern, samples] over the whole run."""
    placed = layout.place >= 0
    many = layout.pattern.max(initial=0) + 1
    cells, counts = np.unique(layout.place[placed] * many + layout.pattern[placed], return_counts=True)
    return np.c_[cells // many, cells % many, counts].tolist()


def _problem(run: Run, words: Numbered[str], split: str, position: int) -> list[Any]:
    """[id, split, position, question, reference, whether both are whole]."""
    problem = run.problems[split][position]
    texts = [problem.question, problem.reference]
    shown = [None if text is None else short(text) for text in texts]
    return [problem.id, split, position, *(None if text is None else words(text) for text in shown), shown == texts]


def _strips(run: Run, layout: Layout, problems: Sequence[tuple[str, int]]) -> list[list[list[Any]]]:
    """For each problem [place, pattern of each of its samples] by checkpoint."""
    number = {where: index for index, where in enumerate(problems)}
    strips: list[list[list[Any]]] = [[] for _ in problems]
    for place, (checkpoint, split) in enumerate(layout.places):
        shown = np.array([position for other, position in problems if other == split], np.int64)
        rows = run.places[checkpoint, split]
        rows = rows[np.isin(run.samples.problem[rows], shown)]
        position = run.samples.problem[rows]
        for part in np.split(rows, np.flatnonzero(position[1:] != position[:-1]) + 1):
            if len(part):
                place_of_problem = number[split, int(run.samples.problem[part[0]])]
                strips[place_of_problem].append([place, layout.pattern[part].tolist()])
    return strips
