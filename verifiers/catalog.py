"""Names to verifiers: built in, installed plug-ins, and `package.module:factory`.

Takes a name and its options; gives a verifier. Holds no state: plug-ins are found through the entry-point group
`restem.verifiers`, not by importing everything. What a verifier needs is imported when it is built, so asking for the
names, or for a control, loads neither SymPy nor a client for language models.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from verifiers.controls import AcceptAll, Random
from verifiers.sympy_exact import Exact, Sympy
from verifiers.verdict import UnknownVerifier, Verifier

if TYPE_CHECKING:
    from verifiers.chat import CallStore

GROUP = "restem.verifiers"
JUDGES = ("judge", "judge_blind")
_FACTORIES: Mapping[str, Callable[..., Verifier]] = MappingProxyType(
    {"sympy": Sympy, "exact": Exact, "accept_all": AcceptAll, "random": Random}
)
_NO_OPTIONS: Mapping[str, Any] = MappingProxyType({})


def names() -> list[str]:
    """Every name that `build` knows without a module path: the built-in ones, then the plug-ins."""
    built_in = [*_FACTORIES, *JUDGES]
    return built_in + sorted(set(_plug_ins()) - set(built_in))


def build(name: str, options: Mapping[str, Any] = _NO_OPTIONS, *, calls: CallStore | None = None) -> Verifier:
    """The verifier of that name.

    Args:
        name: A built-in name, a plug-in's name, or `package.module:factory`.
        options: What the verifier's factory takes by keyword.
        calls: Where judges keep and find their stored calls.

    Raises:
        UnknownVerifier: The name or an option is not known, or what stands behind it is not a verifier.
    """
    if name in JUDGES:
        return _judge(name, options, calls)
    factory = _FACTORIES.get(name)
    if factory is None:
        plug_in = _plug_ins().get(name)
        factory = _loaded(name, plug_in) if plug_in else _from_path(name) if ":" in name else None
    if factory is None:
        raise UnknownVerifier(
            f"unknown verifier {name!r}{_did_you_mean(name, names())}: known are {', '.join(names())}"
        )
    _check_options(name, factory, options)
    return _checked(name, factory(**options))


def _judge(name: str, options: Mapping[str, Any], calls: CallStore | None) -> Verifier:
    from verifiers.judge import Judge  # late: it loads a client for language models, which no other verifier needs

    _check_options(name, Judge, options, taken=("name", "calls"))
    return Judge(name=name, calls=calls, **options)


def _plug_ins() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def _loaded(name: str, point: EntryPoint) -> Callable[..., Any]:
    try:
        return point.load()
    except (ImportError, AttributeError) as problem:
        raise UnknownVerifier(f"verifier {name!r}: plug-in {point.value!r} does not load: {problem}") from problem


def _from_path(name: str) -> Callable[..., Any]:
    module_name, _, attribute = name.partition(":")
    if not attribute.isidentifier() or not all(part.isidentifier() for part in module_name.split(".")):
        raise UnknownVerifier(f"unknown verifier {name!r}: expected package.module:factory")
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
    missing = [part for part in ("name", "fingerprint", "verify") if not hasattr(found, part)]
    if missing:
        raise UnknownVerifier(f"verifier {name!r}: {type(found).__name__} is no verifier, it has no {missing[0]!r}")
    return found


def _did_you_mean(word: str, known: list[str]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
