"""The selections of a run with their questions and responses, read in pages, so that no selection has to fit in memory.

Takes a store; gives names of checkpoints, and samples with their weights. Does not depend on what they are used for.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from restem.harness.store.rows import unpacked_ids
from restem.harness.store.store import Store

_PAGE = 4096
_OF = "FROM selection AS c JOIN sample AS s ON s.id = c.sample WHERE c.checkpoint = ? AND c.dropped_by IS NULL"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Kept:
    """A response that was selected, and what it answers.

    Attributes:
        problem: Id of the problem.
        index: Number among the samples of this problem and checkpoint.
        sampled_from: Id of the checkpoint that it was drawn from.
        question: The problem's.
        response: The text.
        token_ids: The drawn tokens, the stop token included; None where they are not known.
        weight: With which it trains, above 0.
    """

    problem: str
    index: int
    sampled_from: str
    question: str
    response: str
    token_ids: tuple[int, ...] | None
    weight: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Counts:
    """What a selection holds: responses to write, the problems that they answer, and responses to write less often.

    Attributes:
        kept: Responses with a weight above 0.
        problems: Problems of these.
        negative: Responses with a weight below 0.
        with_ids: Of `kept`, those whose tokens are known.
    """

    kept: int
    problems: int
    negative: int
    with_ids: int


def selections(store: Store) -> list[str]:
    """Ids of the checkpoints that have a selection, in their order."""
    ids = [id for (id,) in store.query("SELECT DISTINCT checkpoint FROM selection")]
    return sorted(ids, key=lambda id: (id.rpartition("/")[0], int(id.rpartition("/")[2])))


def counts(store: Store, checkpoint: str) -> Counts:
    """What the selection of a checkpoint holds."""
    ((kept, problems, negative, with_ids),) = store.query(
        "SELECT coalesce(sum(c.weight > 0), 0), count(DISTINCT CASE WHEN c.weight > 0 THEN s.problem END),"
        f" coalesce(sum(c.weight < 0), 0), coalesce(sum(c.weight > 0 AND s.token_ids IS NOT NULL), 0) {_OF}",
        (checkpoint,),
    )
    return Counts(kept=kept, problems=problems, negative=negative, with_ids=with_ids)


def kept(store: Store, checkpoint: str) -> Iterator[Kept]:
    """The kept responses of a checkpoint's selection, in the order of sample ids, in which the M-step has them too."""
    sql = (
        "SELECT s.id, s.problem, s.idx, s.checkpoint, p.question, s.text, s.token_ids, s.token_count, c.weight"
        " FROM selection AS c JOIN sample AS s ON s.id = c.sample JOIN problem AS p ON p.id = s.problem"
        " WHERE c.checkpoint = ? AND c.weight > 0 AND c.sample > ? ORDER BY c.sample LIMIT ?"
    )
    after = -1
    while rows := store.query(sql, (checkpoint, after, _PAGE)):
        after = rows[-1][0]
        for _, problem, index, sampled_from, question, response, ids, count, weight in rows:
            yield Kept(
                problem=problem,
                index=index,
                sampled_from=sampled_from,
                question=question,
                response=response,
                token_ids=unpacked_ids(ids, count),
                weight=weight,
            )
