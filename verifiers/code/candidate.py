"""In the sandbox: the program of a response, whose functions are called with plain values.

Takes the program's text over one pipe, then calls over another, one line of JSON each: a number, a name, arguments.
Gives one line per call over a third: the value, or the exception. The program shares this process and may do anything
in it. It sees the arguments of the calls, and no test, no expected value and no verdict; it can only answer. Runs in a
sandbox alone (launcher.py), never in the process of a verifier.
"""

from __future__ import annotations

import json
import os
import sys
import types
from collections.abc import Sequence
from typing import Any

from restem.verifiers.code.values import MAX_BYTES, Malformed, Unplain, decoded, encoded, opaque

MODULE = "solution"  # not `__main__`: what a program does only when it is started is not done
LOADED, NOT_LOADED, VALUE, RAISED, ENDED = "loaded", "not_loaded", "value", "raised", "ended"
MAX_MESSAGE = 500


def serve(program: int, calls: int, replies: int) -> None:
    """Loads the program, then answers calls until their pipe ends. The arguments are file descriptors."""
    with os.fdopen(program, "rb") as stream:
        sources = json.loads(stream.read())
    try:
        namespace = _loaded(sources)
    except BaseException as problem:  # a program can raise anything, SystemExit included
        _send(replies, [0, NOT_LOADED, type(problem).__name__, str(problem)[:MAX_MESSAGE]])
        return
    _send(replies, [0, LOADED])
    with os.fdopen(calls, "rb") as lines:
        for line in lines:
            number, name, arguments = json.loads(line)
            _write(replies, _answer(namespace, number, name, arguments))


def _loaded(sources: Sequence[str]) -> dict[str, Any]:
    """The names that the program defines: of the first of its texts that is valid Python.

    Raises:
        SyntaxError: None is; the error is that of the first.
    """
    code, failure = None, None
    for source in sources:
        try:
            code = compile(source, "<program>", "exec", dont_inherit=True)
            break
        except (SyntaxError, ValueError, RecursionError, MemoryError) as problem:
            failure = failure or problem
    if code is None:
        raise SyntaxError(f"{type(failure).__name__}: {failure}")
    module = types.ModuleType(MODULE)
    sys.modules[MODULE] = module  # dataclasses look their module up
    exec(code, module.__dict__)
    return module.__dict__


def _answer(namespace: dict[str, Any], number: int, name: str, arguments: Any) -> bytes:
    try:
        positional, named = decoded(arguments)
        function = namespace.get(name)
        if not callable(function):
            return _line([number, RAISED, "NameError", f"the program has no function {name!r}"])
        value = function(*positional, **named)
    except Malformed as problem:
        return _line([number, ENDED, "Malformed", str(problem)[:MAX_MESSAGE]])
    except Exception as problem:
        return _line([number, RAISED, type(problem).__name__, _message(problem)])
    except BaseException as problem:
        return _line([number, ENDED, type(problem).__name__, _message(problem)])
    try:
        data = encoded(value)
    except Unplain as problem:
        data = opaque(str(problem))
    except BaseException as problem:  # iterating over the value runs code of the program
        return _line([number, RAISED, type(problem).__name__, ""])
    return b'[%d, "%s", %s]\n' % (number, VALUE.encode(), data)


def _message(problem: BaseException) -> str:
    try:
        return str(problem)[:MAX_MESSAGE]
    except BaseException:  # the exception's class may be the program's
        return ""


def _line(parts: Sequence[Any]) -> bytes:
    return json.dumps(parts).encode()[:MAX_BYTES] + b"\n"


def _send(descriptor: int, parts: Sequence[Any]) -> None:
    _write(descriptor, _line(parts))


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
