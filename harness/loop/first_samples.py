"""What an arm's first iteration trains on: samples of the base, worked solutions, or samples of another policy.

Takes a run's store; gives rows of checkpoints and samples. Later iterations sample the arm's own policy (draw.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from restem.benchmarks.problem import Problem
from restem.harness.names import POLICY, REFERENCES
from restem.harness.outside.any_policy import AnyPolicy, AnyTokenizer
from restem.harness.progress import Advance
from restem.harness.store.records import Checkpoint, Sample
from restem.harness.store.store import Store


def add_first(store: Store, id: str, source: str, base: AnyPolicy, sources: Mapping[str, AnyPolicy]) -> None:
    """Adds the row of what first samples are drawn from: the base by a name of its own, or no policy of the run.

    Args:
        store: Of the run.
        id: The row's.
        source: POLICY, REFERENCES, or a key of `sources`.
        base: The base.
        sources: The other policies.
    """
    if store.checkpoint(id) is not None:
        return
    kind = "base" if source == POLICY else "references" if source == REFERENCES else "source"
    policy = None if source == REFERENCES else base if source == POLICY else sources[source]
    params = None if policy is None else policy.params_sha256
    store.add_checkpoint(Checkpoint(id=id, arm=None, iteration=0, kind=kind, params_sha256=params))


def add_solutions(
    store: Store,
    checkpoint: str,
    problems: Sequence[Problem],
    solutions: Mapping[str, str],
    tokenizer: AnyTokenizer,
    advance: Advance,
) -> int:
    """Stores the worked solution of every problem that has one as its only sample, and gives the number of new ones.

    No policy wrote them, so they have no token ids and no probability.

    Args:
        store: Of the run.
        checkpoint: The id that the samples have.
        problems: The training problems.
        solutions: Problem id -> solution.
        tokenizer: Of the policy that trains on them; counts their tokens.
        advance: Counts samples.
    """
    done = store.sampled_problems(checkpoint)
    new = [
        Sample(
            checkpoint=checkpoint,
            problem=problem.id,
            index=0,
            text=solutions[problem.id],
            token_count=len(tokenizer.encode_response(solutions[problem.id])),
            mean_logprob=None,
            finish_reason="stop",
        )
        for problem in problems
        if problem.id in solutions and problem.id not in done
    ]
    store.add_samples(new)
    advance(len(problems) - len(new), fresh=False)
    advance(len(new))
    return len(new)
