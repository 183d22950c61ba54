"""Names to verifiers: built in, installed plug-ins, and `package.module:factory`.

Takes a name and the tables of options that a suite or command holds; gives a verifier. Holds no state: plug-ins are
found through the entry-point group `restem.verifiers`, not by importing everything. What a verifier needs is imported
when it is built, so asking for the names, or for a control, loads neither SymPy nor a client for language models.

A table may name its verifier's `type`, so that one kind can stand in a suite several times:

    [verifiers.strict_noise]
    type = "noisy"
    base = "sympy"          # a verifier made of others names them; each is built from its own table
    tpr = 0.9
    fpr = 0.1
"""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import importlib.util
import inspect
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from restem.verifiers.order_check import OrderChecked, blamed
from restem.verifiers.verdict import Attempt, UnknownVerifier, Verdict, Verifier, needs_whole_problems

if TYPE_CHECKING:
    from restem.verifiers.chat.client import CallStore, Progress

Tables: TypeAlias = Mapping[str, Mapping[str, Any]]

GROUP = "restem.verifiers"
JUDGES = ("judge", "judge_blind")
CONTROLS = ("accept_all", "reject_all", "random")
EXTRAS = MappingProxyType({"math_verify": "math_verify"})  # name -> the package, and the extra, that it needs
_FACTORIES: Mapping[str, str] = MappingProxyType(
    {
        "sympy": "restem.verifiers.exact.sympy_exact:Sympy",
        "exact": "restem.verifiers.exact.sympy_exact:Exact",
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
    }
)
# Verifiers made of others: the option that names them, and what it names where the table does not say.
_PARTS: Mapping[str, tuple[str, str | tuple[str, ...]]] = MappingProxyType(
    {
        "inverted": ("base", "sympy"),
        "noisy": ("base", "sympy"),
        "all_of": ("members", ("sympy", "substitution")),
        "any_of": ("members", ("sympy", "substitution")),
        "vote": ("members", ("sympy", "exact", "substitution")),
        "cascade": ("members", ("sympy", "judge")),
    }
)
_NO_TABLES: Tables = MappingProxyType({})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Alias:
    """A verifier under the name that its table gives it; the fingerprint stays, for it says the same."""

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


def names() -> list[str]:
    """Every name that `build` knows without a module path: the built-in ones, then the plug-ins."""
    built_in = [name for name in _FACTORIES if name not in EXTRAS or importlib.util.find_spec(EXTRAS[name])]
    return built_in + sorted(set(_plug_ins()) - set(_FACTORIES))


def kind(name: str, tables: Tables = _NO_TABLES) -> str:
    """What the verifier of that name is: its table's `type`, or its own name.

    Raises:
        UnknownVerifier: `type` is not a text, or makes a built-in name stand for something else.
    """
    found = tables.get(name, {}).get("type", name)
    if name in _FACTORIES and found != name:
        told = f"verifier {name!r} is built in and cannot be of type {found!r:.80}: give the table a name of its own"
        raise UnknownVerifier(told)
    if not isinstance(found, str):
        raise UnknownVerifier(f"verifier {name!r}: option 'type' is {found!r}, expected the name of a verifier")
    return found


def parts(name: str, tables: Tables = _NO_TABLES) -> tuple[str, ...]:
    """The names of the verifiers that a verifier is directly made of; empty for most.

    Raises:
        UnknownVerifier: The option that names them holds something else.
    """
    option, default = _PARTS.get(kind(name, tables), ("", ()))
    found = tables.get(name, {}).get(option, default)
    if isinstance(default, str):
        if not isinstance(found, str):
            raise UnknownVerifier(f"verifier {name!r}: option {option!r} is {found!r}, expected a verifier's name")
        return (found,)
    if not isinstance(found, list | tuple) or not all(isinstance(part, str) for part in found):
        raise UnknownVerifier(f"verifier {name!r}: option {option!r} is {found!r}, expected a list of verifiers' names")
    return tuple(found)


def with_parts(wanted: Sequence[str], tables: Tables = _NO_TABLES) -> list[str]:
    """The names and all that they are made of, each once, a part after what it is part of.

    Raises:
        UnknownVerifier: A verifier is part of itself.
    """
    found: dict[str, None] = {}

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            raise UnknownVerifier(f"verifier {name!r} is part of itself: {' -> '.join([*path, name])}")
        found[name] = None
        for part in parts(name, tables):
            visit(part, (*path, name))

    for name in wanted:
        visit(name, ())
    return list(found)


def uninformative(name: str, tables: Tables = _NO_TABLES) -> bool:
    """Whether the verifier carries no information: a control, or noise that accepts right and wrong alike."""
    options, type_ = tables.get(name, {}), kind(name, tables)
    alike = type_ == "noisy" and "tpr" in options and options["tpr"] == options.get("fpr")
    return type_ in CONTROLS or alike


def takes(name: str, option: str, tables: Tables = _NO_TABLES) -> bool:
    """Whether the verifier of that name has an option of that name.

    Raises:
        UnknownVerifier: The name is not known.
    """
    try:
        return option in inspect.signature(_factory(kind(name, tables))).parameters
    except (TypeError, ValueError):  # a callable without a signature
        return False


def build(
    name: str, tables: Tables = _NO_TABLES, *, calls: CallStore | None = None, progress: Progress | None = None
) -> Verifier:
    """The verifier of that name.

    Args:
        name: A built-in name, a plug-in's name, `package.module:factory`, or a table's name that has a `type`.
        tables: Name -> options: what the verifier's factory takes by keyword, and `type`.
        calls: Where judges keep and find their stored calls.
        progress: What judges call with (answered, to be asked) while a batch is asked.

    Raises:
        UnknownVerifier: The name or an option is not known, or what stands behind it is not a verifier.
    """
    with_parts([name], tables)
    return _build(name, tables, {"calls": calls, "progress": progress})


def _build(name: str, tables: Tables, for_judges: Mapping[str, Any]) -> Verifier:
    type_ = kind(name, tables)
    factory = _factory(type_)
    options = {option: value for option, value in tables.get(name, {}).items() if option != "type"}
    given: dict[str, Any] = {}
    if type_ in JUDGES:
        given = {"name": type_, **for_judges}
    elif type_ in _PARTS:
        built = [_build(part, tables, for_judges) for part in parts(name, tables)]
        option, default = _PARTS[type_]
        options[option] = built[0] if isinstance(default, str) else built
    _check_options(name, factory, options, tuple(given))
    if type_ not in _FACTORIES:
        with blamed(name, "making it"):
            found = _checked(name, factory(**options))
        return OrderChecked(Alias(name=name, verifier=found))  # named as it was asked for, whatever it calls itself
    found = _checked(name, factory(**options, **given))
    return found if type_ == name else Alias(name=name, verifier=found)


def _factory(name: str) -> Callable[..., Any]:
    extra = EXTRAS.get(name)
    if extra is not None and importlib.util.find_spec(extra) is None:
        raise UnknownVerifier(f"verifier {name!r} needs an extra: pip install 'restem-harness[{extra}]'")
    if name in _FACTORIES:
        return _from_path(_FACTORIES[name])
    if plug_in := _plug_ins().get(name):
        return _loaded(name, plug_in)
    if ":" in name:
        return _from_path(name)
    raise UnknownVerifier(f"unknown verifier {name!r}{_did_you_mean(name, names())}: known are {', '.join(names())}")


def _plug_ins() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def _loaded(name: str, point: EntryPoint) -> Callable[..., Any]:
    with blamed(name, "loading it"):
        try:
            return point.load()
        except (ImportError, AttributeError) as problem:
            raise UnknownVerifier(f"verifier {name!r}: plug-in {point.value!r} does not load: {problem}") from problem


def _from_path(name: str) -> Callable[..., Any]:
    module_name, _, attribute = name.partition(":")
    if not attribute.isidentifier() or not all(part.isidentifier() for part in module_name.split(".")):
        raise UnknownVerifier(f"unknown verifier {name!r}: expected package.module:factory")
    with blamed(name, "loading it"):
        try:
            module = importlib.import_module(module_name)
        except ImportError as problem:
            raise UnknownVerifier(f"verifier {name!r}: module {module_name!r} does not load: {problem}") from problem
    factory = getattr(module, attribute, None)
    if not callable(factory):
        public = [known for known in vars(module) if not known.startswith("_")]
        hint = _did_you_mean(attribute, public)
        raise UnknownVerifier(f"verifier {name!r}: {module_name!r} has no factory {attribute!r}{hint}")
    return factory


def _check_options(
    name: str, factory: Callable[..., Any], options: Mapping[str, Any], taken: tuple[str, ...] = ()
) -> None:
    """Stops at an option that the factory does not take, or a required one that is missing."""
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):
        return  # a callable without a signature: the call itself has to tell
    named = [p for p in parameters if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD) and p.name not in taken]
    known = [p.name for p in named]
    if not any(p.kind is p.VAR_KEYWORD for p in parameters):
        for option in options:
            if option not in known:
                listed = f"known are {', '.join(known)}" if known else "it takes none"
                hint = _did_you_mean(option, known)
                raise UnknownVerifier(f"verifier {name!r}: unknown option {option!r}{hint}: {listed}")
    for parameter in named:
        if parameter.default is parameter.empty and parameter.name not in options:
            raise UnknownVerifier(f"verifier {name!r}: option {parameter.name!r} is missing")


def _checked(name: str, found: Any) -> Verifier:
    for part in ("name", "fingerprint", "verify"):
        if not hasattr(found, part):
            raise UnknownVerifier(f"verifier {name!r}: {type(found).__name__} is no verifier, it has no {part!r}")
    for part in ("name", "fingerprint"):
        if not isinstance(value := getattr(found, part), str) or not value:
            raise UnknownVerifier(f"verifier {name!r}: its {part} is {value!r:.40}, expected a text")
    return found


def _did_you_mean(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
