"""What the models of the resources have in common: camelCase names, and rules that hold here and in the CRD alike."""

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Annotated, Any, ClassVar, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic.config import JsonDict
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

VALIDATIONS = "x-kubernetes-validations"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule over several fields of a model: as CEL for the API server, as a predicate for the operator.

    The predicate catches objects that were stored before the rule was in the CRD. A rule that compares with the
    stored object (`oldSelf`) has none.
    """

    cel: str
    message: str
    holds: Callable[[Any], bool] | None = None


class Model(BaseModel):
    """Reads what newer schemas wrote, too: unknown fields are left alone (the API server prunes and reports them)."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        frozen=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
        validate_by_name=True,
    )

    rules: ClassVar[tuple[Rule, ...]] = ()

    @model_validator(mode="after")
    def _keeps_its_rules(self) -> Self:
        for rule in self.rules:
            if rule.holds is not None and not rule.holds(self):
                raise ValueError(rule.message)
        return self

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        json_schema = handler.resolve_ref_schema(handler(schema))
        if cls.rules:
            json_schema[VALIDATIONS] = [{"rule": rule.cel, "message": rule.message} for rule in cls.rules]
        return json_schema


def describe(error: ValidationError) -> str:
    """Every field's path and what is wrong with it, never what was given: that may be a secret."""
    return "; ".join(
        f"{'.'.join(map(str, item['loc']))}: {item['msg']}"
        for item in error.errors(include_url=False, include_input=False)
    )


def exactly_one(*fields: str, message: str) -> Rule:
    """A rule that just one of the named fields (as Python names them) is set."""
    cel = f"[{', '.join(f'has(self.{to_camel(field)})' for field in fields)}].filter(isSet, isSet).size() == 1"
    return Rule(cel, message, lambda model: sum(getattr(model, field) is not None for field in fields) == 1)


def keyed_by(key: str) -> JsonDict:
    """For a list: items are told apart by `key`, so that several field managers can own items of it."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]}


_CIDR_MESSAGE = "must be the CIDR of a network, like 10.0.0.0/8"
_CIDR_RULE = "isCIDR(self) && cidr(self) == cidr(self).masked()"


def _is_network(text: str) -> str:
    try:
        ip_network(text)
    except ValueError:
        raise ValueError(_CIDR_MESSAGE) from None
    return text


PortNumber = Annotated[int, Field(ge=1, le=65535)]
CidrText = Annotated[
    str,
    AfterValidator(_is_network),
    Field(max_length=43, json_schema_extra={VALIDATIONS: [{"rule": _CIDR_RULE, "message": _CIDR_MESSAGE}]}),
]
ObjectName = Annotated[str, Field(max_length=253, pattern=r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$")]
"""No `/`, above all: a Secret must not be named by a path to somebody else's."""
NamespaceName = Annotated[str, Field(max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
IntOrString = Annotated[int | str, Field(json_schema_extra={"x-kubernetes-int-or-string": True})]
