"""The answer in sentences: which verifier to train on, how far it leads, and what speaks against it.

Takes Findings and their Ranking; gives sentences. The first one alone is an answer.
"""

from __future__ import annotations

from collections.abc import Sequence

from restem.reports.analysis.findings import Findings, Standing
from restem.reports.analysis.probe import Tried
from restem.reports.analysis.ranking import FULL_COVERAGE, MARGIN, Contest, Ranking, arm_of, points, signed
from restem.reports.analysis.stability import stabilities

FEW_FORMS = 3  # forms of the probe that a sentence names


def answer(findings: Findings, ranking: Ranking) -> list[str]:
    """The sentences that answer "which verifier?"; the first one alone is an answer."""
    best = ranking.best
    if not best:
        none = "No answer yet: no arm with a verifier to recommend has a trained checkpoint with gold verdicts."
        return [none, *_idle(ranking)]
    sentences = [_first(ranking, best), *_faulty(findings, ranking), *_behind(ranking, best)]
    sentences += _against_controls(findings, ranking, best)
    sentences += [*_idle(ranking), *_overstated(ranking.candidates)]
    return [*sentences, *_undecided(findings, best)]


def _title(standing: Standing) -> str:
    arm = arm_of(standing)
    name = arm.verifier if arm.name == arm.verifier else f"{arm.verifier} (arm {arm.name})"
    return f"{name} (the gold itself)" if arm.gold else name


def _listed(names: Sequence[str], word: str) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {word} {names[-1]}"


def _first(ranking: Ranking, best: Standing) -> str:
    rounds = f"{ranking.iteration} iteration{'s' if ranking.iteration != 1 else ''}"
    gain = ranking.gain(best)
    if gain is None:
        return f"No answer yet: the base has no gold verdicts to compare {_title(best)} with."
    if not gain.better:
        return (
            f"No verifier is shown to be worth training on: after {rounds} the best arm, {_title(best)}, changed "
            f"gold accuracy by {_points(gain)}, p = {gain.adjusted_p:.2g} after correction for all arms; minimum "
            f"detectable effect {100 * gain.claim.detectable:.1f} points."
        )
    if not ranking.beats_control(best):
        return (
            f"No verifier is shown to be worth training on: after {rounds} the best arm, {_title(best)}, gained "
            f"{_points(gain)} over the base, but is not shown to be better than training without information."
        )
    return _recommended(ranking, best, f"after {rounds} gold accuracy rose by {_points(gain)} over the base")


def _recommended(ranking: Ranking, best: Standing, gained: str) -> str:
    """What to train on: the best arm, or one that is shown to equal it; what could not be told apart from it."""
    rivals = [(s, ranking.contest(best, s)) for s in ranking.worthy if s is not best]
    equals = [(s, found) for s, found in rivals if found.equal]
    unclear = [(s, found) for s, found in rivals if not found.decided and not found.equal]
    told = f"Train on {_listed([_title(s) for s in (best, *(s for s, _ in equals))], 'or')}: "
    if equals:
        verb = "is" if len(equals) == 1 else "are"
        within = f"equal to it within {100 * MARGIN:.0f} points"
        told += f"with {_title(best)}, {gained}, and {_differences(equals)} {verb} {within}"
    else:
        told += gained
    if unclear:
        detectable = 100 * max(found.claim.detectable for _, found in unclear)
        told += f"; no difference is detectable between it and {_differences(unclear)}, nor is equality shown; "
        told += f"minimum detectable effect {detectable:.1f} points"
    return f"{told}."


def _faulty(findings: Findings, ranking: Ranking) -> list[str]:
    stable = stabilities(findings, ranking.iteration)
    unbeaten = [s for s in ranking.worthy if not ranking.beaten(s)]
    names = [_title(s) for s in unbeaten if stable[arm_of(s).name].holds is False]
    return [f"A fault is shown in training on {_listed(names, 'and')}: the recommendation says which."] if names else []


def _differences(rivals: Sequence[tuple[Standing, Contest]]) -> str:
    return _listed([f"{_title(s)} ({points(found.claim)})" for s, found in rivals], "and")


def _points(contest: Contest) -> str:
    """The interval that the verdict rests on; where seeds make that another than by problem, the latter beside it."""
    claim, alone = points(contest.claim), points(contest.difference)
    return claim if claim == alone else f"{claim} (by problem alone {alone[alone.index('[') :]})"


def _behind(ranking: Ranking, best: Standing) -> list[str]:
    if not ranking.gained(best):
        return []
    others = [s for s in ranking.candidates if s is not best]
    beaten = [s for s in others if ranking.beaten(s)]
    unclear = [s for s in others if not ranking.beaten(s)]
    lead = [f"{_title(s)} by {_points(ranking.contest(best, s))}" for s in beaten]
    sentences = [f"{_title(best)} is ahead of {_listed(lead, 'and')}."] if lead else []
    loose = [_with_gain(ranking, s) for s in unclear if not ranking.gained(s)]
    if loose:
        sentences.append(f"No gain over the base is shown for {_listed(loose, 'and')}.")
    weak = [_with_gain(ranking, s) for s in unclear if ranking.gained(s) and not ranking.beats_control(s)]
    if weak and ranking.control and ranking.beats_control(best):
        told = f"A gain over the base, but none over the control arm {_title(ranking.control)}, is shown for"
        sentences.append(f"{told} {_listed(weak, 'and')}.")
    return sentences


def _with_gain(ranking: Ranking, standing: Standing) -> str:
    gain = ranking.gain(standing)
    return f"{_title(standing)} ({points(gain.claim)})" if gain else _title(standing)


def _against_controls(findings: Findings, ranking: Ranking, best: Standing) -> list[str]:
    control = ranking.control
    if not control:
        return [_no_control(findings, ranking)]
    found = ranking.contest(best, control)
    text = f"{_title(best)} against the best control arm, {_title(control)}: {_points(found)}"
    if not ranking.beats_control(best):
        p = f", p = {found.adjusted_p:.2f} after correction for all pairs"
        return [f"{text}{p}; not shown to be better than training without information."]
    return [f"{text}."]


def _no_control(findings: Findings, ranking: Ranking) -> str:
    idle = [_title(s) for s in ranking.idle if arm_of(s).control]
    if idle:
        arms = f"control arm{'s' * (len(idle) > 1)} {_listed(idle, 'and')}"
        return f"The {arms} trained nothing, so it is not known what training without information would give."
    if any(arm.control for arm in findings.run.arms):
        return "No control arm has reached this iteration yet."
    return "No control arm was run, so training on unchecked samples may do as well."


def _idle(ranking: Ranking) -> list[str]:
    names = [_title(s) for s in ranking.idle]
    return [f"Nothing was accepted by {_listed(names, 'and')}: no policy was trained."] if names else []


def _overstated(candidates: Sequence[Standing]) -> list[str]:
    worse = [s for s in candidates if s.gap and not arm_of(s).gold and s.gap.low > 0]
    told = [f"{_title(s)} by {points(s.gap)}" for s in worse if s.gap]
    return [f"The training reward overstates accuracy for {_listed(told, 'and')}."] if told else []


def _undecided(findings: Findings, best: Standing) -> list[str]:
    base = findings.base
    if not base or not base.accuracy.n or min(base.coverage, best.coverage) >= FULL_COVERAGE:
        return []
    as_wrong = best.bounds[0] - base.bounds[0]
    return [
        f"The gold decided {100 * base.coverage:.1f} % of the base's samples and {100 * best.coverage:.1f} % of those "
        f"of {_title(best)}; with undecided counted as wrong in both, the gain is {signed(as_wrong)} points."
    ]


def attacks_accepted(verifiers: Sequence[Tried], problems: int) -> list[str]:
    """One sentence on the verifiers that accept attacks of the probe, which was made up for so many problems."""
    if not verifiers:
        return []
    named = [f"{v.verifier} accepts {len(v.through)} of {len(v.asked)}{_forms(v.through)}" for v in verifiers]
    return [
        f"Of the attack patterns, none of which is a right answer, {_listed(named, 'and')}, on at least one of "
        f"{problems} problems."
    ]


def _forms(forms: Sequence[str]) -> str:
    return f" ({', '.join(forms)})" if len(forms) <= FEW_FORMS else ""
