"""Whether this process may execute programs from responses, and import modules of verifiers and reward functions.

It may not, unless the user permits it: by a command's option, by a verifier's name on the command line, or from Python
code. No suite, options table or row can give the permission, because a file from somewhere else could then
execute code. Depends on nothing of ours.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import Iterator, Sequence


@dataclasses.dataclass(frozen=True, kw_only=True)
class Permission:
    """What the user permits.

    Attributes:
        sandboxed: Execution in Linux namespaces.
        unsandboxed: Execution also where namespaces cannot be had, with limits and a temporary folder alone.
        named: Texts of the command line: the modules, verifiers and reward functions that they name may be executed.
    """

    sandboxed: bool = False
    unsandboxed: bool = False
    named: tuple[str, ...] = ()

    def may_call(self, name: str) -> bool:
        """Whether the verifier or reward function of that name may be imported and called."""
        # In a `--set` the name stands behind `=`, in quotes, or in a list; a longer name that holds it is another one.
        whole = re.compile(rf"""(?:^|[="',\[\s]){re.escape(name)}(?:$|["',\]\s])""")
        return self.sandboxed or any(whole.search(text) for text in self.named)

    def may_set(self, option: str) -> bool:
        """Whether an option that decides what is executed may have a value: the command line sets it."""
        names = [text.partition("=")[0] for text in self.named if text.startswith("verifiers.")]
        return self.sandboxed or any(name.endswith(f".{option}") for name in names)

    def sets(self, key: str) -> bool:
        """Whether the command line itself gives this key of a suite its value, or everything is permitted."""
        return self.sandboxed or any(text.partition("=")[0].strip() == key for text in self.named)


_current = Permission()


def permission() -> Permission:
    """The permission of this process now."""
    return _current


@contextlib.contextmanager
def code_allowed(*, unsandboxed: bool = False) -> Iterator[None]:
    """A context in which `unit_tests` may execute programs, and any verifier's module may be imported.

    Args:
        unsandboxed: Whether it may do so on a machine without Linux namespaces too.
    """
    with _permitted(dataclasses.replace(_current, sandboxed=True, unsandboxed=unsandboxed)):
        yield


@contextlib.contextmanager
def functions_allowed(named: Sequence[str]) -> Iterator[None]:
    """A context in which the verifiers and rewards that stand in these texts of a command line may be executed."""
    with _permitted(dataclasses.replace(_current, named=tuple(named))):
        yield


@contextlib.contextmanager
def _permitted(permission: Permission) -> Iterator[None]:
    global _current
    before, _current = _current, permission
    try:
        yield
    finally:
        _current = before
