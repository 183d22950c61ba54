"""Verifiers of other packages: installed plug-ins, and `package.module:factory`.

Takes names and options; gives the verifier that a foreign factory makes. Plug-ins are looked up in the entry-point
group `restem.verifiers`, so only those that are named are imported. A factory takes its options by keyword, and its
signature lists them. Any exception of foreign code becomes one error that names the verifier.

To import a module is to execute it, and a name may come from a file of somebody else, so `is_installed` tells a
command which names need its user's permission. A factory is called only if it says beforehand that it gives a verifier:
it is registered as a plug-in, is a class with `verify`, or is annotated `-> Verifier`. `subprocess:run` is neither.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

from restem.benchmarks.hints import did_you_mean
from restem.verifiers.options import unknown_option
from restem.verifiers.order_check import blamed
from restem.verifiers.verdict import UnknownVerifier, Verifier, storable

GROUP = "restem.verifiers"


def plug_ins() -> dict[str, EntryPoint]:
    """Name -> entry point of every plug-in; of two with one name, the installed one."""
    return {point.name: point for point in sorted(entry_points(group=GROUP), key=_is_installed)}


def is_installed(name: str) -> bool:
    """Whether an installed distribution registers the verifier in the group, under this name or as this factory."""
    return any(_is_installed(point) for point in entry_points(group=GROUP) if name in (point.name, point.value))


def _is_installed(point: EntryPoint) -> bool:
    """Whether its distribution lies elsewhere than in the working folder, which may be a copy of somebody else's."""
    return point.dist is not None and Path(str(point.dist.locate_file(""))).resolve() != Path.cwd()


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
    if module_name.partition(".")[0] in sys.stdlib_module_names:
        raise UnknownVerifier(
            f"verifier {name!r}: {module_name!r} is of Python's standard library, which has no verifiers"
        )
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
    if not is_installed(name) and not _gives_verifiers(factory):
        raise UnknownVerifier(
            f"verifier {name!r}: {attribute} does not say that it gives a verifier, so it is not called: name a class "
            "with `verify(attempts)`, or write `-> Verifier` behind the arguments of the function"
        )
    return factory


def _gives_verifiers(factory: Any) -> bool:
    """Whether a factory says, without being called, that it gives a verifier."""
    while isinstance(factory, functools.partial):
        factory = factory.func
    if isinstance(factory, type):
        return _verifies(factory)
    try:
        annotation = inspect.signature(factory).return_annotation
    except (TypeError, ValueError):  # a callable without a signature
        return False
    if isinstance(annotation, str):  # not evaluated: looked up
        if annotation.rpartition(".")[2] == Verifier.__name__:
            return True
        annotation = getattr(inspect.unwrap(factory), "__globals__", {}).get(annotation)
    return isinstance(annotation, type) and _verifies(annotation)


def _verifies(kind: type) -> bool:
    """Whether the objects of a class have a method `verify` that takes one list of attempts."""
    method = getattr(kind, "verify", None)
    try:
        inspect.signature(method).bind(None, [])  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
    return True


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
        if not isinstance(value := getattr(verifier, part), str) or not value or value != storable(value):
            raise UnknownVerifier(f"verifier {name!r}: its {part} is {value!r:.40}, expected a text")
    return verifier
