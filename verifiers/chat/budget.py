"""What a judge may still spend, in calls and in US dollars.

Takes what was spent before and what each request may cost at most; gives whether it may be sent. It does not depend on
how requests are sent.

A call is a request that was answered: tries that failed are not billed. A request is sent only when it fits together
with all that are in flight, each counted at its highest possible cost, so that a budget is never exceeded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from restem.verifiers.verdict import JudgeUnavailable

Spent: TypeAlias = Iterable[tuple[str, int, int, int]]  # model, calls, prompt tokens, completion tokens


class Prices:
    """US dollars for tokens.

    Args:
        table: Model name -> (USD per 10^6 prompt tokens, USD per 10^6 completion tokens).
        model: The requested model. Its price is used for a reply whose model has no price.
    """

    def __init__(self, table: Mapping[str, tuple[float, float]], model: str) -> None:
        self._table = table
        self._requested_price = table.get(model)

    def cost(self, model: str, prompt_tokens: int, completion_tokens: int) -> float:
        """US dollars; 0 where there is no price."""
        prompt, completion = self._table.get(model) or self._requested_price or (0.0, 0.0)
        return (prompt_tokens * prompt + completion_tokens * completion) / 1e6

    def most(self, prompt_tokens: int, completion_tokens: int) -> float:
        """US dollars by the highest price in the table, because the model that will answer is not known yet."""
        return max((self.cost(model, prompt_tokens, completion_tokens) for model in self._table), default=0.0)


class Budget:
    """Counts what is spent and what is in flight.

    Args:
        prices: What tokens cost.
        max_calls: Answered requests in all, those of earlier runs of the same judge among them; None is no limit.
        max_cost_usd: The same in US dollars.
    """

    def __init__(self, prices: Prices, max_calls: int | None = None, max_cost_usd: float | None = None) -> None:
        self._prices = prices
        self._max_calls, self._max_usd = max_calls, max_cost_usd
        self.calls, self.usd = 0, 0.0
        self._calls_in_flight, self._usd_in_flight = 0, 0.0

    @property
    def limited(self) -> bool:
        return self._max_calls is not None or self._max_usd is not None

    def restart(self, spent: Spent) -> None:
        """Sets the counts to what was spent so far, with nothing in flight."""
        rows = list(spent)
        self.calls = sum(calls for _, calls, _, _ in rows)
        self.usd = sum(self._prices.cost(model, prompt, completion) for model, _, prompt, completion in rows)
        self._calls_in_flight, self._usd_in_flight = 0, 0.0

    def reserve(self, prompt_tokens: int, completion_tokens: int, calls: int = 1) -> float | None:
        """Reserves the highest cost of requests with these token counts and gives it; None where it does not fit now.

        Raises:
            JudgeUnavailable: It does not fit, and no request in flight can release a part of its reservation.
        """
        usd = self._prices.most(prompt_tokens, completion_tokens)
        over_calls = self._max_calls is not None and self.calls + self._calls_in_flight + calls > self._max_calls
        over_usd = self._max_usd is not None and self.usd + self._usd_in_flight + usd > self._max_usd
        if not (over_calls or over_usd):
            self._calls_in_flight += calls
            self._usd_in_flight += usd
            return usd
        if self._calls_in_flight:
            return None
        limit = f"max_calls = {self._max_calls}" if over_calls else f"max_cost_usd = {self._max_usd:g}"
        raise JudgeUnavailable(
            f"the judge's budget of {limit} is used up: {self.calls} calls and {self.usd:.4f} USD so far, and the next"
            f" {calls} would exceed it; the same command with a larger budget goes on from here"
        )

    def settle(self, reserved_usd: float, calls: int = 1) -> None:
        """Releases a reservation."""
        self._calls_in_flight -= calls
        self._usd_in_flight = self._usd_in_flight - reserved_usd if self._calls_in_flight else 0.0

    def spend(self, model: str, prompt_tokens: int, completion_tokens: int) -> None:
        """Counts one answered request."""
        self.calls += 1
        self.usd += self._prices.cost(model, prompt_tokens, completion_tokens)
