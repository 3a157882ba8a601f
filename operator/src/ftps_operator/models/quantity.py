"""Kubernetes quantities: how much of something, as people write it."""

import math
import re
from fractions import Fraction
from typing import Annotated

from pydantic import AfterValidator, Field

MAX_LENGTH = 32
MAX = 2**63 - 1
_PATTERN = r"([0-9]+(?:\.[0-9]+)?)(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][0-9]{1,2})?"
_SCALES = {"": Fraction(1), "m": Fraction(1, 1000)}
_SCALES |= {suffix: Fraction(1000**power) for power, suffix in enumerate("kMGTPE", 1)}
_SCALES |= {f"{suffix}i": Fraction(1024**power) for power, suffix in enumerate("KMGTPE", 1)}


def _is_quantity(value: int | str) -> int | str:
    text = str(value)
    if len(text) > MAX_LENGTH or not re.fullmatch(_PATTERN, text):
        raise ValueError("must be a quantity, like 10Gi")
    return value


Quantity = Annotated[
    int | str,
    AfterValidator(_is_quantity),
    Field(
        json_schema_extra={
            "x-kubernetes-int-or-string": True,
            "minimum": 0,
            "maxLength": MAX_LENGTH,
            "pattern": f"^{_PATTERN.replace('?:', '')}$",
        }
    ),
]
"""A Kubernetes quantity, not negative: `10Gi`, `500m`, `2`."""


def whole(quantity: int | str) -> int:
    """The number that a Quantity means, as Kubernetes reads it: rounded up, and never above 2^63 - 1."""
    found = re.fullmatch(_PATTERN, str(quantity))
    if found is None:
        raise ValueError("must be a quantity, like 10Gi")
    number, suffix = found[1], found[2] or ""
    scale = _SCALES[suffix] if suffix in _SCALES else Fraction(10 ** int(suffix[1:]))
    return min(math.ceil(Fraction(number) * scale), MAX)
