"""Our verifiers as reward functions of trainers and scorers of evaluators, and a recorder of reward functions.

    from restem.verifiers.adapters import recorded, reward_function

    correct = reward_function("sympy", form="trl")               # GRPOTrainer(reward_funcs=[correct], ...)
    correct = recorded(correct, "rows.jsonl")                     # the same rewards, and a file for `restem import`

`FORMS` lists the frameworks. None of them is imported, unless a scorer of its own class has to be made.
"""

from typing import TYPE_CHECKING

from restem.benchmarks.lazy import exports

if TYPE_CHECKING:
    from restem.verifiers.adapters.forms import FORMS, reward_function
    from restem.verifiers.adapters.projection import UndecidedResponse
    from restem.verifiers.adapters.recorder import recorded

__all__ = ["FORMS", "UndecidedResponse", "recorded", "reward_function"]
__getattr__, __dir__ = exports(
    __name__,
    {"forms": ("FORMS", "reward_function"), "projection": ("UndecidedResponse",), "recorder": ("recorded",)},
)
