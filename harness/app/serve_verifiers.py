"""What `restem serve --verifier` does: verifiers behind HTTP until the command is stopped.

Takes names and options of verifiers; gives nothing. Judges get their options completed, or the embedded judge, as in
`restem verify`. Imports no JAX.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from restem.harness.app.judges import Options, check_models, judge_options
from restem.harness.serving.verifier_server import ServedVerifier, serve
from restem.verifiers.adapters.items import Columns
from restem.verifiers.adapters.projection import Undecided


def serve_verifiers(
    names: Sequence[str],
    options: Options,
    *,
    columns: Columns,
    undecided: Undecided | None,
    port: int,
    while_stdin_open: bool,
) -> None:
    """Serves verifiers on loopback; prints the address and the names as one JSON line once it listens.

    Args:
        names: The verifiers; the first one also answers without its name in the path.
        options: Their tables of options, checked.
        columns: Where question, reference and data are in a body.
        undecided: What an undecided verdict becomes; None: what each convention expects.
        port: 0: any free one.
        while_stdin_open: Whether to end when standard input closes, too.

    Raises:
        ConfigError: A judge has neither model nor server.
        UnknownVerifier: A verifier needs whole groups of responses.
        OSError: The port is taken.
    """
    with contextlib.ExitStack() as stack:
        judges = judge_options(options, names, stack)
        check_models(judges)
        tables = {**options, **judges}
        serve([ServedVerifier(name, tables, columns, undecided) for name in names], port, while_stdin_open)
