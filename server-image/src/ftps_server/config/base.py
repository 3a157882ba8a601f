"""How a configuration file is read, and what all of them share."""

from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path, PurePosixPath
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails

Port = Annotated[int, Field(ge=1, le=65535)]


def _network(value: object) -> object:
    """Of text only: `ipaddress` makes a network of any number, and of true."""
    if isinstance(value, IPv4Network | IPv6Network):
        return value
    try:
        return ip_network(str(value))
    except ValueError:
        raise ValueError("must be an IPv4 or IPv6 network, such as 192.0.2.0/24") from None


Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)]


class ConfigError(Exception):
    """A configuration file that cannot be used; the text names the file and the field's path."""


class Model(BaseModel):
    """One object of a configuration file; a field that nobody knows is an error."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=to_camel, validate_by_name=True, hide_input_in_errors=True
    )


def _is_inside_storage(path: str) -> str:
    """Accept an absolute path without `..`: it is taken relative to the storage's root, or to a home directory."""
    pure = PurePosixPath(path)
    if not pure.is_absolute() or ".." in pure.parts or "\0" in path:
        raise ValueError("must be an absolute path without '..'")
    return path


def _is_address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError:
        raise ValueError("must be an IPv4 or IPv6 address") from None


InsidePath = Annotated[str, AfterValidator(_is_inside_storage)]
ListenAddress = Annotated[str, AfterValidator(_is_address)]

M = TypeVar("M", bound=Model)


def read(model: type[M], path: Path) -> M:
    """Read one JSON file. Raises ConfigError that names the file and each bad field, never a value."""
    try:
        return model.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except ValidationError as error:
        raise ConfigError(f"{path}: {describe(error)}") from None


def describe(error: ValidationError) -> str:
    """Each bad field's path and what is wrong with it."""
    return "; ".join(
        f"{_path(item) or '(whole file)'}: {item['msg']}"
        for item in error.errors(include_url=False, include_input=False)
    )


def _path(item: ErrorDetails) -> str:
    parts = [str(part) for part in item["loc"]]
    if item["type"] == "extra_forbidden" and not parts[-1].isidentifier():
        # A value in the wrong place, and that may be a secret.
        parts[-1] = "(no field's name)"
    return ".".join(parts)
