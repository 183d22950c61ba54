"""Names to verifiers: built in, installed plug-ins, `package.module:factory`, and foreign rewards such as `trl:FILE:F`.

Takes a name and the tables of options of a suite or command; gives a verifier. It has no state. A verifier's module is
imported when the verifier is built, so that a list of the names, or a control, loads neither SymPy nor a client for
language models.

A table may name its verifier's `type`, so that a suite can have several verifiers of one type:

    [verifiers.strict_noise]
    type = "noisy"
    base = "sympy"          # a composed verifier names its parts; each is built from the table of its name
    tpr = 0.9
    fpr = 0.1
"""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import inspect
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeAlias

from restem.benchmarks.hints import did_you_mean
from restem.benchmarks.problem import Problem
from restem.verifiers import foreign
from restem.verifiers.chat.transport import CallStore, Progress
from restem.verifiers.foreign_rewards.names import is_address, is_reward, parse
from restem.verifiers.options import (
    OPTIONS,
    PLACED,
    JudgeOptions,
    NoisyOptions,
    Options,
    RewardOptions,
    ServerOptions,
    read_options,
)
from restem.verifiers.order_check import OrderChecked
from restem.verifiers.verdict import (
    CONTROLS,
    Attempt,
    UnknownVerifier,
    Verdict,
    Verifier,
    needs_whole_problems,
    unreadable_references,
)

Tables: TypeAlias = Mapping[str, Mapping[str, Any]]
Built: TypeAlias = dict[str, Verifier]
"""Name -> the verifier built for it, so that no verifier is built twice from the same tables."""

JUDGES = ("judge", "judge_blind")
# name -> the package, and the extra, that it needs
EXTRAS = MappingProxyType({"math_verify": "math_verify", "reasoning_gym": "reasoning_gym"})
_FACTORIES: Mapping[str, str] = MappingProxyType(
    {
        "sympy": "restem.verifiers.exact.sympy_exact:Sympy",
        "exact": "restem.verifiers.exact.sympy_exact:Exact",
        "reasoning_gym": "restem.verifiers.exact.reasoning_gym:ReasoningGym",
        "substitution": "restem.verifiers.exact.substitution:Substitution",
        "judge": "restem.verifiers.judge.judge:Judge",
        "judge_blind": "restem.verifiers.judge.judge:Judge",
        "accept_all": "restem.verifiers.composed.controls:AcceptAll",
        "reject_all": "restem.verifiers.composed.controls:RejectAll",
        "random": "restem.verifiers.composed.controls:Random",
        "inverted": "restem.verifiers.composed.noise:Inverted",
        "format_only": "restem.verifiers.composed.controls:FormatOnly",
        "majority": "restem.verifiers.composed.controls:Majority",
        "noisy": "restem.verifiers.composed.noise:Noisy",
        "all_of": "restem.verifiers.composed.combinations:AllOf",
        "any_of": "restem.verifiers.composed.combinations:AnyOf",
        "vote": "restem.verifiers.composed.combinations:Vote",
        "cascade": "restem.verifiers.composed.combinations:Cascade",
        "math_verify": "restem.verifiers.exact.math_verify:MathVerify",
        "unit_tests": "restem.verifiers.code.unit_tests:UnitTestsVerifier",
    }
)
_NO_TABLES: Tables = MappingProxyType({})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Alias:
    """A verifier under the name that its table gives it; the fingerprint stays, because the verdicts are the same."""

    name: str
    verifier: Verifier

    @property
    def fingerprint(self) -> str:
        return self.verifier.fingerprint

    @property
    def whole_problem(self) -> bool:
        return needs_whole_problems(self.verifier)

    def verify(self, attempts: Sequence[Attempt]) -> list[Verdict]:
        """One verdict per attempt, in order."""
        return self.verifier.verify(attempts)

    def unreadable_references(self, problems: Sequence[Problem]) -> list[tuple[Problem, str]]:
        """The problems whose references the verifier cannot read, each with the reason."""
        return unreadable_references(self.verifier, problems)

    @property
    def note(self) -> str | None:
        """How the verifier is called, where that was recognised and not given."""
        return getattr(self.verifier, "note", None)

    def check_problems(self, problems: Sequence[Problem]) -> None:
        """Raises UnknownVerifier where the verifier needs something that none of the problems has."""
        if check := getattr(self.verifier, "check_problems", None):
            check(problems)


# -- Names and options -------------------------------------------------------------------------------------------------


def names() -> list[str]:
    """Every name that `build` accepts without a module path: the built-in ones, then the plug-ins."""
    usable = [name for name in _FACTORIES if name not in EXTRAS or importlib.util.find_spec(EXTRAS[name])]
    return usable + sorted(set(foreign.plug_ins()) - set(_FACTORIES))


def options_of(name: str) -> type[Options]:
    """The model of the options of a built-in verifier, or of a foreign reward."""
    if is_reward(name):
        return PLACED["server" if is_address(name) else "reward"]
    return OPTIONS.get(name, Options)


def kind(name: str, tables: Tables = _NO_TABLES) -> str:
    """The type of the verifier of that name: its table's `type`, or the name itself.

    Raises:
        UnknownVerifier: `type` is not a text, or gives a built-in name another type.
    """
    type_ = tables.get(name, {}).get("type", name)
    if name in _FACTORIES and type_ != name:
        problem = f"is built in and cannot be of type {type_!r:.80}: give the table a name of its own"
        raise UnknownVerifier(f"verifier {name!r} {problem}")
    if not isinstance(type_, str):
        raise UnknownVerifier(f"verifier {name!r}: option 'type': found {type_!r}, expected the name of a verifier")
    return type_


def parts(name: str, tables: Tables = _NO_TABLES) -> tuple[str, ...]:
    """The names of the direct parts of a composed verifier; empty for other verifiers.

    Raises:
        UnknownVerifier: An option is not known or not what it has to be.
    """
    model = options_of(kind(name, tables))
    if not {"base", "members"} & model.model_fields.keys():
        return ()
    values = read_options(model, name, _given(name, tables)).model_dump()
    return values.get("members") or (values["base"],)


def with_parts(wanted: Sequence[str], tables: Tables = _NO_TABLES) -> list[str]:
    """The names and those of all their parts, each once, in preorder.

    Raises:
        UnknownVerifier: A verifier is part of itself.
    """
    reached: dict[str, None] = {}

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            raise UnknownVerifier(f"verifier {name!r} is part of itself: {' -> '.join([*path, name])}")
        reached[name] = None
        for part in parts(name, tables):
            visit(part, (*path, name))

    for name in wanted:
        visit(name, ())
    return list(reached)


def judges(wanted: Sequence[str], tables: Tables = _NO_TABLES) -> list[str]:
    """The judges among the verifiers and all their parts."""
    return [name for name in with_parts(wanted, tables) if kind(name, tables) in JUDGES]


def looks_at_whole_problems(name: str, tables: Tables, built: Built) -> bool:
    """Whether a verdict of the verifier depends on the other samples of the problem.

    Args:
        name: The verifier.
        tables: Options of all verifiers.
        built: The foreign verifiers (`check`).
    """
    names = with_parts([name], tables)
    foreign = (built[part] for part in names if part in built)
    return any(_compares_samples(part, tables) for part in names) or needs_whole_problems(*foreign)


def _compares_samples(name: str, tables: Tables) -> bool:
    """By a vote, or with errors that are drawn anew for every set of samples."""
    drawn_anew = tables.get(name, {}).get("tied_to") == "draw"
    return kind(name, tables) == "majority" or (kind(name, tables) == "noisy" and drawn_anew)


def is_foreign(type_: str) -> bool:
    """Whether verifiers of that type are made by a plug-in or a factory that a module path names."""
    return type_ not in _FACTORIES and not is_reward(type_)


def foreign_parts(wanted: Sequence[str], tables: Tables = _NO_TABLES) -> list[str]:
    """The foreign verifiers, plug-ins and module paths, among the verifiers and all their parts."""
    return [name for name in with_parts(wanted, tables) if kind(name, tables) not in _FACTORIES]


def importing(wanted: Sequence[str], tables: Tables = _NO_TABLES) -> list[str]:
    """The verifiers that execute a module which is no part of an installed plug-in, among these and all their parts.

    They are reward functions and factories that are named by their modules. Nothing is imported to find them.
    """
    kinds = {name: kind(name, tables) for name in with_parts(wanted, tables)}
    return [name for name, type_ in kinds.items() if _imports(type_)]


def _imports(type_: str) -> bool:
    if is_reward(type_):
        return not is_address(type_)
    # A name that nothing is known by is not imported: it is reported as unknown.
    return type_ not in _FACTORIES and (":" in type_ or type_ in foreign.plug_ins()) and not foreign.is_installed(type_)


def executing(wanted: Sequence[str], tables: Tables = _NO_TABLES) -> list[str]:
    """The verifiers that execute programs from responses, among the verifiers and all their parts."""
    return [name for name in with_parts(wanted, tables) if kind(name, tables) == "unit_tests"]


def works_by_rule(name: str, tables: Tables = _NO_TABLES) -> bool:
    """Whether the verifier and all its parts are built in, ask no judge and execute no programs."""
    others = (judges, foreign_parts, executing)
    return not any(kind_of([name], tables) for kind_of in others)


def judge_options(name: str, tables: Tables = _NO_TABLES) -> JudgeOptions:
    """The options of a judge.

    Raises:
        UnknownVerifier: An option is not known or not what it has to be.
    """
    return read_options(JudgeOptions, name, _given(name, tables))


def uninformative(name: str, tables: Tables = _NO_TABLES) -> bool:
    """Whether the verifier carries no information: a control, or noise that accepts right and wrong alike."""
    type_ = kind(name, tables)
    if type_ == "noisy":
        options = read_options(NoisyOptions, name, _given(name, tables))
        return options.tpr == options.fpr
    return type_ in CONTROLS


def takes(name: str, option: str, tables: Tables = _NO_TABLES) -> bool:
    """Whether the verifier of that name has an option of that name.

    Raises:
        UnknownVerifier: The name is not known.
    """
    type_ = kind(name, tables)
    if type_ in _FACTORIES or is_reward(type_):
        return option in options_of(type_).model_fields
    try:
        return option in inspect.signature(_foreign_factory(type_)).parameters
    except (TypeError, ValueError):  # a callable without a signature
        return False


def check_name(name: str, tables: Tables = _NO_TABLES) -> None:
    """Checks that the name leads to a verifier; its options are not read.

    Raises:
        UnknownVerifier: It does not.
    """
    type_ = kind(name, tables)
    if is_reward(type_):
        if not is_address(type_):
            parse(type_)
    elif type_ not in _FACTORIES:
        _foreign_factory(type_)


def check(wanted: Sequence[str], tables: Tables = _NO_TABLES, *, build_foreign: bool = True) -> Built:
    """Checks every name and option before any work; gives the foreign verifiers, which have to be built for the check.

    No judge is built: its key or its server may not be known yet.

    Args:
        wanted: Names of verifiers.
        tables: Name -> options.
        build_foreign: Whether foreign verifiers are built; otherwise their options are compared with the signatures of
            their factories, and nothing is given.

    Raises:
        UnknownVerifier: The name or an option is not known, or a factory gives no verifier.
    """
    built: Built = {}
    for name in with_parts(wanted, tables):
        type_ = kind(name, tables)
        if type_ not in _FACTORIES:
            if build_foreign:
                build(name, tables, built=built)
            elif is_reward(type_):
                read_options(options_of(type_), name, _given(name, tables))
            else:
                foreign.check_options(name, _foreign_factory(type_), _given(name, tables))
            continue
        options = read_options(options_of(type_), name, _given(name, tables))
        _factory(type_)
        if isinstance(options, JudgeOptions):
            from restem.verifiers.judge.prompt import prompt  # imports the judge's modules too

            prompt(options.prompt, blind=type_ == "judge_blind")
    return built


# -- Building ----------------------------------------------------------------------------------------------------------


def build(
    name: str,
    tables: Tables = _NO_TABLES,
    *,
    calls: CallStore | None = None,
    progress: Progress | None = None,
    built: Built | None = None,
) -> Verifier:
    """The verifier of that name.

    Args:
        name: A built-in name, a plug-in's name, `package.module:factory`, or a table's name that has a `type`.
        tables: Name -> options: the keyword arguments of the verifier's factory, and `type`.
        calls: Where judges store their calls and look them up.
        progress: Called by judges with (answered, to be sent) while requests are sent.
        built: Verifiers that were built from the same tables before; those built now are added, with their parts.

    Raises:
        UnknownVerifier: The name or an option is not known, or the factory gives no verifier.
    """
    with_parts([name], tables)  # raises where a verifier is part of itself
    return _build(name, tables, {} if built is None else built, {"calls": calls, "progress": progress})


def _build(name: str, tables: Tables, built: Built, for_judges: Mapping[str, Any]) -> Verifier:
    if name not in built:
        type_ = kind(name, tables)
        if type_ in _FACTORIES:
            verifier = _build_built_in(name, type_, tables, built, for_judges)
            built[name] = verifier if type_ == name else Alias(name=name, verifier=verifier)
        elif is_reward(type_):
            built[name] = Alias(name=name, verifier=_reward(name, type_, _given(name, tables)))
        else:
            verifier = foreign.make(name, _foreign_factory(type_), _given(name, tables))
            built[name] = OrderChecked(Alias(name=name, verifier=verifier))
    return built[name]


def _reward(name: str, type_: str, table: Mapping[str, Any]) -> Verifier:
    """A foreign reward function, or a server of rewards."""
    if is_address(type_):
        from restem.verifiers.foreign_rewards.server import RewardServer

        return RewardServer(type_, read_options(ServerOptions, name, table))
    from restem.verifiers.foreign_rewards.function import RewardFunction

    return RewardFunction(type_, read_options(RewardOptions, name, table))


def _build_built_in(name: str, type_: str, tables: Tables, built: Built, for_judges: Mapping[str, Any]) -> Verifier:
    """A built-in verifier. Its factory takes the options as one model, where it has options besides its parts."""
    factory = _factory(type_)
    model = options_of(type_)
    options = read_options(model, name, _given(name, tables))
    members = [_build(part, tables, built, for_judges) for part in parts(name, tables)]
    keywords: dict[str, Any] = {"name": type_, **for_judges} if type_ in JUDGES else {}
    if "members" in model.model_fields:
        keywords["members"] = members
    elif "base" in model.model_fields:
        keywords["base"] = members[0]
    return factory(options, **keywords) if model.model_fields.keys() - {"base", "members"} else factory(**keywords)


def _given(name: str, tables: Tables) -> dict[str, Any]:
    """A verifier's table without `type`."""
    return {option: value for option, value in tables.get(name, {}).items() if option != "type"}


def _factory(name: str) -> Callable[..., Any]:
    """The class of a built-in verifier."""
    extra = EXTRAS.get(name)
    if extra is not None and importlib.util.find_spec(extra) is None:
        raise UnknownVerifier(f"verifier {name!r} needs an extra: pip install 'restem-harness[{extra}]'")
    module, _, attribute = _FACTORIES[name].partition(":")
    return getattr(importlib.import_module(module), attribute)


def _foreign_factory(name: str) -> Callable[..., Any]:
    """The factory of a plug-in, or of a verifier that is named by its module."""
    if factory := foreign.factory(name):
        return factory
    raise UnknownVerifier(f"unknown verifier {name!r}{did_you_mean(name, names())}: known are {', '.join(names())}")
