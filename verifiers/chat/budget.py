"""What a judge may still spend, in calls and in US dollars.

Takes what was spent before and what each request may cost at most; says whether it may be sent. Knows nothing of HTTP.

A call is a request that was answered: tries that failed are not billed. A request is sent only when it fits together
with all that are in flight, each at the most that it can cost, so a budget is never exceeded, whatever comes back.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from restem.verifiers.options import at_least
from restem.verifiers.verdict import JudgeUnavailable, UnknownVerifier

Spent: TypeAlias = Iterable[tuple[str, int, int, int]]  # model, calls, prompt tokens, completion tokens


class Prices:
    """US dollars for tokens.

    Args:
        table: Model name -> (USD per 10^6 prompt tokens, USD per 10^6 completion tokens).
        model: The model that is asked for; its price is taken where the one that answered has none.

    Raises:
        UnknownVerifier: The table is no such table.
    """

    def __init__(self, table: Mapping[str, Sequence[float]], model: str) -> None:
        self._table = _checked(table)
        self._asked = self._table.get(model)

    @property
    def known(self) -> bool:
        """Whether the model that is asked for has a price."""
        return self._asked is not None

    def cost(self, model: str, prompt_tokens: int, completion_tokens: int) -> float:
        """US dollars; 0 where there is no price."""
        prompt, completion = self._table.get(model) or self._asked or (0.0, 0.0)
        return (prompt_tokens * prompt + completion_tokens * completion) / 1e6

    def most(self, prompt_tokens: int, completion_tokens: int) -> float:
        """US dollars by the dearest price in the table: nobody knows yet which model will answer."""
        return max((self.cost(model, prompt_tokens, completion_tokens) for model in self._table), default=0.0)


class Budget:
    """Counts what is spent and what is in flight.

    Args:
        prices: What tokens cost.
        max_calls: Answered requests in all, those of earlier runs of the same judge among them; None is no limit.
        max_cost_usd: The same in US dollars.

    Raises:
        UnknownVerifier: A limit cannot be meant, or dollars are limited and the model has no price.
    """

    def __init__(self, prices: Prices, max_calls: int | None = None, max_cost_usd: float | None = None) -> None:
        if max_calls is not None:
            at_least(0, whole=True, max_calls=max_calls)
        if max_cost_usd is not None:
            at_least(0, max_cost_usd=max_cost_usd)
            if not prices.known:
                raise UnknownVerifier("judge: option max_cost_usd needs the model's price in option prices")
        self._prices = prices
        self._max_calls, self._max_usd = max_calls, max_cost_usd
        self.calls, self.usd = 0, 0.0
        self._calls_in_flight, self._usd_in_flight = 0, 0.0

    @property
    def limited(self) -> bool:
        return self._max_calls is not None or self._max_usd is not None

    def restart(self, spent: Spent) -> None:
        """Begins with what was spent so far, nothing in flight."""
        rows = list(spent)
        self.calls = sum(calls for _, calls, _, _ in rows)
        self.usd = sum(self._prices.cost(model, prompt, completion) for model, _, prompt, completion in rows)
        self._calls_in_flight, self._usd_in_flight = 0, 0.0

    def reserve(self, prompt_tokens: int, completion_tokens: int, calls: int = 1) -> float | None:
        """What requests of at most so many tokens may cost, now set aside; None where that is too much just now.

        Raises:
            JudgeUnavailable: It is too much, and nothing is in flight that could turn out cheaper.
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
        """Gives back what was set aside."""
        self._calls_in_flight -= calls
        self._usd_in_flight = self._usd_in_flight - reserved_usd if self._calls_in_flight else 0.0

    def spend(self, model: str, prompt_tokens: int, completion_tokens: int) -> None:
        """Counts one answered request."""
        self.calls += 1
        self.usd += self._prices.cost(model, prompt_tokens, completion_tokens)


def _checked(prices: Mapping[str, Sequence[float]]) -> dict[str, tuple[float, float]]:
    expected = "{model: [USD per 10^6 prompt tokens, USD per 10^6 completion tokens]}"
    if not isinstance(prices, Mapping):
        raise UnknownVerifier(f"judge: option prices: found {prices!r}, expected {expected}")
    for model, pair in prices.items():
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise UnknownVerifier(f"judge: option prices: found {pair!r} for {model!r}, expected {expected}")
        for price in pair:
            at_least(0, prices=price)
    return {model: (float(pair[0]), float(pair[1])) for model, pair in prices.items()}
