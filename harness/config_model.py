"""What all tables of settings of this project are: frozen pydantic models that refuse what they do not know.

Depends on nothing of this project. harness/config.py and harness/problem_sets.py make the tables of a suite from it.
"""

from __future__ import annotations

import pydantic


class Model(pydantic.BaseModel):
    """A frozen table of settings that refuses unknown keys and numbers that are not finite."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
