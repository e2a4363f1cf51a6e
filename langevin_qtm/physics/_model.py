"""Base of every physical description: frozen, closed to unknown keys, and clear when refused."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from langevin_qtm.errors import InputError, shown, shown_key

LARGEST = 1e60  # of numbers that users give: products of five still fit into doubles


def within_reach(value: float) -> bool:
    """Whether the magnitude of a number is one that formulas can multiply without overflow."""
    return abs(value) <= LARGEST


def _not_huge(value: float) -> float:
    if not within_reach(value):
        raise PydanticCustomError("huge", "Input should be at most 1e60 in magnitude")
    return value


def _not_tiny(value: float) -> float:
    if 0 < value < 1 / LARGEST:
        raise PydanticCustomError("tiny", "Input should be at least 1e-60")
    return value


Finite = Annotated[float, Field(strict=True, allow_inf_nan=False), AfterValidator(_not_huge)]
Positive = Annotated[Finite, Field(gt=0), AfterValidator(_not_tiny)]
NonNegative = Annotated[Finite, Field(ge=0), AfterValidator(_not_tiny)]


def sentence(error: ValidationError) -> str:
    """First complaint of a pydantic error as one sentence with key, value and remedy."""
    first = error.errors(include_url=False)[0]
    kind, value, context = first["type"], first["input"], first.get("ctx", {})
    steps = [step for step in first["loc"] if not (isinstance(step, str) and "[" in step)]
    if steps and isinstance(value, dict) and steps[-1] in (value.get("kind"), value.get("method")):
        steps.pop()  # the tag by which pydantic chose among several models: no key of the user's
    key = ".".join(shown_key(str(step)) for step in steps) or "input"
    if kind == "value_error":
        inner = str(context["error"])
        if key == "input":
            return inner
        return f"`{key}.{inner[1:]}" if inner.startswith("`") else f"`{key}`: {inner}"
    if kind == "missing":
        return f"`{key}` is missing; add it."
    if kind == "extra_forbidden":
        return f"`{key}` = {shown(value)} is not a known key; remove it or correct its spelling."
    if kind == "union_tag_not_found":
        return f"`{key}.{context['discriminator'][1:-1]}` is missing; add it."
    if kind == "union_tag_invalid":
        tag, expected = context["tag"], context["expected_tags"]
        return f"`{key}.{context['discriminator'][1:-1]}` = {shown(tag)} is not known; use one of {expected}."
    return f"`{key}` = {shown(value)} is not allowed: it {_demand(first['msg'])}."


def _demand(message: str) -> str:
    """What pydantic asks for, in the words of a run file: "must be a table"."""
    message = re.sub(r"^\w+ should", "must", message)
    message = re.sub(r"a valid dictionary.*", "a table", message).replace("a valid tuple", "a list")
    return message.removesuffix(" after validation, not 0")


class Model(BaseModel):
    """Immutable value object; construction raises `InputError` with one sentence."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def __init__(self, /, **data: Any):
        try:
            super().__init__(**data)
        except ValidationError as error:
            raise InputError(sentence(error)) from None
