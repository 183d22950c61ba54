"""The pytest plug-in: each verifier of a `NAME.gate.toml` that pytest collects is one test.

Takes the files that pytest collects; gives test items. It is loaded into every pytest run of everyone who installs this
project, so it imports nothing but pytest before it meets such a file. `-p no:restem_gate` switches it off.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest


class GateFailed(Exception):
    """A verifier got worse than its baseline allows, or could not be compared; the message gives the details."""


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """A collector for a baseline, nothing for any other file."""
    return GateFile.from_parent(parent, path=file_path) if file_path.name.endswith(".gate.toml") else None


class GateFile(pytest.File):
    """A baseline; one item for each verifier it names."""

    def collect(self) -> Iterator[pytest.Item]:
        from restem.harness.errors import RestemError
        from restem.harness.toml import read_toml

        try:
            verifiers = read_toml(self.path).get("verifiers")
        except RestemError as error:
            raise self.CollectError(str(error)) from None
        for name in verifiers if isinstance(verifiers, dict) else ():
            yield GateItem.from_parent(self, name=name)


class GateItem(pytest.Item):
    """One verifier against its baseline."""

    def runtest(self) -> None:
        # Imported here, because NumPy and the rest are needed only where there is a baseline.
        from restem.harness.errors import RestemError
        from restem.harness.gate.check import check, read_golden
        from restem.reports.pages.gate import message
        from restem.verifiers.code.permission import code_allowed
        from restem.verifiers.verdict import VerifierError

        try:
            with code_allowed():  # whoever runs pytest on a folder lets its conftest.py and tests execute too
                comparisons = list(check(read_golden(self.path), [self.name], quiet=True))
        except (RestemError, VerifierError) as error:
            raise GateFailed(str(error)) from error
        if failed := [message(comparison) for comparison in comparisons if not comparison.passed]:
            advice = f"If this change is meant: restem gate {self.path.name} --update"
            raise GateFailed("\n".join([*failed, advice]))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The message without the traceback, which would show only the plug-in's own code."""
        known = isinstance(excinfo.value, GateFailed)
        return str(excinfo.value) if known else super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, None, str]:
        return self.path, None, f"{self.path.name}: {self.name}"
