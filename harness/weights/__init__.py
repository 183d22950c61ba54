"""Where parameters come from: the registry of known models, downloads, and the formats of Kaggle and Hugging Face."""

from typing import TYPE_CHECKING

from restem.benchmarks.lazy import exports

if TYPE_CHECKING:
    from restem.harness.weights.huggingface import is_hf, load_hf, save_hf
    from restem.harness.weights.kaggle import is_weights, load_weights
    from restem.harness.weights.registry import KNOWN, KnownModel, known_model

__all__ = [
    "KNOWN",
    "KnownModel",
    "is_hf",
    "is_weights",
    "known_model",
    "load_hf",
    "load_weights",
    "save_hf",
]
__getattr__, __dir__ = exports(
    __name__,
    {
        "huggingface": (
            "is_hf",
            "load_hf",
            "save_hf",
        ),
        "kaggle": (
            "is_weights",
            "load_weights",
        ),
        "registry": (
            "KNOWN",
            "KnownModel",
            "known_model",
        ),
    },
)
