"""In the sandbox: the tests of a problem, which call a program in another process and decide.

Takes the tests over one pipe and gives the result over another, to which the program has no access. In place of the
program's functions the tests get functions that send plain values to the program's process and rebuild the plain values
that come back. So nothing that the program does to its own process, be it an exit, another `assert`, or an object that
equals everything, has an effect here. The tests are taken as trusted to decide, not as trusted to be harmless: they run
under the same limits. Runs in a sandbox alone (launcher.py), never in the process of a verifier.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import json
import os
import random
import select
import sys
import time
import types
from collections.abc import Callable, Iterator
from typing import Any

from restem.verifiers.code.candidate import ENDED, LOADED, NOT_LOADED, RAISED, VALUE
from restem.verifiers.code.values import MAX_BYTES, Malformed, UndecidableUse, Unplain, decoded, encoded, opaque_type

PASSED, WRONG, UNDECIDED = "passed", "wrong", "undecided"
_CHUNK = 1 << 16
_NO_FAULT_OF_THE_PROGRAM = (NameError, SyntaxError, ImportError)  # in the tests themselves


class ProgramFailed(BaseException):
    """The program gave no value and no exception: it is wrong. No `except Exception` of a test catches it."""


class BadTests(BaseException):
    """The tests cannot be run in this way: nothing is known about the program."""


def serve(tests: int, calls: int, replies: int, verdict: int) -> None:
    """Runs the tests and writes `[outcome, reason]`. The arguments are file descriptors."""
    with os.fdopen(tests, "rb") as stream:
        settings = json.loads(stream.read())
    program = _Program(calls, replies, time.monotonic() + settings["wall_seconds"])
    outcome, reason = _decided(settings, program)
    os.write(verdict, json.dumps([outcome, reason[:200]]).encode() + b"\n")


def _decided(settings: dict[str, Any], program: _Program) -> tuple[str, str]:
    try:
        program.load()
        _run(settings, program)
    except BadTests as problem:
        return UNDECIDED, f"tests: {problem}"
    except UndecidableUse as problem:
        return UNDECIDED, f"not_plain: {problem}"
    except BaseException as problem:
        outcome, reason = _failed(problem, program)
    else:
        outcome, reason = PASSED, ""
    if program.failure is not None:  # also where a bare `except` of a test has caught it
        return WRONG, str(program.failure)
    if outcome == PASSED and not program.calls_made:
        return UNDECIDED, "tests: they call no function of the program"
    if outcome == PASSED and program.opaque is not None:
        return UNDECIDED, f"not_plain: {program.opaque}"
    return outcome, reason


def _failed(problem: BaseException, program: _Program) -> tuple[str, str]:
    """The outcome that an exception of the tests stands for."""
    name = type(problem).__name__
    if isinstance(problem, AssertionError):
        return WRONG, f"assertion{_line_of(problem)}"
    if any(problem is raised for raised in program.raised):
        return WRONG, f"raised: {name}{_line_of(problem)}"
    if isinstance(problem, _NO_FAULT_OF_THE_PROGRAM) or not program.calls_made or not isinstance(problem, Exception):
        return UNDECIDED, f"tests: {name}: {problem}"
    return WRONG, f"value: {name}{_line_of(problem)}"  # such as the length of None


def _line_of(problem: BaseException) -> str:
    """The line of the tests at which an exception came up."""
    line, place = None, problem.__traceback__
    while place is not None:
        if place.tb_frame.f_code.co_filename == "<tests>":
            line = place.tb_lineno
        place = place.tb_next
    return "" if line is None else f": line {line} of the tests"


# -- The tests ---------------------------------------------------------------------------------------------------------


def _run(settings: dict[str, Any], program: _Program) -> None:
    """Executes the tests: the module, then its `check(candidate)`, or its functions `test_...`."""
    namespace: dict[str, Any] = {"__name__": "tests"}
    random.seed(0)  # tests that draw their inputs draw the same ones for every program
    if settings["setup"]:
        exec(compile(settings["setup"], "<setup>", "exec", dont_inherit=True), namespace)
    try:
        tree = ast.parse(settings["tests"])
    except (SyntaxError, ValueError, RecursionError) as problem:
        raise BadTests(type(problem).__name__) from None
    tree = _chosen(tree, settings["share"], settings["seed"])
    entry_point = settings["entry_point"]
    functions = [name for name in _free_names(tree, namespace) if name != entry_point]
    namespace.update({name: program.function(name) for name in functions})
    if entry_point:
        namespace[entry_point] = namespace["candidate"] = program.function(entry_point)
    exec(compile(tree, "<tests>", "exec", dont_inherit=True), namespace)
    if callable(check := namespace.get("check")):
        check(namespace.get("candidate"))
        return
    for name, value in list(namespace.items()):
        if name.startswith("test_") and isinstance(value, types.FunctionType):
            value()


def _chosen(tree: ast.Module, share: float, seed: int) -> ast.Module:
    """The tests with a share of their assertions, at least one, drawn by the seed; the others are left out."""
    if share >= 1.0:
        return tree
    numbered = [node for node in ast.walk(tree) if isinstance(node, ast.Assert) and _depends_on_something(node)]
    numbered.sort(key=lambda node: (node.lineno, node.col_offset))
    count = max(1, round(share * len(numbered)))
    kept = set(random.Random(seed).sample(range(len(numbered)), min(count, len(numbered))))
    dropped = {id(node) for number, node in enumerate(numbered) if number not in kept}

    class Dropping(ast.NodeTransformer):
        def visit_Assert(self, node: ast.Assert) -> ast.stmt:
            return ast.copy_location(ast.Pass(), node) if id(node) in dropped else node

    return Dropping().visit(tree)


def _depends_on_something(node: ast.Assert) -> bool:
    """Whether an assertion is more than `assert True`."""
    return any(isinstance(part, ast.Name) for part in ast.walk(node.test))


def _free_names(tree: ast.Module, namespace: dict[str, Any]) -> Iterator[str]:
    """The names that the tests use and nothing defines: functions of the program. Names of Python's own never are.

    A module of the standard library that the tests use without importing it is imported.
    """
    nodes = list(ast.walk(tree))
    bound = {node.id for node in nodes if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)}
    bound |= {node.arg for node in nodes if isinstance(node, ast.arg)}
    bound |= {node.name for node in nodes if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef)}
    bound |= {
        (a.asname or a.name).partition(".")[0]
        for n in nodes
        if isinstance(n, ast.Import | ast.ImportFrom)
        for a in n.names
    }
    bound |= {node.name for node in nodes if isinstance(node, ast.ExceptHandler) and node.name}
    used = {node.id for node in nodes if isinstance(node, ast.Name)}
    modules = {n.value.id for n in nodes if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name)}
    for name in sorted(used - bound - namespace.keys() - vars(builtins).keys() - {"candidate"}):
        if name in modules and name in sys.stdlib_module_names:
            namespace[name] = importlib.import_module(name)
        else:
            yield name


# -- The program -------------------------------------------------------------------------------------------------------


class _Program:
    """The other end of the two pipes to the program's process.

    Attributes:
        failure: Why the program is wrong, whatever the tests do with it; None so far.
        opaque: The type of a value that came back and is no plain data; None so far.
        raised: The exceptions of the program that were raised in the tests.
        calls_made: How many calls were answered or sent.
    """

    def __init__(self, calls: int, replies: int, deadline: float) -> None:
        self.failure: ProgramFailed | None = None
        self.opaque: str | None = None
        self.raised: list[BaseException] = []
        self.calls_made = 0
        self._calls, self._replies, self._deadline = calls, replies, deadline
        self._buffer = b""
        os.set_blocking(calls, False)  # a program that reads nothing must not stop the tests

    def load(self) -> None:
        """Waits until the program's module has been executed."""
        match self._reply():
            case [0, str(kind)] if kind == LOADED:
                return
            case [0, str(kind), str(name), str(message)] if kind == NOT_LOADED:
                raise self._fail(f"no_program: {name}: {message}")
        raise self._fail("protocol")

    def function(self, name: str) -> Callable[..., Any]:
        """A function that calls the program's function of that name."""

        def call(*positional: Any, **named: Any) -> Any:
            return self._call(name, positional, named)

        call.__name__ = call.__qualname__ = name
        return call

    def _call(self, name: str, positional: tuple[Any, ...], named: dict[str, Any]) -> Any:
        if self.failure is not None:
            raise self.failure
        self.calls_made += 1
        try:
            arguments = encoded((positional, named))
        except Unplain as problem:
            raise BadTests(f"they pass a value that is no plain data: {problem}") from None
        self._send(b"[%d, %s, %s]\n" % (self.calls_made, json.dumps(name).encode(), arguments))
        match self._reply():
            case [int(number), str(kind), value] if number == self.calls_made and kind == VALUE:
                return self._value(value)
            case [int(number), str(kind), str(error), str(message)] if number == self.calls_made and kind == RAISED:
                raise self._exception(error, message)
            case [int(number), str(kind), str(error), str()] if number == self.calls_made and kind == ENDED:
                raise self._fail(f"ended: {error}")
        raise self._fail("protocol")

    def _value(self, value: Any) -> Any:
        try:
            self.opaque = self.opaque or opaque_type(value)
            return decoded(value)
        except (Malformed, RecursionError):
            raise self._fail("protocol") from None

    def _exception(self, name: str, message: str) -> BaseException:
        """The program's exception, of the same built-in type, or of `Exception` where the type is the program's."""
        kind = getattr(builtins, name, None)
        if not (isinstance(kind, type) and issubclass(kind, Exception)):
            kind = type(name if name.isidentifier() else "Exception", (Exception,), {})
        try:
            problem = kind(message)
        except TypeError:  # UnicodeDecodeError and the like take more than a message
            problem = Exception(message)
        self.raised.append(problem)
        return problem

    def _fail(self, reason: str) -> ProgramFailed:
        self.failure = ProgramFailed(reason)
        return self.failure

    def _send(self, data: bytes) -> None:
        while data:
            self._wait(self._calls, select.POLLOUT)
            try:
                data = data[os.write(self._calls, data) :]
            except BlockingIOError:
                continue
            except BrokenPipeError:
                raise self._fail("ended") from None

    def _wait(self, descriptor: int, event: int) -> None:
        poll = select.poll()
        poll.register(descriptor, event)
        if not poll.poll(max(0.0, (self._deadline - time.monotonic()) * 1000)):
            raise self._fail("timeout")

    def _reply(self) -> Any:
        """The next line of the program's process, as JSON."""
        while b"\n" not in self._buffer:
            if len(self._buffer) > 2 * MAX_BYTES:
                raise self._fail("protocol")
            self._wait(self._replies, select.POLLIN)
            data = os.read(self._replies, _CHUNK)
            if not data:
                raise self._fail("ended")
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        try:
            return json.loads(line)
        except (ValueError, RecursionError):
            raise self._fail("protocol") from None
