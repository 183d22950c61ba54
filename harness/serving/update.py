"""Other parameters for a policy that is served, from a folder.

Takes a folder, ours or in Hugging Face's format, and the policy that answers; gives it with the folder's parameters.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

from restem.harness.errors import CheckpointMismatch
from restem.harness.model.policy import Policy, load_policy
from restem.harness.model.stored_params import is_ours
from restem.harness.weights.huggingface import load_hf_params


def with_params_of(policy: Policy, folder: Path) -> Policy:
    """The policy with the parameters of a folder.

    Raises:
        ConfigError: The folder holds no policy.
        CheckpointMismatch: It holds one of another shape or vocabulary, or is damaged.
    """
    if not is_ours(folder):
        return dataclasses.replace(policy, params=load_hf_params(folder, policy.architecture))
    other = load_policy(folder)
    if other.architecture != policy.architecture or not other.tokenizer.same_ids(policy.tokenizer):
        raise CheckpointMismatch(f"{folder}: another architecture or vocabulary than that of the policy that answers")
    return dataclasses.replace(policy, params=other.params)
