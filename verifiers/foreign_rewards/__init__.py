"""Reward functions of trainers and evaluators as verifiers: `trl:FILE:FUNCTION`, `verl:FILE:FUNCTION`, and so on."""
