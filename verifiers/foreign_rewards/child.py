"""The part that runs in the worker: loads a reward function, describes it, and calls it on groups of responses.

Takes the parts of a function's name and its options as JSON; gives a function of items. It imports the standard
library alone, so that it runs in a trainer's own environment too, with an interpreter of Python 3.11 or newer.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import importlib
import importlib.util
import inspect
import sys
import time
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any

from restem.verifiers.foreign_rewards import frameworks
from restem.verifiers.foreign_rewards.calls import PLAIN, Convention, Target
from restem.verifiers.foreign_rewards.group import MESSAGES, TEXT, group_of
from restem.verifiers.foreign_rewards.results import Result, raised, refused
from restem.verifiers.foreign_rewards.signature import Asked, asked_by, recognised, roles

MODULE = "reward_file"  # the name under which a file is imported
# What a function that expects messages raises when it is given texts, or the other way round.
_OTHER_FORM = (TypeError, KeyError, AttributeError, IndexError)
_NOTHING = Asked(required=(), optional=(), takes_all=False, kwargs=(), positional=(), reads_messages=False, text="")


def prepare(setup: Mapping[str, Any]) -> Callable[[Mapping[str, Any]], Any]:
    """The function of items: `{"describe": true}` gives the description, a group gives its results.

    Raises:
        ImportError: A module cannot be imported; or whatever else the user's file raises when it is loaded.
        LookupError: There is no such function in it.
    """
    module = _loaded(setup["target"], setup["is_file"]) if setup["target"] else None
    name, keywords = setup["function"], setup["keywords"]
    if module is None:
        thing = frameworks.registered_scorer(name, keywords)
    else:
        thing = getattr(module, name, None)
        if not callable(thing) and frameworks.made_rubric(thing, {}) is None:
            public = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
            raise LookupError(f"there is no function {name!r} in it, only {', '.join(public)[:200] or 'none'}")
        if _of_the_standard_library(thing):  # `from os import system` in a file is no reward function either
            raise LookupError(f"{name!r} is of Python's standard library, which has no rewards")
    loaded = _Loaded(thing, setup, module)
    return loaded.answer


def _of_the_standard_library(thing: Any) -> bool:
    while isinstance(thing, functools.partial):
        thing = thing.func
    return str(getattr(thing, "__module__", "")).partition(".")[0] in sys.stdlib_module_names


class _Loaded:
    """A function that is ready to be called."""

    def __init__(self, thing: Any, setup: Mapping[str, Any], module: ModuleType | None) -> None:
        self.module = module
        self.asked, self.name = dataclasses.replace(_NOTHING, text=setup["function"]), setup["convention"]
        if self.name == "verifiers" and frameworks.is_task(thing):
            self.convention, self.name = frameworks.TASK, "verifiers task"
        elif self.name == "verifiers" and (rubric := frameworks.made_rubric(thing, setup["keywords"])) is not None:
            self.convention, self.name, thing = frameworks.RUBRIC, "verifiers rubric", rubric
        elif self.name == "inspect":
            self.convention = frameworks.SCORER
            thing = thing if module is None else frameworks.made_scorer(thing, setup["keywords"])
        else:
            self.asked = asked_by(thing)
            if self.name == "reward":
                self.name = recognised(self.asked)
            self.convention: Convention = frameworks.SCORER if self.name == "inspect" else PLAIN[self.name]
        self.target = Target(function=thing, asked=self.asked, keywords=setup["keywords"], key=setup["key"])
        self.forms = self._forms(setup["completions"])

    def _forms(self, wanted: str) -> list[str]:
        """The forms of prompts and completions to try, in order."""
        if wanted != "auto":
            return [wanted]
        if self.convention.messages is not None:
            return [MESSAGES if self.convention.messages else TEXT]
        return [MESSAGES, TEXT] if self.asked.reads_messages else [TEXT, MESSAGES]

    def answer(self, item: Mapping[str, Any]) -> Any:
        return self._description() if "describe" in item else self._scored(item)

    def _scored(self, item: Mapping[str, Any]) -> dict[str, Any]:
        """The results of a group, the form in which it was given, and the seconds that the calls took."""
        forms = [item["form"]] if item["form"] else self.forms
        began = time.perf_counter()
        results: list[Result] = []
        form = forms[0]
        for number, form in enumerate(forms):
            try:
                results = self.convention.call(self.target, group_of(item, form))
                self.forms = [form]
                break
            except MemoryError:
                raise
            except Exception as problem:  # foreign code can raise anything; it becomes a reason, never a number
                results = refused(raised(problem), len(item["responses"]))
                if number + 1 == len(forms) or not isinstance(problem, _OTHER_FORM):
                    form = ""  # not known yet: the next group may show it
                    break
        return {"results": results, "form": form, "seconds": time.perf_counter() - began}

    def _description(self) -> dict[str, Any]:
        given = {*self.convention.given, *self.target.keywords}
        return {
            "convention": self.name,
            "signature": self.asked.text,
            "whole_groups": self.convention.whole_groups,
            "forms": self.forms if self.convention.messages is None else [],
            "needs": [name for name in _needs(self.name, self.asked) if name not in given],
            "asks": [name for name in (*self.asked.optional, *self.asked.kwargs) if name not in given],
            "is_async": inspect.iscoroutinefunction(self.target.function),
            "all_references": self.name == "inspect",
            "files": _files(self.module),
            "packages": _packages(self.target.function, self.module),
        }


def _needs(convention: str, asked: Asked) -> tuple[str, ...]:
    """The columns without which the function cannot be called."""
    if convention == "reward":
        response, reference = roles(asked)
        rest = [name for name in asked.required if name not in (response, reference)]
        return (*(["reference"] if reference in asked.required else []), *rest)
    if convention in ("openrlhf", "slime", "lm_eval"):
        return ()
    if convention == "areal":
        return tuple(name for name in asked.required if name not in asked.positional[:4])
    return asked.required


def _loaded(target: str, is_file: bool) -> ModuleType:
    """The module of a name or file. A file's folder is searched for its own imports, as when it is run."""
    if not is_file:
        return importlib.import_module(target)
    sys.path.insert(0, str(Path(target).parent))
    spec = importlib.util.spec_from_file_location(MODULE, target)
    if spec is None or spec.loader is None:
        raise ImportError(f"{Path(target).name} is no Python file")
    module = sys.modules[MODULE] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _files(module: ModuleType | None) -> dict[str, str]:
    """Name -> SHA-256 of the function's file and of the files beside it that it imports; none of an installed package.

    The names are relative to the file's folder, so that a copy elsewhere has the same ones.
    """
    own = getattr(module, "__file__", None)
    if own is None or _is_installed(Path(own)):
        return {}
    folder = Path(own).resolve().parent
    files: dict[str, str] = {}
    for name, loaded in list(sys.modules.items()):
        path = getattr(loaded, "__file__", None)
        if not isinstance(path, str) or name.partition(".")[0] == "restem" or _is_installed(Path(path)):
            continue
        place = Path(path).resolve()
        if place.is_relative_to(folder) and place.is_file():
            files[str(place.relative_to(folder))] = hashlib.sha256(place.read_bytes()).hexdigest()
    return files


def _is_installed(path: Path) -> bool:
    """Whether a file belongs to the interpreter or to an installed package."""
    prefixes = {sys.prefix, sys.base_prefix}
    return "site-packages" in path.parts or any(path.is_relative_to(prefix) for prefix in prefixes)


def _packages(function: Any, module: ModuleType | None) -> dict[str, str]:
    """Package -> version of those whose names the function's module imports, and of the one that holds it."""
    things = [function, *(vars(module).values() if module is not None else ())]
    names = {(getattr(thing, "__module__", None) or getattr(thing, "__name__", None) or "") for thing in things}
    tops = {str(name).partition(".")[0] for name in names if isinstance(name, str)}
    versions: dict[str, str] = {}
    for top in sorted(tops - set(sys.stdlib_module_names) - {"", "restem", MODULE}):
        try:
            versions[top] = metadata.version(top.replace("_", "-"))
        except (metadata.PackageNotFoundError, ValueError):
            continue
    return versions
