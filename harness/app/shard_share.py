"""One shard's share of a verification: what its judges may spend, and what it was asked for.

Takes the run, its shard and the options of judges; gives options with smaller budgets. It knows no part and no merge.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from restem.benchmarks.problem import Problem
from restem.harness.app.judges import Options
from restem.harness.errors import ConfigError
from restem.harness.store.parts import FACT
from restem.harness.store.store import Store
from restem.verifiers import catalog
from restem.verifiers.chat.budget import NOTHING, Budget, Charge, Prices, Spent
from restem.verifiers.chat.sent import unanswered_calls, unanswered_in_batches


@dataclasses.dataclass(frozen=True, kw_only=True)
class Calls:
    """What a judge's calls in a run or a part may have cost: those with a reply, and those billed without one."""

    answered: Spent = ()
    unanswered: Charge = NOTHING

    @classmethod
    def of(cls, store: Store, verifier: str) -> Calls:
        """Of a verifier (fingerprint)."""
        unanswered = unanswered_calls(store, verifier) + unanswered_in_batches(store, verifier)
        return cls(answered=store.spent(verifier), unanswered=unanswered)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Share:
    """A shard's share of a verification.

    Attributes:
        count: The number of shards.
        split: Only the samples of this split are verified; of all splits where None.
        problems: Those of all shards: a verifier that can be used on none of a shard's may be used on others.
        calls: Verifier (fingerprint) -> its calls in the run.
    """

    count: int
    split: str | None
    problems: Sequence[Problem]
    calls: Mapping[str, Calls]

    @classmethod
    def of(cls, run: Store, count: int, split: str | None) -> Share:
        """The share of each of `count` shards of a run."""
        calls = {fingerprint: Calls.of(run, fingerprint) for fingerprint in run.verifiers()}
        return cls(count=count, split=split, problems=run.problems(split), calls=calls)

    def limited(self, judges: Options) -> dict[str, dict[str, Any]]:
        """The judges' options with an equal share of what the run has left of each budget.

        Raises:
            ConfigError: A share is less than one call.
        """
        return {name: chosen | self._budget(name, judges) for name, chosen in judges.items()}

    def _budget(self, name: str, judges: Options) -> dict[str, Any]:
        options = catalog.judge_options(name, judges)
        if (options.max_calls is None and options.max_cost_usd is None) or options.offline:
            return {}
        before = self.calls.get(catalog.build(name, judges).fingerprint, Calls())
        # A part has the run's answered calls among its own: they count in its limit, and the others do not.
        answered, sent = Budget(prices := Prices(options.prices, options.model or "")), Budget(prices)
        answered.restart(before.answered)
        sent.restart(before.answered, before.unanswered)
        share: dict[str, Any] = {}
        if options.max_calls is not None:
            calls = max(0, options.max_calls - sent.calls) // self.count
            if not calls:
                raise ConfigError(
                    f"verifiers.{name}.max_calls = {options.max_calls}, of which {sent.calls} are spent: over "
                    f"{self.count} shards this is less than one call each; raise it, or take fewer shards"
                )
            share["max_calls"] = answered.calls + calls
        if options.max_cost_usd is not None:
            share["max_cost_usd"] = answered.usd + max(0.0, options.max_cost_usd - sent.usd) / self.count
        return share

    def begin(self, part: Store, verifiers: Sequence[str]) -> None:
        """Notes in a part which verifiers (fingerprints) it is asked for, before their first verdict."""
        fact = part.run()[FACT]
        asked = [[verifier, self.split] for verifier in verifiers]
        part.set_run(FACT, {**fact, "asked": [*fact["asked"], *(each for each in asked if each not in fact["asked"])]})
