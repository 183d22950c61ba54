"""Prompt ids to sampled ids: decoding, key-value slots, the sampler."""
