"""What all tables of settings of this project are: frozen pydantic models that refuse what they do not know.

Depends on nothing of this project. The tables of a suite are made from it.
"""

from __future__ import annotations

import pydantic

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"


class Model(pydantic.BaseModel):
    """A frozen table of settings that refuses unknown keys and numbers that are not finite."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
