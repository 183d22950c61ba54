"""Trains the policy with ReST-EM and samples its checkpoints."""
