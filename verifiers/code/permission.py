"""Whether this process may execute programs from responses. It may not, unless the user permits it.

Takes the user's permission from a command's option or from Python code; no suite, options table or row can give it,
because a file from somewhere else could then execute code. Depends on nothing of ours.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator


@dataclasses.dataclass(frozen=True, kw_only=True)
class Permission:
    """What the user permits.

    Attributes:
        sandboxed: Execution in Linux namespaces.
        unsandboxed: Execution also where namespaces cannot be had, with limits and a temporary folder alone.
    """

    sandboxed: bool = False
    unsandboxed: bool = False


_current = Permission()


def permission() -> Permission:
    """The permission of this process now."""
    return _current


@contextlib.contextmanager
def code_allowed(*, unsandboxed: bool = False) -> Iterator[None]:
    """A context in which `unit_tests` may execute programs.

    Args:
        unsandboxed: Whether it may do so on a machine without Linux namespaces too.
    """
    global _current
    before, _current = _current, Permission(sandboxed=True, unsandboxed=unsandboxed)
    try:
        yield
    finally:
        _current = before
