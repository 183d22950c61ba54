"""Verifiers without truth (controls), with noise at known rates, and combinations of others."""

from restem.verifiers.composed.combinations import AllOf, AnyOf, Cascade, Vote
from restem.verifiers.composed.controls import AcceptAll, FormatOnly, Majority, Random, RejectAll
from restem.verifiers.composed.noise import Inverted, Noisy

__all__ = [
    "AcceptAll",
    "AllOf",
    "AnyOf",
    "Cascade",
    "FormatOnly",
    "Inverted",
    "Majority",
    "Noisy",
    "Random",
    "RejectAll",
    "Vote",
]
