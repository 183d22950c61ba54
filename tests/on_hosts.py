"""One of two hosts that do nothing but wait or compute together; a child process of tests and of perf/faults_hosts.py.

Arguments: this host's number, the leader's port, how many seconds, and `idle`, `collective` or `outside`. It goes
the way of a command: its errors and signals become a line and an exit code as those of `restem run` do. Stdout:
`ready`.
"""

from __future__ import annotations

import sys
import time

import click
import jax
import numpy as np
from jax.experimental import multihost_utils

from restem.harness.cli.main import main
from restem.harness.distributed.hosts import connect
from restem.harness.settings import MeshConfig


@main.command("together")
@click.argument("index", type=int)
@click.argument("port", type=int)
@click.argument("seconds", type=float)
@click.argument("work")
def together(index: int, port: int, seconds: float, work: str) -> None:
    run = connect(MeshConfig(data=2), 2, index, f"127.0.0.1:{port}")
    if work == "outside":  # as if the loss came between two instructions, where no context takes leave
        print("ready", flush=True)
        time.sleep(seconds)
        return
    with run as hosts:
        multihost_utils.broadcast_one_to_all(np.ones(3))
        print("ready", flush=True)
        until = time.monotonic() + seconds
        while work == "collective" and time.monotonic() < until:
            jax.block_until_ready(multihost_utils.broadcast_one_to_all(np.ones(10**6)))
        if hosts.leads:  # the other one waits for the message by which the leader ends
            time.sleep(max(0.0, until - time.monotonic()))
        else:
            hosts.follow()


if __name__ == "__main__":
    main(["together", *sys.argv[1:]])
