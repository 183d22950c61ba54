"""Rollouts -> records of run.db: checkpoints, problems, samples, and the recorded rewards as verdicts.

Takes a Store and rollouts; gives rows, each batch in one transaction together with the count of what was read, so that
a stopped import goes on without a row too many or too few. Does not depend on formats.

A training step is a checkpoint `SERIES/STEP` of kind `imported`. Problems with the same split and text and the same
references are one problem, and so are those with the same id of the source and the same references. A reward NAME is
the verifier `recorded:NAME`: correct from its threshold on, undecided where no number was recorded.
"""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from restem.benchmarks.problem import Problem, as_written, problem_id
from restem.harness.errors import ConfigError
from restem.harness.imports.rollout import Imported, Rollout
from restem.harness.names import LABEL, MARK, RECORDED
from restem.harness.store.records import Checkpoint, Sample
from restem.harness.store.store import ImportBatch, Store
from restem.verifiers.verdict import Outcome, Verdict, fingerprint

KIND = "imported"
POLICY = "policy"  # the series of a source that names none
THRESHOLD = 0.5
BATCH = 20_000
LISTED = 1000  # refused rows of a source whose places are stored
_HALF_PAIR = re.compile("[\ud800-\udfff]")  # a database stores no half of a surrogate pair


@dataclasses.dataclass(kw_only=True)
class Counts:
    """What became of the rows of one source.

    Attributes:
        imported: Samples that were added.
        known: Samples that the run had already, of a file that is read again.
        refused: Reason -> number of rows.
        places: (place, reason) of the first refused rows.
        moved: Samples whose own index another sample had, so that they got the next free one.
    """

    imported: int = 0
    known: int = 0
    moved: int = 0
    refused: Counter[str] = dataclasses.field(default_factory=Counter)
    places: list[tuple[str, str]] = dataclasses.field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The counts as a JSON object."""
        return {
            "imported": self.imported,
            "known": self.known,
            "moved": self.moved,
            "refused": dict(sorted(self.refused.items())),
        }


class Writer:
    """Adds rollouts to a run.

    Args:
        store: The run, open for writing.
        thresholds: Name of a reward -> the number from which on it means correct; 0.5 for the others.
        series: The series of rollouts whose source names none.

    Raises:
        ConfigError: A reward is in the run already with another threshold.
    """

    def __init__(self, store: Store, thresholds: Mapping[str, float], series: str = POLICY) -> None:
        self._store = store
        self._thresholds = thresholds
        self.series = series
        self._verifiers: dict[str, str] = {}
        self._names: dict[str, str] = dict(store.run().get("verifiers") or {})
        problems = store.problems()
        self._problems = {problem.id for problem in problems}
        self._positions = Counter(problem.split for problem in problems)
        self._next: dict[tuple[str, str], int] = store.next_indices()
        self._checkpoints = {checkpoint.id for checkpoint in store.checkpoints()}
        for name in thresholds:
            self._verifier(f"{RECORDED}{name}")

    def add(
        self,
        rollouts: Sequence[Imported],
        counts: Counts,
        facts: Callable[[], Mapping[str, Any]],
        *,
        again: bool = False,
    ) -> None:
        """Adds one batch, and the facts about how far the import is, all at once.

        Args:
            rollouts: Rollouts and refused rows, in the order of the source.
            counts: What is counted here; changed.
            facts: Called after the batch has been counted; gives key -> value of table `run`, which are replaced.
            again: Whether rows of this source may be stored already: then one with the same problem, step, index and
                text is known. Otherwise it is another sample, whatever its text.
        """
        batch = ImportBatch()
        problems = [(rollout, self._problem(rollout, batch)) for rollout in self._kept(rollouts, counts)]
        given = {
            Sample.number(self._checkpoint(rollout, batch), problem, rollout.index)
            for rollout, problem in problems
            if rollout.index is not None
        }
        texts = dict(self._store.sample_texts(given))
        for rollout, problem in problems:
            self._sample(rollout, problem, batch, texts, counts, again)
        batch.facts = {**facts(), "verifiers": self._names}
        self._store.add_import(batch)

    def _kept(self, rollouts: Iterable[Imported], counts: Counts) -> list[Rollout]:
        kept: list[Rollout] = []
        for rollout in rollouts:
            if isinstance(rollout, Rollout):
                kept.append(rollout)
                continue
            counts.refused[rollout.reason] += 1
            if len(counts.places) < LISTED:
                counts.places.append((rollout.place, rollout.reason))
        return kept

    def _problem(self, rollout: Rollout, batch: ImportBatch) -> str:
        """The id of the rollout's problem, which is added where it is new."""
        question, references = _clean(rollout.question), [_clean(reference) for reference in rollout.references]
        told_by = question if rollout.group is None or not references else f"id {rollout.group}"
        if rollout.group is not None and not references:
            told_by = f"id {rollout.group}\n{question}"
        identity = json.dumps([rollout.split, told_by, references])
        id = problem_id(KIND, identity, form=as_written)
        if id not in self._problems:
            self._problems.add(id)
            problem = Problem(
                id=id,
                question=question,
                reference=references[0] if references else None,
                split=rollout.split,
                source=_clean(rollout.place),
                alternatives=tuple(references[1:]),
                data=rollout.data,
                strata={_clean(name): _clean(part) for name, part in rollout.strata.items()},
            )
            batch.problems.append((problem, self._positions[rollout.split]))
            self._positions[rollout.split] += 1
        return id

    def _checkpoint(self, rollout: Rollout, batch: ImportBatch) -> str:
        series = _clean(rollout.series or self.series).replace(MARK, "-")
        step = rollout.step or 0
        id = f"{series}/{step}"
        if id not in self._checkpoints:
            self._checkpoints.add(id)
            batch.checkpoints.append(Checkpoint(id=id, arm=series, iteration=step, kind=KIND, steps=step))
        return id

    def _sample(
        self,
        rollout: Rollout,
        problem: str,
        batch: ImportBatch,
        texts: dict[int, str],
        counts: Counts,
        again: bool,
    ) -> None:
        checkpoint, text = self._checkpoint(rollout, batch), _clean(rollout.response)
        place = checkpoint, problem
        index = rollout.index
        if index is not None and (stored := texts.get(Sample.number(*place, index))) is not None:
            if again and stored == text:
                counts.known += 1
                return
            counts.moved += 1
            index = None
        if index is None:
            index = self._next.get(place, 0)
        self._next[place] = max(self._next.get(place, 0), index + 1)
        sample = Sample(
            checkpoint=checkpoint,
            problem=problem,
            index=index,
            text=text,
            token_count=rollout.token_count,
            mean_logprob=rollout.mean_logprob,
            finish_reason=None if rollout.finish_reason is None else _clean(rollout.finish_reason),
            source=_clean(rollout.place),
        )
        id = sample.id
        texts[id] = text
        batch.samples.append(sample)
        counts.imported += 1
        for name, raw in rollout.rewards.items():
            verifier = self._verifier(f"{RECORDED}{name}")
            reason, answer = rollout.reasons.get(name), rollout.answers.get(name)
            verdict = recorded_verdict(raw, self._thresholds.get(name, THRESHOLD), reason, answer)
            batch.verdicts.append((id, verifier, verdict))
        if rollout.label is not None:
            batch.verdicts.append((id, self._verifier(LABEL), recorded_verdict(float(rollout.label), THRESHOLD)))

    def _verifier(self, name: str) -> str:
        """The fingerprint of a recorded reward, which is added to the run where it is new."""
        name = _clean(name).replace(MARK, "-")
        if (known := self._verifiers.get(name)) is not None:
            return known
        settings = {} if name == LABEL else {"threshold": self._thresholds.get(name.removeprefix(RECORDED), THRESHOLD)}
        id = fingerprint(name, 1, settings)
        if self._names.get(name, id) != id:
            stored = self._store.verifiers()[self._names[name]][1]["threshold"]
            raise ConfigError(
                f"--threshold {name.removeprefix(RECORDED)}={settings['threshold']}: this run was imported with "
                f"{stored}; import into a new folder to use another"
            )
        self._store.add_verifier(id, name, settings)
        self._verifiers[name] = self._names[name] = id
        return id


def recorded_verdict(
    raw: float | None, threshold: float, reason: str | None = None, answer: str | None = None
) -> Verdict:
    """The verdict that a recorded number stands for.

    Args:
        raw: The number; None or not finite where none was recorded.
        threshold: From which number on it means correct.
        reason: Why there is no number.
        answer: The answer that was read.
    """
    answer = None if answer is None else _clean(answer)
    if raw is None or not math.isfinite(raw):
        reason = _clean(reason) if reason else "no number was recorded"
        return Verdict(outcome=Outcome.UNDECIDED, reason=reason, rule=KIND, answer=answer)
    is_correct = raw >= threshold
    graded = 0.0 <= raw <= 1.0 and raw != (0.0 if is_correct else 1.0)
    return Verdict(
        outcome=Outcome.CORRECT if is_correct else Outcome.WRONG,
        score=raw if graded else float(is_correct),
        rule=KIND,
        reason=None if reason is None else _clean(reason),
        answer=answer,
        raw_reward=raw,
    )


def _clean(text: str) -> str:
    """The text as SQLite can store it: half of a surrogate pair becomes the replacement character."""
    return text if text.isascii() else _HALF_PAIR.sub("\ufffd", text)
