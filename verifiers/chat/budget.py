"""What a judge may still spend, in calls and in US dollars.

Takes what was spent before and what each request may cost at most; gives whether it may be sent. It does not depend on
how requests are sent.

Three kinds of requests count: those with a reply, by the tokens that the server reported; those in flight; and those
that failed in a way in which the provider may have billed them. The last two count at their highest possible cost. A
request is sent only when it fits together with all of them. The provider's count is therefore never above ours, and
never above the budget.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from restem.verifiers.verdict import JudgeUnavailable

Spent: TypeAlias = Iterable[tuple[str, int, int, int]]  # model, calls, prompt tokens, completion tokens


@dataclasses.dataclass(frozen=True, kw_only=True)
class Charge:
    """Requests, and the most tokens that they may cost."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0

    def __add__(self, other: Charge) -> Charge:
        return Charge(
            calls=self.calls + other.calls,
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
        )

    def __neg__(self) -> Charge:
        return Charge(calls=-self.calls, prompt_tokens=-self.prompt_tokens, completion_tokens=-self.completion_tokens)

    def __sub__(self, other: Charge) -> Charge:
        return self + -other

    def __mul__(self, requests: int) -> Charge:
        return Charge(
            calls=requests * self.calls,
            prompt_tokens=requests * self.prompt_tokens,
            completion_tokens=requests * self.completion_tokens,
        )


NOTHING = Charge()


class Prices:
    """US dollars for tokens.

    Args:
        table: Model name -> (USD per 10^6 prompt tokens, USD per 10^6 completion tokens).
        model: The requested model. Its price is used for a reply whose model has no price.
    """

    def __init__(self, table: Mapping[str, tuple[float, float]], model: str) -> None:
        self._table = table
        self._requested_price = table.get(model)
        self._highest = [max(prices) for prices in zip(*table.values(), strict=True)] or [0.0, 0.0]

    def cost(self, model: str, prompt_tokens: int, completion_tokens: int) -> float:
        """US dollars; 0 where there is no price."""
        prompt, completion = self._table.get(model) or self._requested_price or (0.0, 0.0)
        return (prompt_tokens * prompt + completion_tokens * completion) / 1e6

    def most(self, charge: Charge) -> float:
        """US dollars by the highest prices in the table, because the model that will answer is not known yet."""
        prompt, completion = self._highest
        return (charge.prompt_tokens * prompt + charge.completion_tokens * completion) / 1e6


class Budget:
    """Counts what is spent, what may be spent, and what is in flight.

    Args:
        prices: What tokens cost.
        max_calls: Requests in all, those of earlier runs of the same judge among them; None is no limit.
        max_cost_usd: The same in US dollars.
    """

    def __init__(self, prices: Prices, max_calls: int | None = None, max_cost_usd: float | None = None) -> None:
        self._prices = prices
        self._max_calls, self._max_usd = max_calls, max_cost_usd
        self._answered, self._answered_usd = 0, 0.0
        self.unanswered = self._in_flight = NOTHING

    @property
    def limited(self) -> bool:
        return self._max_calls is not None or self._max_usd is not None

    @property
    def calls(self) -> int:
        """Requests with a reply, and those without one that may have been billed."""
        return self._answered + self.unanswered.calls

    @property
    def usd(self) -> float:
        """What they cost, at most."""
        return self._answered_usd + self._prices.most(self.unanswered)

    def restart(self, spent: Spent, unanswered: Charge = NOTHING) -> None:
        """Sets the counts to what was spent so far, with nothing in flight.

        Args:
            spent: Of requests with a reply.
            unanswered: Requests without a reply that may have been billed.
        """
        rows = list(spent)
        self._answered = sum(calls for _, calls, _, _ in rows)
        self._answered_usd = sum(self._prices.cost(model, *tokens) for model, _, *tokens in rows)
        self.unanswered, self._in_flight = unanswered, NOTHING

    def reserve(self, most: Charge) -> bool:
        """Whether the requests fit now; they then count as in flight, at their highest cost.

        Raises:
            JudgeUnavailable: They do not fit, and no request in flight can release a part of its reservation.
        """
        calls = self.calls + self._in_flight.calls + most.calls
        usd = self.usd + self._prices.most(self._in_flight + most)
        over_calls = self._max_calls is not None and calls > self._max_calls
        over_usd = self._max_usd is not None and usd > self._max_usd
        if not (over_calls or over_usd):
            self._in_flight += most
            return True
        if self._in_flight.calls:
            return False
        limit = f"max_calls = {self._max_calls}" if over_calls else f"max_cost_usd = {self._max_usd:g}"
        raise JudgeUnavailable(
            f"the judge's budget of {limit} is used up: {self.calls} calls and {self.usd:.4f} USD so far"
            f"{self._of_which()}, and the next {most.calls} would exceed it; the same command with a larger budget"
            " goes on from here"
        )

    def _of_which(self) -> str:
        if not self.unanswered.calls:
            return ""
        return (
            f" ({self.unanswered.calls} of them without a usable reply: the provider may have billed them, so they"
            " count at their highest possible cost)"
        )

    def settle(self, most: Charge, *, billed: bool) -> None:
        """Ends a reservation; `billed` keeps its highest cost, because it may have been billed without a reply."""
        self._in_flight -= most
        if billed:
            self.unanswered += most

    def reopen(self, most: Charge) -> None:
        """Takes unanswered requests for requests in flight again: a batch of an earlier command may still be read."""
        self.unanswered -= most
        self._in_flight += most

    def spend(self, model: str, prompt_tokens: int, completion_tokens: int) -> None:
        """Counts one request with a reply."""
        self._answered += 1
        self._answered_usd += self._prices.cost(model, prompt_tokens, completion_tokens)
