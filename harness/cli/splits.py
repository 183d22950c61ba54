"""The option --split: a split of a run's problems, by the name that it has in run.db."""

from __future__ import annotations

from typing import Any

import click

from restem.harness.names import TESTS

KNOWN = ("train", "validation", "test")


class _Split(click.ParamType):
    """One of the splits that every run has, or that of a further test set."""

    name = "split"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value not in KNOWN and not str(value).startswith(TESTS):
            self.fail(f"{value!r} is not one of {', '.join(map(repr, KNOWN))}, or '{TESTS}NAME'", param, ctx)
        return str(value)

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        return f"[{'|'.join(KNOWN)}|{TESTS}NAME]"


SPLIT = _Split()
