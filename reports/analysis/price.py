"""What a gained point of gold accuracy cost in verdicts, seconds and money.

Takes Findings and the contest of an arm with the base; gives a Price. Does not depend on tables or pages.
"""

from __future__ import annotations

import dataclasses
import math

from restem.reports.analysis.contest import Contest
from restem.reports.analysis.findings import Findings, TrainingData


@dataclasses.dataclass(frozen=True, kw_only=True)
class Price:
    """What a gained point of gold accuracy took in one replicate; NaN where no gain is shown.

    Attributes:
        asked: Training verdicts of this iteration and of all before it, whether or not anything was gained.
        verdicts: Training verdicts per gained point.
        seconds: Seconds of the verifier per gained point.
        usd: US dollars per gained point.
    """

    asked: float
    verdicts: float
    seconds: float
    usd: float


def price_per_point(findings: Findings, item: TrainingData, gain: Contest | None) -> Price:
    """What the verifier cost up to an iteration, divided by the points of accuracy that its arm has gained.

    Args:
        gain: The arm against the base at that iteration. Where it shows no gain the prices are NaN, because a
            division by a gain that may be zero has no meaning.
    """
    run, arm = findings.run, item.arm
    asked = sum(other.sampled for other in findings.data if other.arm is arm and other.iteration <= item.iteration)
    per_replicate = asked / len(run.replicates(arm))
    points = 100 * gain.claim.value if gain and gain.better else math.nan
    cost = next((c for c in run.costs if c.verifier == arm.verifier and c.verdicts), None)
    seconds, usd = (cost.seconds / cost.verdicts, cost.usd / cost.verdicts) if cost else (math.nan, math.nan)
    verdicts = per_replicate / points
    return Price(asked=per_replicate, verdicts=verdicts, seconds=seconds * verdicts, usd=usd * verdicts)
