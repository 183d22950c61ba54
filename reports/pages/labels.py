"""Labels of few responses, as text for a terminal and as JSON: what was drawn, and what the labels say.

Takes a Population and Labelled; gives texts and plain data. Names are shortened and their control characters written
out, so that no run can send commands to a terminal.
"""

from __future__ import annotations

from typing import Any

from restem.reports.analysis.labels import MARGIN, Labelled, LabelledContest, Population, Settled
from restem.reports.pages.columns import plain
from restem.reports.pages.escape import visible
from restem.reports.pages.json_data import finite, interval
from restem.reports.tables import labels as tables
from restem.reports.tables.format import difference, estimate, number

NOTE = """\
Weighted by 1 / inclusion probability. Intervals: 95 %, for the value that labels of all these responses would give;
other problems are not in them."""


def drawn_text(responses: Population, first: int, last: int) -> str:
    """What a batch holds."""
    head = f"Responses {first + 1} to {last} of {_all(responses)}, by the verdicts of {_names(responses)}:"
    return "\n".join([head, plain(tables.strata(responses, last))])


def text(responses: Population, result: Labelled, rows: int, from_run: int) -> str:
    """Rates, which candidate is better, and how many labels settle it."""
    counts = f"{result.right} right, {result.wrong} wrong, {result.unclear} that the person could not tell"
    lines = [f"{result.count} of {rows} drawn responses are labelled ({counts}); they stand for {_all(responses)}."]
    if from_run:
        lines.append(f"{from_run} of the labels are verdicts stored in the run.")
    if result.skipped:
        lines.append(
            f"{result.skipped} rows before the last label of their stratum have none. They are taken to be like the "
            "labelled ones: label them too, as responses that are hard to judge are often wrong."
        )
    blocks = ["\n".join(lines), plain(tables.rates(result)), NOTE]
    if result.contests:
        blocks.append("\n".join(_sentence(contest, result.count, len(responses.order)) for contest in result.contests))
    return "\n\n".join(blocks)


def _sentence(contest: LabelledContest, labels: int, size: int) -> str:
    better, other = visible(contest.better, 80), visible(contest.other, 80)
    more = f"J {difference(contest.difference.youden).line} points"
    ratio = contest.difference.likelihood_ratio
    times = f"LR+ {estimate(ratio, 2, 1).line} times" if interval(ratio) else "LR+ not comparable"
    if contest.settled is Settled.BETTER:
        return f"{better} is better than {other}: {more}, {times}."
    if contest.settled is Settled.EQUAL:
        return f"{better} and {other} are equal within {number(MARGIN, 0)} points of J: {more}, {times}."
    needed = f"about {contest.needed} labels in all ({contest.needed - labels} more) settle it 4 times of 5"
    if contest.needed == size:
        needed = "only labels of all responses would settle it"
    return f"{better} against {other} is not settled: {more}, {times}; if the difference is of this size, {needed}."


def _all(responses: Population) -> str:
    place = f"checkpoint {visible(responses.checkpoint, 80)}, split {visible(responses.split, 80)}"
    return f"{len(responses.order)} responses of {place}"


def _names(responses: Population) -> str:
    return ", ".join(visible(name, 80) for name in responses.verifiers)


def drawn_data(responses: Population, first: int, last: int) -> dict[str, Any]:
    """The same for programs: sizes and inclusion probabilities of the strata."""
    return {
        **_place(responses),
        "first": first + 1,
        "last": last,
        "strata": [
            {"stratum": number, "responses": size, "drawn": drawn, "inclusion": inclusion}
            for number, (size, drawn, inclusion) in enumerate(
                zip(
                    responses.strata.size.tolist(),
                    responses.drawn(last).tolist(),
                    responses.inclusion(last).tolist(),
                    strict=True,
                ),
                1,
            )
        ],
    }


def data(responses: Population, result: Labelled, rows: int, from_run: int) -> dict[str, Any]:
    """The same for programs; shares in [0, 1], intervals as [value, low, high], null where not known."""
    counts = {name: getattr(result, name) for name in ("count", "right", "wrong", "unclear", "skipped")}
    rates = ("tpr", "fpr", "likelihood_ratio", "youden", "precision")
    return {
        **_place(responses),
        "rows": rows,
        "from_run": from_run,
        **counts,
        "verifiers": [
            {"verifier": name, **{rate: interval(getattr(of, rate)) for rate in rates}} for name, of in result.rates
        ],
        "contests": [
            {
                "better": contest.better,
                "other": contest.other,
                "settled": contest.settled.value,
                "youden": interval(contest.difference.youden),
                "likelihood_ratio": interval(contest.difference.likelihood_ratio),
                "labels_needed": finite(contest.needed),
            }
            for contest in result.contests
        ],
    }


def _place(responses: Population) -> dict[str, Any]:
    fields = ("verifiers", "seed", "checkpoint", "split")
    return {field: getattr(responses, field) for field in fields} | {"responses": len(responses.order)}
