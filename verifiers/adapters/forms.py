"""The frameworks by name, and the one function that makes a reward function of a verifier.

Takes a verifier and the name of a framework; gives what that framework is given. It has no state.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from restem.benchmarks.hints import did_you_mean
from restem.verifiers.adapters import evaluators, trainers
from restem.verifiers.adapters.items import Columns
from restem.verifiers.adapters.projection import Undecided, Value
from restem.verifiers.adapters.reward import NO_TABLES, RewardFunction
from restem.verifiers.adapters.scoring import Tables
from restem.verifiers.verdict import UnknownVerifier, Verifier

FORMS: Mapping[str, type[RewardFunction]] = MappingProxyType(
    {
        "trl": trainers.Trl,
        "verl": trainers.Verl,
        "verl_batch": trainers.VerlBatch,
        "openrlhf": trainers.OpenRlhf,
        "tunix": trainers.Tunix,
        "maxtext": trainers.Tunix,
        "areal": trainers.Areal,
        "slime": trainers.Slime,
        "remote": trainers.Remote,
        "verifiers": trainers.Verifiers,
        "rubric": trainers.Rubric,
        "rubric_group": trainers.RubricGroup,
        "nemo_gym": trainers.NemoGym,
        "inspect": evaluators.Inspect,
        "lm_eval": evaluators.LmEval,
        "lm_eval_filter": evaluators.LmEvalFilter,
        "lighteval": evaluators.Lighteval,
    }
)


def reward_function(
    verifier: str | Verifier,
    form: str,
    *,
    undecided: Undecided | None = None,
    value: Value = "outcome",
    question: str | None = None,
    reference: str | None = None,
    data: str | None = None,
    tables: Tables = NO_TABLES,
) -> Any:
    """A verifier as that framework's reward function: a callable, or the framework's own object for `inspect` and
    `lighteval`.

    The callable can be pickled, and may be called from several threads and event loops at once. A verifier that is
    given by name is built here, so that a mistake is reported at once, and again in every process that the callable is
    sent to.

    Args:
        verifier: A name that `restem.verifiers.build` knows, or a verifier.
        form: The framework, one of `FORMS`.
        undecided: What a verdict becomes that is neither correct nor wrong: `none`, `zero`, or `raise`. The default is
            `none` where the framework can leave a response out, and otherwise `zero`; docs/doors.md has the table.
        value: `outcome`: 1.0 or 0.0. `score`: the verifier's score.
        question: The column with the question, where the prompt is not it; dots lead into objects.
        reference: The column with the accepted answer or answers; by default the framework's own argument, or the one
            column with a usual name (`answer`, `ground_truth`, `solution`, ...).
        data: The column with what the problem's own verifier needs, such as unit tests.
        tables: Name -> options of the verifier and of its parts, as `build` takes them.

    Raises:
        UnknownVerifier: The form, the verifier or an option is not known, `undecided` is not possible there, or the
            verifier needs whole groups and the framework asks for single responses.
    """
    if form not in FORMS:
        raise UnknownVerifier(f"unknown form {form!r}{did_you_mean(form, FORMS)}: known are {', '.join(FORMS)}")
    columns = Columns(question=question, reference=reference, data=data)
    function = FORMS[form](verifier, tables=tables, undecided=undecided, value=value, columns=columns)
    if isinstance(function, evaluators.Inspect):
        return function.scorer()
    return function.metric() if isinstance(function, evaluators.Lighteval) else function
