"""Verifiers of other packages: installed plug-ins, and `package.module:factory`.

Takes names and options; gives the verifier that a foreign factory makes. Plug-ins are looked up in the entry-point
group `restem.verifiers`, so only those that are named are imported. A factory takes its options by keyword, and its
signature lists them. Any exception of foreign code becomes one error that names the verifier.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from restem.benchmarks.hints import did_you_mean
from restem.verifiers.options import unknown_option
from restem.verifiers.order_check import blamed
from restem.verifiers.verdict import UnknownVerifier, Verifier

GROUP = "restem.verifiers"


def plug_ins() -> dict[str, EntryPoint]:
    """Name -> entry point of every installed plug-in."""
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
        public = [variable for variable in vars(module) if not variable.startswith("_")]
        hint = did_you_mean(attribute, public)
        raise UnknownVerifier(f"verifier {name!r}: {module_name!r} has no factory {attribute!r}{hint}")
    return factory


def factory(name: str) -> Callable[..., Any] | None:
    """The factory of the verifier of that name; None where it is neither a plug-in's name nor a module path.

    Raises:
        UnknownVerifier: The module does not load, or has no such factory.
    """
    if plug_in := plug_ins().get(name):
        return _loaded(name, plug_in)
    return _from_path(name) if ":" in name else None


def make(name: str, factory: Callable[..., Any], options: Mapping[str, Any]) -> Verifier:
    """The factory's verifier.

    Raises:
        ContractBreach: The factory raised.
        UnknownVerifier: The factory does not take the options, or gives no verifier.
    """
    check_options(name, factory, options)
    with blamed(name, "making it"):
        return _checked(name, factory(**options))


def check_options(name: str, factory: Callable[..., Any], options: Mapping[str, Any]) -> None:
    """Compares options with the factory's signature, without calling it.

    Raises:
        UnknownVerifier: The factory does not take an option, or a required one is missing.
    """
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):
        return  # a callable without a signature: only the call shows whether the options fit
    keywords = [p for p in parameters if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)]
    known = [p.name for p in keywords]
    if not any(p.kind is p.VAR_KEYWORD for p in parameters):
        for option in options:
            if option not in known:
                raise UnknownVerifier(f"verifier {name!r}: {unknown_option(option, known)}")
    for parameter in keywords:
        if parameter.default is parameter.empty and parameter.name not in options:
            raise UnknownVerifier(f"verifier {name!r}: option {parameter.name!r} is missing")


def _checked(name: str, verifier: Any) -> Verifier:
    for part in ("name", "fingerprint", "verify"):
        if not hasattr(verifier, part):
            raise UnknownVerifier(f"verifier {name!r}: {type(verifier).__name__} is no verifier, it has no {part!r}")
    for part in ("name", "fingerprint"):
        if not isinstance(value := getattr(verifier, part), str) or not value:
            raise UnknownVerifier(f"verifier {name!r}: its {part} is {value!r:.40}, expected a text")
    return verifier
