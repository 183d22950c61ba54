"""Programs against unit tests: `unit_tests`, and the sandbox in which programs and tests run.

Nothing is executed unless the user permits it (permission.py). candidate.py, checker.py, isolation.py, seccomp.py and
launcher.py run in processes of their own; sandbox.py starts these, unit_tests.py gives the verdicts. The names load
late, because the processes of their own import this package too.
"""

from typing import TYPE_CHECKING

from restem.benchmarks.lazy import exports

if TYPE_CHECKING:
    from restem.verifiers.code.permission import code_allowed
    from restem.verifiers.code.sandbox import NoSandbox
    from restem.verifiers.code.unit_tests import UnitTestsVerifier

__all__ = ["NoSandbox", "UnitTestsVerifier", "code_allowed"]
__getattr__, __dir__ = exports(
    __name__,
    {"permission": ("code_allowed",), "sandbox": ("NoSandbox",), "unit_tests": ("UnitTestsVerifier",)},
)
