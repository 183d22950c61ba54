"""run.db read into a Run: few queries, each over a whole table, in one snapshot.

Takes an open Store; gives a Run. It works on a run that is still being written: what is not there yet is absent, not
guessed. A million verdicts take a second, because SQLite returns one row a sample. It does not depend on estimates.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from restem.benchmarks.problem import Problem
from restem.harness.names import ENGINE, unmarked
from restem.harness.store.provenance import PROCESS
from restem.harness.store.selection_rules import RULES, answer_of
from restem.harness.store.store import Store
from restem.reports.data.run import Choice, Cost, Outcomes, Readings, Run, Samples
from restem.reports.stats.estimates import Floats, Ints
from restem.verifiers.verdict import Verdict

PACKED = 31  # verifiers whose outcomes on a sample fit into one of SQLite's integers, two bits each


def read_run(store: Store, *, brief: bool = False) -> Run:
    """The run in its present state; all queries read the same state, also while another process writes.

    Args:
        brief: Read only what standings, comparisons and gaps need: a tenth of the time of a large run.
    """
    with store.snapshot():
        return _read(store, brief)


def _read(store: Store, brief: bool) -> Run:
    facts = store.run()
    grouped: dict[str, list[Problem]] = {}
    for problem in store.problems():
        grouped.setdefault(problem.split, []).append(problem)
    problems = {split: tuple(items) for split, items in grouped.items()}
    read = set() if brief else _read_by_rules(facts)
    samples, places = _samples(store, problems, brief, "confidence" in read)
    names = _names(store, facts)
    fingerprints = {name: fingerprint for fingerprint, name in names.items()} | (facts.get("verifiers") or {})
    gold = (facts.get("suite") or {}).get("gold", "sympy")
    outcomes = _outcomes(store, samples, names)
    return Run(
        facts=facts,
        checkpoints={c.id: c for c in store.checkpoints()},
        problems=problems,
        samples=samples,
        places=places,
        outcomes={name: outcomes[fingerprint] for name, fingerprint in fingerprints.items() if fingerprint in outcomes},
        fingerprints=fingerprints,
        reasons={} if brief else _reasons(store, names),
        answers=() if brief else _answers(store, samples, fingerprints.get(gold, "")),
        readings=_readings(store, samples, fingerprints) if read & {"answer", "score"} else {},
        choices=_choices(store, samples),
        costs=_costs(store, names, outcomes, brief),
        models=_models(store, names),
        timed={} if brief else _timed(store),
        probes={} if brief else store.probes(),
        probed={} if brief else _probed(store, fingerprints),
        scores={} if brief else _graded(store, samples, fingerprints, "score"),
        raw={} if brief else _graded(store, samples, fingerprints, "raw_reward"),
        engines=tuple(store.logged(ENGINE)),
        processes=tuple(store.logged(PROCESS)),
    )


def _read_by_rules(facts: Mapping[str, Any]) -> set[str]:
    """The fields of a candidate that the selection rules of the run's arms read."""
    arms = (facts.get("suite") or {}).get("arms", ())
    rules = (RULES[(arm.get("selection") or {}).get("rule", "filter")] for arm in arms)
    return {field for rule in rules for field in rule.reads}


def _samples(
    store: Store, problems: Mapping[str, Sequence[Problem]], brief: bool, with_confidence: bool
) -> tuple[Samples, dict[tuple[str, str], Ints]]:
    """The samples, and where they stand; their places come from the index, which holds them sorted."""
    where = {p.id: (split, index) for split, items in problems.items() for index, p in enumerate(items)}
    (placed,) = _columns(store, "SELECT id FROM sample ORDER BY checkpoint, problem, idx", 1)
    groups = store.query("SELECT checkpoint, problem, count(*) FROM sample GROUP BY 1, 2 ORDER BY 1, 2")
    keys: dict[tuple[str, str], int] = {}
    counted = [(keys.setdefault((c, where[p][0]), len(keys)), where[p][1], count) for c, p, count in groups]
    key, index, count = np.array(counted, np.int64).reshape(-1, 3).T
    key, index = np.repeat(key, count), np.repeat(index, count)
    id = np.sort(placed)
    rows, problem = np.searchsorted(id, placed), np.zeros(len(id), np.int64)
    problem[rows] = index
    order = np.lexsort((index, key))  # stable: the samples of a problem stay in their order
    parts = np.split(rows[order], np.searchsorted(key[order], np.arange(1, len(keys))))
    drawn = "SELECT coalesce(token_count, 0), coalesce(finish_reason = 'length', 0) FROM sample ORDER BY id"
    same = "SELECT min(id) OVER (PARTITION BY problem, text) FROM sample ORDER BY id"
    tokens, cut = np.zeros((2, 0), np.int64) if brief else _columns(store, drawn, 2)
    text = np.zeros(0, np.int64) if brief else np.searchsorted(id, _columns(store, same, 1)[0])
    confidence = np.full(len(text), np.nan)
    if with_confidence:
        known = store.query("SELECT coalesce(mean_logprob, 'nan') FROM sample ORDER BY id")
        confidence[:] = [math.exp(float(row[0])) for row in known]
    samples = Samples(id=id, problem=problem, tokens=tokens, cut=cut.astype(bool), text=text, confidence=confidence)
    return samples, dict(zip(keys, parts, strict=False))  # of no keys np.split still makes one part


def _columns(store: Store, sql: str, count: int, parameters: Sequence[Any] = ()) -> Ints:
    """The integer columns of a query, one row a column."""
    return np.array(store.query(sql, parameters), np.int64).reshape(-1, count).T


def _joined(store: Store, sql: str, parameters: Sequence[Any]) -> Ints:
    """The integer columns `id` and `packed` of a query, in any order; one text is returned faster than its rows."""
    ((text,),) = store.query(f"SELECT group_concat(id || ' ' || packed, ' ') FROM ({sql})", parameters)
    return np.fromstring(text or "", np.int64, sep=" ").reshape(-1, 2).T


def _names(store: Store, facts: Mapping[str, Any]) -> dict[str, str]:
    """Fingerprint -> name: as configured; a verifier that was added later has the name it was stored with."""
    configured: Mapping[str, str] = facts.get("verifiers") or {}
    names = {fingerprint: name for name, fingerprint in configured.items()}
    for fingerprint, (name, _) in store.verifiers().items():
        if fingerprint not in names:
            names[fingerprint] = fingerprint if name in names.values() else name
    return names


def _outcomes(store: Store, samples: Samples, names: Mapping[str, str]) -> dict[str, Outcomes]:
    """Outcomes by fingerprint.

    SQLite packs the outcomes of all verifiers on a sample into one number, so that it returns one row a sample and not
    one a verdict.
    """
    value = np.array([np.nan, 1.0, 0.0, np.nan])
    outcomes: dict[str, Outcomes] = {}
    for start in range(0, len(names), PACKED):
        some = [*names][start : start + PACKED]
        places = " ".join(f"WHEN ? THEN {4**place}" for place in range(len(some)))
        id, packed = _joined(
            store,
            f"SELECT sample AS id, sum(CASE verifier {places} ELSE 0 END"
            " * CASE outcome WHEN 'correct' THEN 1 WHEN 'wrong' THEN 2 ELSE 3 END) AS packed"
            " FROM verdict GROUP BY sample",
            some,
        )
        rows = np.searchsorted(samples.id, id)
        for place, fingerprint in enumerate(some):
            code = np.zeros(len(samples.id), np.int64)
            code[rows] = packed >> 2 * place & 3
            if code.any():
                outcomes[fingerprint] = Outcomes(value=value[code], scored=code > 0)
    return outcomes


def _reasons(store: Store, names: Mapping[str, str]) -> dict[tuple[str, str, str], tuple[tuple[str, int], ...]]:
    counted = store.query(
        "SELECT s.checkpoint, p.split, v.verifier, coalesce(v.reason, 'no reason given'), count(*) FROM verdict v"
        " JOIN sample s ON s.id = v.sample JOIN problem p ON p.id = s.problem WHERE v.outcome = 'undecided'"
        " GROUP BY 1, 2, 3, 4 ORDER BY 5 DESC, 4"
    )
    reasons: dict[tuple[str, str, str], list[tuple[str, int]]] = {}
    for checkpoint, split, verifier, reason, count in counted:
        reasons.setdefault((checkpoint, split, names[verifier]), []).append((reason, count))
    return {key: tuple(items) for key, items in reasons.items()}


def _answers(store: Store, samples: Samples, gold: str) -> list[str]:
    answers = [""] * len(samples.id)
    answered = store.query("SELECT sample, answer FROM verdict WHERE verifier = ? AND answer IS NOT NULL", (gold,))
    rows = np.searchsorted(samples.id, np.array([row[0] for row in answered], np.int64))
    for row, (_, answer) in zip(rows, answered, strict=True):
        answers[row] = answer
    return answers


def _readings(store: Store, samples: Samples, fingerprints: Mapping[str, str]) -> dict[str, Readings]:
    numbers: dict[str, int] = {}
    readings: dict[str, Readings] = {}
    for name, fingerprint in fingerprints.items():
        verdicts = store.query(
            "SELECT v.sample, v.answer, CASE WHEN v.answer IS NULL THEN s.text END, v.score FROM verdict v"
            " JOIN sample s ON s.id = v.sample WHERE v.verifier = ?",
            (fingerprint,),
        )
        rows = np.searchsorted(samples.id, np.array([row[0] for row in verdicts], np.int64))
        answer, score = np.full(len(samples.id), -1), np.zeros(len(samples.id))
        texts = (answer_of(read, text or "") for _, read, text, _ in verdicts)
        answer[rows] = [numbers.setdefault(text, len(numbers)) for text in texts]
        score[rows] = [row[3] or 0.0 for row in verdicts]
        readings[name] = Readings(answer=answer, score=score)
    return readings


def _graded(store: Store, samples: Samples, fingerprints: Mapping[str, str], column: str) -> dict[str, Floats]:
    """A number of each verdict, of verifiers that grade: those whose numbers are not all 0 or 1."""
    graded = {row[0] for row in store.query(f"SELECT DISTINCT verifier FROM verdict WHERE {column} NOT IN (0, 1)")}
    values: dict[str, Floats] = {}
    for name in (name for name, fingerprint in fingerprints.items() if fingerprint in graded):
        given = store.query(
            f"SELECT sample, {column} FROM verdict WHERE verifier = ? AND {column} IS NOT NULL", (fingerprints[name],)
        )
        rows = np.searchsorted(samples.id, np.array([row[0] for row in given], np.int64))  # an id is no float
        values[name] = np.full(len(samples.id), np.nan)
        values[name][rows] = [row[1] for row in given]
    return values


def _choices(store: Store, samples: Samples) -> dict[str, Choice]:
    """What became of the samples of each selection, in their order; SQLite returns one row for all with one fate."""
    fates: dict[str, list[tuple[Ints, float, str]]] = {}
    for checkpoint, weight, rule, chosen in store.query(
        "SELECT checkpoint, weight, coalesce(dropped_by, ''), group_concat(sample, ' ') FROM selection"
        " GROUP BY 1, 2, 3 ORDER BY 1"
    ):
        fates.setdefault(checkpoint, []).append((np.fromstring(chosen, np.int64, sep=" "), weight, rule))
    choices: dict[str, Choice] = {}
    for checkpoint, groups in fates.items():
        chosen, weights, rules = zip(*groups, strict=True)
        sample, fate = np.concatenate(chosen), np.repeat(np.arange(len(groups)), [len(ids) for ids in chosen])
        order = np.argsort(sample)
        fate = fate[order]
        choices[checkpoint] = Choice(
            rows=np.searchsorted(samples.id, sample[order]),
            weight=np.array(weights, np.float64)[fate],
            dropped_by=tuple(np.array(rules, object)[fate]),
        )
    return choices


def _costs(store: Store, names: Mapping[str, str], outcomes: Mapping[str, Outcomes], brief: bool) -> tuple[Cost, ...]:
    """The cost of each verifier; for a judge that of its stored calls, since several verdicts may share one reply.

    Samples and probes are counted together, because they may share a reply as well.
    """
    paid: dict[str, list[tuple[Any, ...]]] = {}
    for fingerprint, *call in store.query(
        "SELECT verifier, model, count(*), sum(seconds), sum(prompt_tokens), sum(completion_tokens) FROM judge_call"
        " GROUP BY 1, 2 ORDER BY 1, 2"
    ):
        paid.setdefault(fingerprint, []).append(tuple(call))
    settings = {fingerprint: options for fingerprint, (_, options) in store.verifiers().items()}
    spent = {} if brief else _spent(store)
    probed = {fingerprint: store.probe_verdicts(fingerprint).values() for fingerprint in names}
    return tuple(
        _cost(
            name,
            int(outcomes[fingerprint].scored.sum()) + len(probed[fingerprint]),
            spent.get(fingerprint, (math.nan, math.nan, math.nan)),
            sum(verdict.seconds for verdict in probed[fingerprint]),
            paid.get(fingerprint, []),
            settings.get(fingerprint, {}),
        )
        for fingerprint, name in names.items()
        if fingerprint in outcomes
    )


def _spent(store: Store) -> dict[str, tuple[float, float, float]]:
    """Seconds of each verifier's verdicts on samples: their sum, median and 95th percentile.

    SQLite counts them rounded to three digits, as a sort of a million of them takes longer than the rest of a report.
    """
    counted: dict[str, list[tuple[float, int, float]]] = {}
    for fingerprint, rounded, count, total in store.query(
        "SELECT verifier, printf('%.2e', seconds), count(*), sum(seconds) FROM verdict GROUP BY 1, 2"
    ):
        counted.setdefault(fingerprint, []).append((float(rounded), count, total))
    spent: dict[str, tuple[float, float, float]] = {}
    for fingerprint, groups in counted.items():
        value, count, total = np.array(sorted(groups)).T
        upto = np.cumsum(count)
        median, slow = (float(value[np.searchsorted(upto, share * upto[-1])]) for share in (0.5, 0.95))
        spent[fingerprint] = float(total.sum()), median, slow
    return spent


def _cost(
    name: str,
    verdicts: int,
    spent: tuple[float, float, float],
    probing: float,
    calls: Sequence[tuple[Any, ...]],
    settings: Mapping[str, Any],
) -> Cost:
    prices = settings.get("prices") or {}
    usd = 0.0
    for model, _, _, prompt, completion in calls:
        pair = prices.get(model) or prices.get(settings.get("model")) or (0.0, 0.0)
        usd += (prompt * pair[0] + completion * pair[1]) / 1e6
    return Cost(
        verifier=name,
        verdicts=verdicts,
        seconds=sum(call[2] for call in calls) if calls else spent[0] + probing,
        tokens=sum(call[3] + call[4] for call in calls),
        usd=usd,
        calls=sum(call[1] for call in calls),
        median=spent[1],
        slow=spent[2],
    )


def _models(store: Store, names: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """The names that servers gave a judge's model, by the judge's name, where they gave more than one."""
    named: dict[str, dict[str, None]] = {}
    for change in store.logged("judge_model"):
        judge = names.get(change["verifier"], change["verifier"])
        named.setdefault(judge, {}).update(dict.fromkeys([*change["before"], change["model"]]))
    return {judge: tuple(models) for judge, models in named.items()}


def _probed(store: Store, fingerprints: Mapping[str, str]) -> dict[str, dict[int, Verdict]]:
    probed = {name: store.probe_verdicts(fingerprint) for name, fingerprint in fingerprints.items()}
    return {name: verdicts for name, verdicts in probed.items() if verdicts}


def _timed(store: Store) -> dict[tuple[str, str], tuple[int, float]]:
    """Seconds that events name in their detail, by kind and arm (or what their checkpoint belongs to)."""
    timed: dict[tuple[str, str], tuple[int, float]] = {}
    for kind, arm, detail in store.query("SELECT kind, arm, detail FROM event ORDER BY id"):
        values = json.loads(detail)
        seconds, owner = values.get("seconds"), unmarked(arm or str(values.get("checkpoint") or "").partition("/")[0])
        if isinstance(seconds, (int, float)):
            count, total = timed.get((kind, owner), (0, 0.0))
            timed[kind, owner] = count + 1, total + seconds
    return timed
