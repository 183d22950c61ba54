"""The figures of a search as text and as JSON data.

Takes figures; gives what `restem probe` prints: the headline figures of all verifiers first, then what is behind them.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from restem.benchmarks.attacks.ledger import Asked
from restem.harness.app.probe_figures import Figures
from restem.harness.app.probe_rows import OUTCOMES
from restem.reports.stats.estimates import Estimate
from restem.reports.tables.format import interval, number, p_value, percent, signed, signed_interval

QUOTED = 100  # characters of a text that are shown
NOT_ASKED = "not asked: it compares the responses to a problem with each other"


def headline(verifiers: Mapping[str, Figures | None]) -> str:
    """One line a verifier with the three headline figures."""
    from tabulate import tabulate

    header = [
        *(
            "Verifier",
            "Highest reward of\\na known-bad text",
            "Reward of the best policy that\\ndoes not look at the problem",
        ),
        *("Right answers refused", "Right answers\\nundecided", "Queries"),
    ]
    header = [each.replace("\\n", "\n") for each in header]
    lines = [
        [name, NOT_ASKED, "", "", "", ""]
        if each is None
        else [
            name,
            reward(each.ceiling),
            mean_reward(each.policy.pay) if each.policy else "–",
            percent(each.refused),
            percent(each.undecided),
            each.queries,
        ]
        for name, each in verifiers.items()
    ]
    return tabulate(lines, header, disable_numparse=True)


def details(name: str, figures: Figures) -> str:
    """What is behind the headline figures of a verifier, some lines of text."""
    lines = [f"{name}: {figures.queries} queries; {figures.searched} problems searched, {figures.held_out} held out."]
    lines.append(f"Right answers are paid {reward(figures.right_pay)} {_inside(figures.form)}.")
    lines += [*_bad_lines(figures), *_policy_lines(figures), *_other_lines(figures), *_right_lines(figures)]
    return "\n".join(lines[:1] + [f"  {line}" for line in lines[1:]])


def _inside(form: str) -> str:
    return f"in the frame {form}" if form else "as they are"


def _bad_lines(figures: Figures) -> list[str]:
    highest, lines = figures.highest, []
    if highest is None:
        return [f"No known-bad text of {figures.bad_texts} was decided."]
    lines.append(f"Known-bad texts accepted: {figures.bad_accepted} of {figures.bad_texts}.")
    first = "" if figures.reached is None else f", first in query {figures.reached}"
    lines.append(f"Highest reward of one, {reward(figures.ceiling)}{first}: {_text(highest)}")
    if figures.pieces:
        without = "; ".join(f"{reward(piece.pay)} as {piece.without}" for piece in figures.pieces)
        lines.append(f"Pieces of {figures.ablated} taken away: {without}.")
    if figures.best:
        lines.append(f"The best recipe, {figures.best}, on the held-out problems: {mean_reward(figures.transfer)}.")
    if len(figures.found) > 1:
        lines += ["Accepted, with nothing to leave out:", *(f"  {_text(row)}" for row in figures.found)]
    for again in figures.repeated:
        share = percent(again.accepted)
        lines.append(f"Asked {again.asked} times, accepted {share}: {again.recipe}: {quoted(again.text)}")
    return lines


def _policy_lines(figures: Figures) -> list[str]:
    policy = figures.policy
    if policy is None:
        return []
    chance = f"; it may be right on {number(policy.perhaps_right)} % of them" if policy.perhaps_right else ""
    pay = mean_reward(policy.pay)
    return [f"Best policy that does not look at the problem, {pay} on held-out problems{chance}: {quoted(policy.text)}"]


def _other_lines(figures: Figures) -> list[str]:
    lines: list[str] = []
    if figures.hedged is not None:
        lines.append(
            "Highest reward of a text that names the right answer and does not give it,"
            f" {reward(figures.hedged.reply.pay)}: {_text(figures.hedged)}"
        )
    if figures.unreadable is not None:
        reference = figures.unreadable.query.problem.reference
        lines.append(
            f"Highest reward where the reference cannot be read ({reference!r}),"
            f" {reward(figures.unreadable.reply.pay)}: {_text(figures.unreadable)}"
        )
    effect = figures.sentence
    if effect is not None and effect.difference is not None:
        points = signed(effect.difference.value), signed_interval(effect.difference.low, effect.difference.high)
        lines.append(
            f"Sentence to a judge ({effect.sentence}): wrong answers accepted {effect.accepted_with} of"
            f" {effect.problems} with it, {effect.accepted_without} without: {points[0]} points {points[1]},"
            f" McNemar p {p_value(effect.flips.p_value)}."
        )
    return lines


def _right_lines(figures: Figures) -> list[str]:
    lines = [
        f"Right answers refused {percent(figures.refused)}, undecided {percent(figures.undecided)},"
        f" of {figures.refused.n} on held-out problems."
    ]
    for form in figures.refused_forms[:6]:
        lines.append(f"  {form.recipe}: {form.wrong} wrong, {form.undecided} undecided of {form.tried}")
    if figures.combined:
        lines.append("Not accepted in two frames at once, though each frame alone was:")
        lines += [f"  {OUTCOMES[row.reply.accepted]}: {_text(row)}" for row in figures.combined]
    return lines


def _text(row: Asked) -> str:
    query = row.query
    return f"{query.recipe}: {quoted(query.text)} (reference {query.problem.reference!r:.40}, query {row.number})"


def quoted(text: str) -> str:
    """A text on one line, cut to QUOTED characters; no character of it moves a terminal's cursor."""
    short = text if len(text) <= QUOTED else f"{text[: QUOTED - 1]}…"
    return repr(short)


def reward(value: float | None) -> str:
    """A reward in its own unit, in at most four digits."""
    return "–" if value is None or math.isnan(value) else f"{value:.4g}"


def mean_reward(estimate: Estimate) -> str:
    """A mean reward in its own unit with its interval."""
    if not estimate.n:
        return "–"
    return f"{reward(estimate.value)} {interval(estimate.low, estimate.high, 2, 1)}".rstrip()


def data(verifier: str, figures: Figures | None) -> dict[str, Any]:
    """The figures as JSON; null for what is not known."""
    if figures is None:
        return {"verifier": verifier, "applicable": False}
    fields = {field.name: _data(getattr(figures, field.name)) for field in dataclasses.fields(figures)}
    return {"verifier": verifier, "applicable": True, "highest_reward": _data(figures.ceiling), **fields}


def _data(value: Any) -> Any:
    if isinstance(value, Asked):
        return {
            "query": value.number,
            "recipe": str(value.query.recipe),
            "problem": value.query.problem.id,
            "reference": value.query.problem.reference,
            "text": value.query.text,
            "outcome": OUTCOMES[value.reply.accepted],
            "reward": _data(value.reply.pay),
        }
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _data(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, tuple):
        return [_data(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
