"""The answer in sentences: which verifier to train on, how far it leads, and what speaks against it.

Takes an Answer; gives sentences, of which the first alone is an answer. Decides nothing: `restem.reports.analysis`
does.
"""

from __future__ import annotations

from collections.abc import Sequence

from restem.reports.analysis.answer import Answer, Control, GoldCoverage, Headline, Rival
from restem.reports.analysis.contest import MARGIN, Contest, arm_of
from restem.reports.analysis.findings import Standing
from restem.reports.stats.seeds import SPREAD
from restem.reports.tables.format import points, signed


def answer_sentences(answer: Answer) -> list[str]:
    """The sentences that answer "which verifier?"; the first one alone is an answer."""
    best = answer.best
    if best is None:
        return [headline(answer), *_idle(answer.idle)]
    sentences = [headline(answer), *_faulty(answer.faulty), *_behind(answer, best), against_controls(answer, best)]
    sentences += [*_one_seed(answer), *_idle(answer.idle), *_overstated(answer.overstated)]
    return [*sentences, *_undecided(best, answer.gold_coverage)]


def headline(answer: Answer) -> str:
    """The first sentence."""
    rounds = _rounds(answer.iteration)
    run = "in this run of one seed, " if answer.seeds == 1 else ""
    if answer.code is Headline.CEILING_ALONE and answer.ceiling:
        gained = f"{run}after {rounds} gold accuracy rose by {_gained(answer.ceiling_gain)} over the base."
        return f"There is no verifier to choose here; trained on {_title(answer.ceiling)}, {gained}"
    if answer.best is None:
        return "No answer yet: no arm with a verifier to recommend has a trained checkpoint with gold verdicts."
    best, gain, shared = _title(answer.best), answer.gain, arm_of(answer.best).shared
    none = "No arm is shown to be worth training" if shared else "No verifier is shown to be worth training on"
    leader = f"the best, {best}" if shared else f"the best arm, {best}"
    if gain is None:
        return f"No answer yet: the base has no gold verdicts to compare {best} with."
    if answer.code is Headline.NO_GAIN:
        return (
            f"{none}: {run}after {rounds} {leader}, changed gold accuracy by {_points(gain)}, "
            f"p = {gain.adjusted_p:.2g} after correction for all arms; minimum detectable effect "
            f"{100 * gain.claim.detectable:.1f} points."
        )
    if answer.code is Headline.NO_BETTER_THAN_CONTROL:
        return (
            f"{none}: {run}after {rounds} {leader}, gained {_points(gain)} over the base, but is not shown to be "
            "better than training without information."
        )
    return _recommended(answer, answer.best, f"{run}{_rise(answer, gain)}")


def _rise(answer: Answer, gain: Contest) -> str:
    """What the best arm had gained at the last iteration, and at the one to stop at."""
    last = f"after {_rounds(answer.iteration)}"
    if answer.stop is None or answer.stop_gain is None:
        return f"{last} gold accuracy rose by {_points(gain)} over the base"
    best = f"after {_rounds(answer.stop.iteration)} gold accuracy had risen by {_points(answer.stop_gain)}"
    return f"{best} over the base, {last} by {_points(gain)}"


def _rounds(iteration: int) -> str:
    return f"{iteration} iteration{'s' if iteration != 1 else ''}"


def _gained(gain: Contest | None) -> str:
    return _points(gain) if gain else "an unknown amount"


def _recommended(answer: Answer, best: Standing, gained: str) -> str:
    """What to train on: the best arm, or one that is shown to equal it; what is not significantly different from it."""
    gained += _of_ceiling(answer)
    text, stop = f"Train {_how([best, *(rival.standing for rival in answer.equals)], 'or')}", ""
    if answer.stop:
        stop = f" up to iteration {answer.stop.iteration}"
    if answer.equals:
        verb = "is" if len(answer.equals) == 1 else "are"
        within = f"as good within {100 * MARGIN:.0f} points"
        text += f": with {_title(best)}{stop}, {gained}, and {_differences(answer.equals)} {verb} {within}"
    else:
        text += f"{stop}: {gained}"
    if answer.unclear:
        detectable = 100 * max(rival.contest.claim.detectable for rival in answer.unclear)
        text += f"; not significantly different from it: {_differences(answer.unclear)}"
        text += f", where the minimum detectable effect is {detectable:.1f} points"
    return f"{text}."


def _of_ceiling(answer: Answer) -> str:
    """Which share that is of what the gold's own verdicts gave."""
    if answer.share is None or answer.ceiling is None:
        return ""
    share = answer.share
    return f", {100 * share.value:.0f} % [{100 * share.low:.0f}, {100 * share.high:.0f}] of what the gold gave"


def _one_seed(answer: Answer) -> list[str]:
    if answer.seeds != 1:
        return []
    return [
        f"One training seed: every interval of a trained arm assumes a spread of {100 * SPREAD:.0f} points between "
        "seeds, as this run cannot show its own; set replicates = 3 to measure it."
    ]


def _how(standings: Sequence[Standing], word: str) -> str:
    """What to train: `on judge or vote`, `as arm three`, or some of each."""
    ways = ["as" if arm_of(standing).shared else "on" for standing in standings]
    titles = [_title(standing) for standing in standings]
    if len({*ways}) == 1:
        return f"{ways[0]} {listed(titles, word)}"
    return listed([f"{way} {title}" for way, title in zip(ways, titles, strict=True)], word)


def _title(standing: Standing) -> str:
    """A verifier; an arm where others have the same verifier."""
    arm = arm_of(standing)
    if arm.shared:
        return f"arm {arm.name}"
    name = arm.verifier if arm.name == arm.verifier else f"{arm.verifier} (arm {arm.name})"
    return f"{name} (the gold itself)" if arm.gold else name


def _begun(standing: Standing) -> str:
    """The title at the beginning of a sentence; a verifier's name keeps its letters."""
    return f"A{_title(standing)[1:]}" if arm_of(standing).shared else _title(standing)


def listed(names: Sequence[str], word: str) -> str:
    """`a`, `a and b`, `a, b and c`, with this word before the last."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {word} {names[-1]}"


def _differences(rivals: Sequence[Rival]) -> str:
    return listed([f"{_title(rival.standing)} ({points(rival.contest.claim)})" for rival in rivals], "and")


def _points(contest: Contest) -> str:
    """The difference with the interval that the verdict rests on: of other seeds on other problems."""
    return points(contest.claim)


def _faulty(standings: Sequence[Standing]) -> list[str]:
    if not standings:
        return []
    return [f"A failure is shown in training {_how(standings, 'and')}: the recommendation says which."]


def _behind(answer: Answer, best: Standing) -> list[str]:
    """How far the best arm leads, and what is not shown of those that it is not shown to lead."""
    sentences: list[str] = []
    if answer.behind:
        lead = [f"{_title(rival.standing)} by {_points(rival.contest)}" for rival in answer.behind]
        sentences.append(f"{_begun(best)} is ahead of {listed(lead, 'and')}.")
    if answer.without_gain:
        names = [_with_gain(*each) for each in answer.without_gain]
        sentences.append(f"No gain over the base is shown for {listed(names, 'and')}.")
    if answer.no_better_than_control and answer.best_control:
        names = [_with_gain(*each) for each in answer.no_better_than_control]
        control = _title(answer.best_control.standing)
        sentences.append(
            f"A gain over the base, but none over the control arm {control}, is shown for {listed(names, 'and')}."
        )
    return sentences


def _with_gain(standing: Standing, gain: Contest | None) -> str:
    return f"{_title(standing)} ({points(gain.claim)})" if gain else _title(standing)


def against_controls(answer: Answer, best: Standing) -> str:
    """How the best arm stands against training without information."""
    if answer.best_control:
        contest = answer.best_control.contest
        control = _title(answer.best_control.standing)
        text = f"{_begun(best)} against the best control arm, {control}: {_points(contest)}"
        if answer.control is Control.BEATEN:
            return f"{text}."
        p = f"p = {contest.adjusted_p:.2f}, one-sided, after correction for all candidates"
        return f"{text}, {p}; not shown to be better than training without information."
    if answer.control is Control.UNTRAINED:
        idle = [_title(s) for s in answer.untrained_controls]
        arms = f"control arm{'s' * (len(idle) > 1)} {listed(idle, 'and')}"
        return f"The {arms} trained nothing, so it is not known what training without information would give."
    if answer.control is Control.NOT_REACHED:
        return "No control arm has reached this iteration yet."
    return "No control arm was run, so training on unchecked samples may do as well."


def _idle(standings: Sequence[Standing]) -> list[str]:
    names = [_title(s) for s in standings]
    return [f"Nothing was accepted by {listed(names, 'and')}: no policy was trained."] if names else []


def _overstated(standings: Sequence[Standing]) -> list[str]:
    names = [f"{_title(s)} by {points(s.gap)}" for s in standings if s.gap]
    return [f"The training reward overstates accuracy for {listed(names, 'and')}."] if names else []


def _undecided(best: Standing, coverage: GoldCoverage | None) -> list[str]:
    if coverage is None:
        return []
    return [
        f"The gold decided {100 * coverage.base:.1f} % of the base's samples and {100 * coverage.best:.1f} % of those "
        f"of {_title(best)}; with undecided counted as wrong in both, the gain is {signed(coverage.gain_as_wrong)} "
        "points."
    ]
