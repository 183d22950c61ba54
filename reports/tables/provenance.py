"""How a run was made: which judge was asked, and seed, versions, hashes and fingerprints as a table.

Takes a Run; gives a Table and sentences.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from restem.harness.store.provenance import differences
from restem.harness.store.store import UNANSWERED
from restem.reports.data.run import Run
from restem.reports.tables.format import DASH, number, setting
from restem.reports.tables.problem_file import file_sentences
from restem.reports.tables.table import Column, Table

# Facts of the run.
SHOWN_ELSEWHERE = (
    "suite",
    "verifiers",
    "chance_level",
    "finished",
    "seconds",
    "unreadable_references",
    "problem_file",
)


def judge_line(run: Run) -> str:
    """Which judge was asked: one of the report's first lines."""
    judge: Mapping[str, Any] | None = run.facts.get("judge")
    changed = " ".join(["", *changed_models(run)])
    if not judge:
        return f"No language model judged in this run.{changed}"
    if judge.get("embedded"):
        return (
            f"The judge is the embedded tiny model, {judge.get('model')}: a stand-in that keeps this run free of keys "
            f"and network.{_card(judge.get('card') or {})} What it is worth says nothing about any other judge."
            f"{changed}"
        )
    return f"The judge is {judge.get('model')}.{changed}"


def unread_references(run: Run) -> list[str]:
    """A sentence on the references that the gold cannot read, where there are any."""
    facts: Mapping[str, Any] | None = run.facts.get("unreadable_references")
    if not facts:
        return []
    counts = [(split, unread, total) for split, (unread, total) in facts["splits"].items() if unread]
    listed = ", ".join(f"{unread} of {total} {split} problems" for split, unread, total in counts)
    first = ", ".join(f"{problem} ({reason})" for problem, reason in facts["first"])
    return [
        f"The gold, {run.gold}, cannot read the references of {listed}; the first: {first}. Of the responses to these "
        "it decides few but those that equal the reference as text, which are correct: accuracy, which counts decided "
        "responses, is too high there."
    ]


def origin(run: Run) -> list[str]:
    """Sentences on the file that the problems come from, and on the instruction of the prompts, where there are any."""
    facts: Mapping[str, Any] | None = run.facts.get("problem_file")
    instruction = run.suite.get("benchmark", {}).get("instruction")
    lines = [" ".join(file_sentences(facts))] if facts else []
    return [*lines, *([f"The policy's prompts end with the instruction: {instruction}"] if instruction else [])]


def drawn_by(run: Run) -> list[str]:
    """A sentence on the servers that drew the samples, and on how they were compared, where there are any."""
    if not run.engines:
        return []
    served = [server for event in run.engines for server in event["servers"]]
    names = dict.fromkeys(f"{server['engine']} {server['version'] or '(version not known)'}" for server in served)
    compared = [event for event in run.engines if event["compared_tokens"] or event["compared_texts"]]
    checkpoints, of = ({event["checkpoint"] for event in events} for events in (run.engines, compared))
    by = f"The samples were drawn by {' and '.join(names)}"
    if not compared:
        return [f"{by}; what it writes was not compared with our own network."]
    tokens, texts = (sum(event[key] for event in compared) for key in ("compared_tokens", "compared_texts"))
    ties = sum(event["near_ties"] for event in compared)
    differences = [nats for event in compared if (nats := event["logprob_difference"]) is not None]
    what = [
        *([f"{tokens} tokens"] if tokens else []),
        *([f"{texts} texts"] if texts else []),
        *([f"{ties} of them near ties"] if ties else []),
        *([f"log-probabilities {max(differences):.2g} nats apart at most"] if differences else []),
    ]
    return [f"{by}, compared with our own network for {len(of)} of {len(checkpoints)} checkpoints: {', '.join(what)}."]


def changed_models(run: Run) -> list[str]:
    """A sentence for each judge whose server gave its model more than one name."""
    return [
        f"The server of {judge} answered as {' and as '.join(models)}: its verdicts are not of one judge."
        for judge, models in run.models.items()
    ]


def other_programs(run: Run) -> list[str]:
    """A sentence on the processes whose versions or machine differ from those that the run began with."""
    differing = [f"{process} had {what}" for process, what in _differing(run)]
    return [f"Not one program made all rows of this run: {'; '.join(differing)}."] if differing else []


def _differing(run: Run) -> Iterator[tuple[str, str]]:
    """Each process whose versions or machine differ from what the run began with in another way than those before."""
    named: set[str] = set()
    for place, process in enumerate(run.processes, 1):
        what = ", ".join(differences(run.facts, process))
        if what and what not in named:
            named.add(what)
            yield f"process {place} (restem {process.get('command')})", what


def _card(card: Mapping[str, Mapping[str, float]]) -> str:
    rates = (f"{name} TPR {number(r['tpr'])} %, FPR {number(r['fpr'])} %" for name, r in card.items())
    return f" Its card, on a base policy's responses: {'; '.join(rates)}." if card else ""


def provenance(run: Run) -> Table:
    """Seed, versions, hashes, fingerprints, chance level."""
    return Table.of(
        _facts(run),
        [
            Column("what", "What", lambda fact: fact[0], names=True),
            Column("value", "Value", lambda fact: fact[1], names=True),
        ],
        id="provenance",
        title="Provenance",
        note="" if run.imported else "The chance level is the test accuracy of the best constant answer.",
    )


def _is_nothing(key: str, value: Any) -> bool:
    """Whether a fact says that a judge has no request without a reply."""
    return key.startswith(UNANSWERED) and not value.get("calls")


def _facts(run: Run) -> Iterator[tuple[str, str]]:
    suite, chance = run.suite, run.facts.get("chance_level")
    yield from ((f"suite.{key}", _json(suite[key])) for key in sorted(suite) if key != "arms")
    yield from ((f"arm {entry['name']}", _json(entry)) for entry in suite.get("arms", ()))
    yield from ((f"verifier {name}", fingerprint) for name, fingerprint in sorted(run.fingerprints.items()))
    if not run.imported:
        yield "chance level", f"{number(chance)} %" if isinstance(chance, (int, float)) else DASH
    yield from (
        (key, _json(value))
        for key, value in sorted(run.facts.items())
        if key not in SHOWN_ELSEWHERE and not key.startswith("imported") and not _is_nothing(key, value)
    )
    yield from _differing(run)
    yield from ((f"parameters of {c.id}", c.params_sha256) for c in run.checkpoints.values() if c.params_sha256)


def _json(value: Any) -> str:
    return "null" if value is None else setting(value)
