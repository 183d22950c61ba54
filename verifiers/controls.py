"""Verifiers that carry no information: what a training verifier has to beat.

Takes attempts, looks at no answer, gives verdicts. `accept_all` calls every response correct; `random` draws from a
hash, so the same batch gives the same verdicts on every machine and in every process.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections import Counter
from collections.abc import Sequence

from verifiers.verdict import Attempt, Outcome, UnknownVerifier, Verdict, fingerprint

VERSION = 1


class AcceptAll:
    """Every response is correct."""

    name = "accept_all"

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.name, VERSION, {})

    def verify(self, attempts: Sequence[Attempt]) -> list[Verdict]:
        """One verdict per attempt, in order."""
        return [Verdict(outcome=Outcome.CORRECT, score=1.0, rule="accept_all") for _ in attempts]


class Random:
    """A response is correct with probability `rate`, whatever it says."""

    name = "random"

    def __init__(self, *, rate: float = 0.5, seed: int = 0) -> None:
        number = not isinstance(rate, bool) and isinstance(rate, int | float)
        if not number or not math.isfinite(rate) or not 0.0 <= rate <= 1.0:
            raise UnknownVerifier(f"verifier 'random': option 'rate' is {rate!r}, expected a number from 0 to 1")
        if isinstance(seed, bool) or not isinstance(seed, int):
            raise UnknownVerifier(f"verifier 'random': option 'seed' is {seed!r}, expected a whole number")
        self.rate = float(rate)
        self.seed = seed

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.name, VERSION, {"rate": self.rate, "seed": self.seed})

    def verify(self, attempts: Sequence[Attempt]) -> list[Verdict]:
        """One verdict per attempt, in order; equal responses are told apart by their number in the batch."""
        seen: Counter[tuple[str, str]] = Counter()
        verdicts: list[Verdict] = []
        for attempt in attempts:
            began = time.perf_counter()
            key = (attempt.problem.id, attempt.response)
            accepted = _uniform(self.seed, *key, seen[key]) < self.rate
            seen[key] += 1
            verdicts.append(
                Verdict(
                    outcome=Outcome.CORRECT if accepted else Outcome.WRONG,
                    score=1.0 if accepted else 0.0,
                    rule="random",
                    seconds=time.perf_counter() - began,
                )
            )
        return verdicts


def _uniform(seed: int, problem_id: str, response: str, occurrence: int) -> float:
    """A number in [0, 1) that depends on its arguments alone."""
    digest = hashlib.sha256()
    for part in (str(seed), problem_id, response, str(occurrence)):
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8) + data)
    return (int.from_bytes(digest.digest()[:8]) >> 11) / 2**53
