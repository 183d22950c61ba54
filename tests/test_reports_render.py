"""Reports from a small synthetic run.db: same bytes, nothing unescaped, any unfinished state renders."""

import dataclasses
import html
import html.parser
import re
import zlib
from pathlib import Path

import numpy as np
import pytest

from benchmarks.problem import Problem
from harness.errors import ConfigError
from harness.records import Checkpoint, Sample, Selected, Selection
from harness.store import Store
from reports.findings import find
from reports.ranking import answer, rank
from reports.render import status, summary, write_report
from reports.rows import read_run
from reports.text import fence, markdown, visible
from verifiers.verdict import Outcome, Verdict

HOSTILE = (
    "<script>alert(1)</script> | a | b |\n```\n# heading\n````\n\x1b[31mred\x1b[0m \x1b]8;;http://x\x07 "
    "\u202eevil\u202c <img src=x onerror=alert(2)> ![x](http://example.invalid/) \u2028 {{ 7 * 7 }} '\" \u200f $x$"
)
TPR_FPR = {
    "sympy": (1.0, 0.0),
    "judge": (0.92, 0.12),
    "judge_blind": (0.8, 0.35),
    "accept_all": (1.0, 1.0),
    "steps": (0.9, 0.2),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Size:
    """How large a synthetic run is, and how far it has got."""

    problems: int = 24
    test_samples: int = 4
    train_samples: int = 4
    iterations: int = 2
    arms: tuple[str, ...] = ("sympy", "judge", "accept_all")
    finished: bool = True
    undecided: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()
    stop_after: int = 10**9
    gold_undecided: float = 0.0


def build_run(folder: Path, size: Size, seed: int = 0) -> Path:
    """A run.db whose policies follow the law: each arm's step moves the odds towards its accepted samples."""
    random = np.random.default_rng(seed)
    with Store(folder, write=True) as store:
        store.put_run(_facts(size))
        for name in TPR_FPR:
            store.add_verifier(f"{name}-000000000000", name, {"name": name})
        for split in ("train", "validation", "test"):
            store.add_problems([_problem(split, i) for i in range(size.problems)])
        skill = {split: random.normal(-0.6, 1.5, size.problems) for split in ("train", "test")}
        store.add_checkpoint(Checkpoint(id="base", arm=None, iteration=0, kind="base", params_sha256="0" * 64))
        _measure(store, size, random, "base", skill["test"])
        made = 0
        for arm in size.arms:
            shift = 0.0
            for iteration in range(1, size.iterations + 1):
                if made >= size.stop_after:
                    return folder
                made += 1
                source = f"{arm}/{iteration - 1}" if iteration > 1 else "base"
                _train_rows(store, size, random, source, skill["train"] + shift, arm)
                tpr, fpr = TPR_FPR[arm]
                skipped = f"{arm}/{iteration}" in size.skipped
                shift += 0.0 if skipped else 0.5 * min(2.0, np.log(tpr / max(fpr, 0.05)))
                _checkpoint(store, size, arm, iteration, source, skipped)
                store.log("sampled", checkpoint=source, split="train", seconds=1.5)
                _measure(store, size, random, f"{arm}/{iteration}", skill["test"] + shift)
        if size.finished:
            store.put_run({"finished": True})
    return folder


def _facts(size: Size) -> dict[str, object]:
    arms = [
        {"name": name, "verifier": name, "selection": {"rule": "filter", "cap": 3, "dedupe": True}}
        for name in size.arms
    ]
    return {
        "suite": {
            "name": "synthetic",
            "seed": 0,
            "iterations": size.iterations,
            "gold": "sympy",
            "arms": arms,
            "scoring": ["judge_blind"],
            "benchmark": {"name": "linear_1d", "entropy": [3.0, 4.5]},
            "sampling": {"train_samples": size.train_samples, "test_samples": size.test_samples, "temperature": 0.7},
        },
        "verifiers": {name: f"{name}-000000000000" for name in TPR_FPR},
        "controls": ["accept_all"],
        "judge": {"model": "tiny-judge", "embedded": True, "card": None},
        "chance_level": 0.08,
        "versions": {"numpy": "2"},
        "python": "3.12",
    }


def _problem(split: str, index: int) -> Problem:
    question = HOSTILE if index == 0 else f"Solve {index + 2}*b = {index} for b. ({split})"
    id = f"linear_1d/{split}{index:06x}"
    return Problem(id=id, question=question, reference=str(index), split=split, source="test")


def _samples(random: np.random.Generator, checkpoint: str, split: str, skill: np.ndarray, count: int) -> list[Sample]:
    right = random.random((len(skill), count)) < 1 / (1 + np.exp(-skill[:, None]))
    wrong = random.integers(100, 104, size=right.shape)
    return [
        Sample(
            checkpoint=checkpoint,
            problem=_problem(split, i).id,
            index=k,
            text=f"{HOSTILE if (i + k) % 5 == 0 else 'b = '}{i if right[i, k] else wrong[i, k]}",
            token_count=int(20 + wrong[i, k] % 7),
            mean_logprob=-0.2,
            finish_reason="stop" if (i + k) % 17 else "length",
        )
        for i in range(len(skill))
        for k in range(count)
    ]


def _truth(sample: Sample) -> tuple[bool, str]:
    answer = re.split(r"\$x\$|b = ", sample.text)[-1]
    return int(answer) == int(sample.problem[-6:], 16), answer


def _judge(store: Store, size: Size, random: np.random.Generator, samples: list[Sample], name: str) -> None:
    tpr, fpr = TPR_FPR[name]
    rows = []
    for sample in samples:
        correct, text = _truth(sample)
        coin = np.random.default_rng(zlib.crc32(f"{name} {sample.problem} {sample.text}".encode())).random()
        accepted = coin < (tpr if correct else fpr)
        share = size.gold_undecided if name == "sympy" else 0.03 if name in ("judge", "steps") else 0.0
        if name in size.undecided or random.random() < share:
            verdict = Verdict(outcome=Outcome.UNDECIDED, reason="<b>unreadable</b> | reply", seconds=0.001)
        else:
            outcome = Outcome.CORRECT if accepted else Outcome.WRONG
            verdict = Verdict(
                outcome=outcome,
                score=float(accepted),
                answer=text,
                rule="last",
                seconds=0.001,
                tokens=30,
                cost_usd=1e-5,
            )
        rows.append((sample.id, verdict))
    store.add_verdicts(f"{name}-000000000000", rows)


def _measure(store: Store, size: Size, random: np.random.Generator, checkpoint: str, skill: np.ndarray) -> None:
    samples = _samples(random, checkpoint, "test", skill, size.test_samples)
    store.add_samples(samples)
    for name in TPR_FPR:
        _judge(store, size, random, samples, name)


def _train_rows(
    store: Store, size: Size, random: np.random.Generator, source: str, skill: np.ndarray, arm: str
) -> None:
    if not store.samples(source, "train"):
        store.add_samples(_samples(random, source, "train", skill, size.train_samples))
    samples = store.samples(source, "train")
    for name in dict.fromkeys((arm, "sympy")):
        if not store.verdicts(source, "train", f"{name}-000000000000"):
            _judge(store, size, random, samples, name)


def _checkpoint(store: Store, size: Size, arm: str, iteration: int, source: str, skipped: bool) -> None:
    id, rows = f"{arm}/{iteration}", []
    texts: set[tuple[str, str]] = set()
    kept: dict[str, int] = {}
    verdicts = store.verdicts(source, "train", f"{arm}-000000000000")
    for sample in store.samples(source, "train"):
        rule = None if verdicts[sample.id].reward == 1 else verdicts[sample.id].outcome.value
        rule = "cut_off" if rule is None and sample.finish_reason == "length" else rule
        rule = "no_weight" if rule is None and skipped else rule
        rule = "duplicate" if rule is None and (sample.problem, sample.text) in texts else rule
        rule = "cap" if rule is None and kept.get(sample.problem, 0) >= 3 else rule
        if rule is None:
            texts.add((sample.problem, sample.text))
            kept[sample.problem] = kept.get(sample.problem, 0) + 1
        rows.append(Selected(sample=sample.id, weight=float(rule is None), dropped_by=rule))
    store.add_selection(Selection(checkpoint=id, rows=tuple(rows)))
    kind = "skipped" if skipped else "trained"
    store.add_checkpoint(
        Checkpoint(
            id=id,
            arm=arm,
            iteration=iteration,
            kind=kind,
            started_from="base",
            sampled_from=source,
            params_sha256=f"{len(id):064x}",
            steps=8,
            losses=(1.0, 0.5),
            seconds=2.0,
        )
    )
    candidate = Checkpoint(
        id=f"{id}@4",
        arm=arm,
        iteration=iteration,
        kind="candidate",
        started_from="base",
        steps=4,
        validation_reward=0.5,
    )
    store.add_checkpoint(candidate)
