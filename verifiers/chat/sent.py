"""What a judge has sent, and has no reply to, by its stored rows.

Takes a call store; gives a `Charge`: the requests that the provider may have billed, at their highest cost. Requests
that were sent one by one stand in one number (`CallStore.unanswered`); those of a batch in the events about it, of
which each holds the charge that stands from then on:

    creating    a batch is about to be created, with this token among its metadata; all its requests count
    sent        it has this id
    read        its replies are stored; the lines that may have been billed without a usable reply count
    absent      the server lists its batches, and none has this token
    lost        the server does not list its batches, so that this one, if it exists, will not be read

An earlier version stored no charges: batches of it that were not read count as nothing until they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from restem.verifiers.chat.budget import NOTHING, Charge
from restem.verifiers.chat.transport import CallStore

EVENT = "judge_batch"


def unanswered_calls(calls: CallStore, verifier: str) -> Charge:
    """Of the requests that were sent one by one."""
    return Charge(**calls.unanswered(verifier))


def unanswered_in_batches(calls: CallStore, verifier: str) -> Charge:
    """Of the requests that were sent in batches."""
    return sum((charge_of(batch) for batch in batches(calls, verifier)), NOTHING)


def batches(calls: CallStore | None, verifier: str) -> list[dict[str, Any]]:
    """The batches of a judge in their order, each with what the last event about it says."""
    known: list[dict[str, Any]] = []
    latest: dict[str, dict[str, Any]] = {}
    for event in calls.logged(EVENT) if calls else []:
        if event["verifier"] == verifier:
            # Equal requests that are sent again have an equal token. An earlier version stored no token.
            name = event.get("token") or event["batch"]
            if event["state"] == "creating" or name not in latest:
                latest[name] = {}
                known.append(latest[name])
            latest[name].update(event)
    return known


def charge_of(batch: Mapping[str, Any]) -> Charge:
    """What the requests of a batch without a reply may cost."""
    return Charge(**batch.get("charge", {}))
