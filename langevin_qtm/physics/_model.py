"""Base of every physical description: frozen, closed to unknown keys, and clear when refused."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from langevin_qtm.errors import InputError

Finite = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Positive = Annotated[float, Field(strict=True, allow_inf_nan=False, gt=0)]
NonNegative = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0)]


def sentence(error: ValidationError) -> str:
    """First complaint of a pydantic error as one sentence with key, value and remedy."""
    first = error.errors(include_url=False)[0]
    steps = (s for s in first["loc"] if not (isinstance(s, str) and "[" in s))
    key = ".".join(str(step) for step in steps) or "input"
    kind, message = first["type"], first["msg"]
    if kind == "value_error":
        inner = str(first["ctx"]["error"])
        if key == "input":
            return inner
        return f"`{key}.{inner[1:]}" if inner.startswith("`") else f"`{key}`: {inner}"
    if kind == "missing":
        return f"`{key}` is missing; add it."
    if kind == "extra_forbidden":
        return f"`{key}` = {first['input']!r} is not a known key; remove it or correct its spelling."
    if kind == "union_tag_invalid":
        context = first["ctx"]
        return f"`{key}.kind` = {context['tag']!r} is not known; use one of {context['expected_tags']}."
    message = message.replace("Input should be", "must be").replace("Input should", "must")
    return f"`{key}` = {first['input']!r} is not allowed: it {message}."


class Model(BaseModel):
    """Immutable value object; construction raises `InputError` with one sentence."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def __init__(self, **data: Any):
        try:
            super().__init__(**data)
        except ValidationError as error:
            raise InputError(sentence(error)) from None
