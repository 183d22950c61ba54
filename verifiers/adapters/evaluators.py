"""Our verifiers as scorers of evaluators: Inspect, lm-evaluation-harness, lighteval.

Takes what an evaluator passes to its scorers; gives scores. Inspect and lighteval are imported when a scorer is made,
because they want objects of their own classes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from restem.verifiers.adapters.projection import Undecided
from restem.verifiers.adapters.reward import RewardFunction
from restem.verifiers.verdict import Outcome, Verdict

INVALID = "[invalid]"  # what filters of lm-evaluation-harness give where there is no answer


class LmEval(RewardFunction):
    """`process_results` of a task: the metric of the verifier's name, and the share of undecided responses.

    Of several responses to a document (repeats behind the filter `take_first_k` or `none`) the mean counts. Where all
    are undecided and stay None, the metric has no entry for the document, and its mean leaves the document out.
    """

    form = "lm_eval"
    default: ClassVar[Undecided] = "none"

    def __call__(self, doc: Mapping[str, Any], results: Sequence[Any]) -> dict[str, float]:
        verdicts = self.verdicts(doc=doc, results=results)
        mean = mean_of(self.numbers(verdicts))
        undecided = sum(verdict.outcome is Outcome.UNDECIDED for verdict in verdicts) / len(verdicts)
        scored = {} if math.isnan(mean) else {self.__name__: mean}
        return {**scored, f"{self.__name__}_undecided": undecided}


class LmEvalFilter(RewardFunction):
    """The `function` of a filter of a task: each response becomes the answer that the verifier reads in it."""

    form = "lm_eval"
    default: ClassVar[Undecided] = "none"

    def __call__(self, **_: Any) -> LmEvalFilter:
        return self  # the harness calls what a task names, and applies what it gets

    def apply(self, resps: Sequence[Sequence[str]], docs: Sequence[Any]) -> list[list[str]]:
        """The answers to each document, `[invalid]` where there is none."""
        return [
            [verdict.answer or INVALID for verdict in self.verdicts(doc=doc, results=[list(responses)])]
            for responses, doc in zip(resps, docs, strict=True)
        ]


class Inspect(RewardFunction):
    """The scores of an Inspect scorer; `scorer` makes the scorer itself."""

    form = "inspect"
    default: ClassVar[Undecided] = "none"

    async def __call__(self, state: Any, target: Any) -> Any:
        from inspect_ai.scorer import Score  # pyright: ignore[reportMissingImports]

        (verdict,) = await self.verdicts_later(state=state, target=target)
        (number,) = self.numbers([verdict])
        about = {"verifier": self.__name__, "outcome": verdict.outcome.value, "rule": verdict.rule}
        known = {"answer": verdict.answer, "explanation": verdict.reason, "metadata": about}
        if number is None:
            return Score.unscored(**known)
        return Score(value=self._letter(verdict, number), **known)

    def _letter(self, verdict: Verdict, number: float) -> str | float:
        """Inspect's C, I and N for an outcome; a score is a number there too."""
        if self.projection.value == "score":
            return number
        return {Outcome.CORRECT: "C", Outcome.WRONG: "I"}.get(verdict.outcome, "N")

    def scorer(self) -> Any:
        """The Inspect scorer `restem_<verifier>`, with accuracy and its standard error."""
        from inspect_ai.scorer import accuracy, scorer, stderr  # pyright: ignore[reportMissingImports]

        @scorer(metrics=[accuracy(), stderr()], name=f"restem_{self.__name__}")
        def made() -> Any:
            async def score(state: Any, target: Any) -> Any:
                return await self(state, target)

            return score

        return made()


class Lighteval(RewardFunction):
    """The number of a lighteval document, the mean of its responses; `metric` makes the SampleLevelMetric."""

    form = "lighteval"
    default: ClassVar[Undecided] = "none"

    def __call__(self, doc: Any, model_response: Any, **_: Any) -> float:
        return mean_of(self.numbers(self.verdicts(doc=doc, model_response=model_response)))

    def metric(self) -> Any:
        """The metric `restem_<verifier>`; documents whose responses are all undecided are left out of its mean."""
        from lighteval.metrics.metrics_sample import (  # pyright: ignore[reportMissingImports]
            SampleLevelComputation,
        )
        from lighteval.metrics.utils.metric_utils import SampleLevelMetric  # pyright: ignore[reportMissingImports]
        from lighteval.tasks.requests import SamplingMethod  # pyright: ignore[reportMissingImports]

        reward = self

        class Verified(SampleLevelComputation):
            """One number a document."""

            def compute(self, doc: Any, model_response: Any, **_: Any) -> float:
                return reward(doc, model_response)

        return SampleLevelMetric(
            metric_name=f"restem_{self.__name__}",
            higher_is_better=True,
            category=SamplingMethod.GENERATIVE,
            sample_level_fn=Verified(),
            corpus_level_fn=mean_of,
        )


def mean_of(numbers: Sequence[float | None]) -> float:
    """The mean of the numbers that are there; NaN where there is none."""
    known = [number for number in numbers if number is not None and not math.isnan(number)]
    return sum(known) / len(known) if known else math.nan
