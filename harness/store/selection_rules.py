"""The rules of the E-step: which verified samples of a problem train the policy, and with what weight.

Takes the samples of one problem with a verifier's outcomes, as plain values; gives for each its weight, or the reason
that dropped it. The loop selects by these rules, and reports forecast with them; they depend on neither.
Source: ReST-EM, arXiv:2312.06585, section 3 (filter by reward, at most 10 solutions per problem); of the corrected
weights arXiv:2510.00915, the backward correction: a reward v in {0, 1} of a verifier with these rates is replaced by
(v - FPR) / (TPR - FPR), whose mean is 1 for right samples and 0 for wrong ones.

To add a rule: write a function like `_majority`, and give it a name in RULES. Without a declaration of what it reads it
counts as one that reads everything: reports then forecast its training sets by simulation, which is right for any rule.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple

from restem.verifiers.verdict import Outcome


@dataclasses.dataclass(frozen=True, kw_only=True)
class SelectionSettings:
    """How an arm selects.

    Attributes:
        rule: A name in RULES.
        weight: What rule `weighted` weighs by: `score` (the verifier's), `confidence` (the policy's), or `corrected`:
            the verifier's outcome, corrected for its rates.
        tpr: For `corrected`: the share of right samples that the verifier accepts.
        fpr: For `corrected`: that of wrong ones.
        negatives: The weight of a rejected sample; 0: it is dropped. With `corrected` the rates give it.
        cap: Most kept samples a problem, of accepted and of rejected ones each; 0: no limit.
        dedupe: Whether of equal responses to a problem, accepted or rejected ones, only the first one is kept.
    """

    rule: str = "filter"
    weight: str = "score"
    tpr: float | None = None
    fpr: float | None = None
    negatives: float = 0.0
    cap: int = 0
    dedupe: bool = False

    @property
    def corrected(self) -> bool:
        """Whether weights are rewards corrected for the verifier's rates."""
        return self.rule == "weighted" and self.weight == "corrected"

    @property
    def rejected_weight(self) -> float:
        """The weight of a sample that the verifier rejects: negative, or 0 where these are dropped."""
        return self.corrected_reward(0) if self.corrected else self.negatives

    def corrected_reward(self, reward: int) -> float:
        """The reward, 0 or 1, corrected for the rates."""
        assert self.tpr is not None
        assert self.fpr is not None
        return (reward - self.fpr) / (self.tpr - self.fpr)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Candidate:
    """One sample as the rules see it.

    Attributes:
        outcome: The training verifier's.
        complete: Whether the response ended by itself.
        text: Equal for equal responses.
        answer: Equal for equal final answers, as the verifier read them.
        score: The verifier's; 0 where it is undecided.
        confidence: The policy's mean token probability; NaN where no policy wrote the response.
        tokens: Length of the response.
    """

    outcome: Outcome
    complete: bool
    text: Hashable
    answer: Hashable
    score: float
    confidence: float
    tokens: int


class Fate(NamedTuple):
    """The result for one sample: its weight, 0 where it is dropped, and the reason, None where it trains the policy."""

    weight: float
    dropped_by: str | None


class Rule(NamedTuple):
    """A rule.

    Attributes:
        weigh: The candidates of a problem -> for each its weight, or the reason to drop it, were it accepted.
        reads: The fields of a Candidate on which the result depends. A rule that reads `answer` carries information of
            its own: an arm that selects by it is no control, whatever its verifier. Reports read the verdicts' answers
            and scores and the samples' confidence only where a rule of the run reads them.
    """

    weigh: Callable[[Sequence[Candidate], SelectionSettings], Sequence[float | str]]
    reads: frozenset[str] = frozenset(field.name for field in dataclasses.fields(Candidate))


def _filter(candidates: Sequence[Candidate], _: SelectionSettings) -> list[float | str]:
    """All alike: the paper's rule."""
    return [1.0] * len(candidates)


def _majority(candidates: Sequence[Candidate], _: SelectionSettings) -> list[float | str]:
    """Those with the most frequent answer to their problem; on a tie the answer that was drawn first."""
    ((winner, _count),) = Counter(candidate.answer for candidate in candidates).most_common(1)
    return [1.0 if candidate.answer == winner else "minority" for candidate in candidates]


def _weighted(candidates: Sequence[Candidate], settings: SelectionSettings) -> list[float | str]:
    """By the verifier's score, by the policy's own confidence, or all alike by the corrected reward."""
    if settings.corrected:
        return [settings.corrected_reward(1)] * len(candidates)
    return [c.score if settings.weight == "score" else c.confidence for c in candidates]


RULES = {
    "filter": Rule(_filter, frozenset()),
    "majority": Rule(_majority, frozenset({"answer"})),
    "weighted": Rule(_weighted, frozenset({"score", "confidence"})),
}


def fates(candidates: Sequence[Candidate], settings: SelectionSettings) -> list[Fate]:
    """What becomes of each sample of one problem, in their order.

    Reasons that drop a sample: `undecided`, `wrong`, `cut_off` (the response hit the length limit), the rule's own
    (`minority`), `no_weight`, `duplicate`, `cap`. Where rejected samples have a weight, they are kept or dropped as the
    accepted ones are, but for the rule; equal texts and the cap are counted for each of the two apart.
    """
    results: list[Fate] = []
    kept: dict[Outcome, list[Hashable]] = {Outcome.CORRECT: [], Outcome.WRONG: []}  # the texts of each
    weights = RULES[settings.rule].weigh(candidates, settings) if candidates else ()
    for candidate, of_accepted in zip(candidates, weights, strict=True):
        outcome = candidate.outcome
        weight = of_accepted if outcome is Outcome.CORRECT else settings.rejected_weight
        if outcome is Outcome.UNDECIDED or (outcome is Outcome.WRONG and not weight):
            dropped = outcome.value
        elif not candidate.complete:
            dropped = "cut_off"
        elif isinstance(weight, str):
            dropped = weight
        elif not weight:
            dropped = "no_weight"
        elif settings.dedupe and candidate.text in kept[outcome]:
            dropped = "duplicate"
        elif settings.cap and len(kept[outcome]) >= settings.cap:
            dropped = "cap"
        else:
            results.append(Fate(weight, None))
            kept[outcome].append(candidate.text)
            continue
        results.append(Fate(0.0, dropped))
    return results


def answer_of(answer: str | None, response: str) -> str:
    """The answer as the verifier read it; the response's last line where it reads none, as a judge does."""
    return answer if answer is not None else response.strip().rpartition("\n")[2]
