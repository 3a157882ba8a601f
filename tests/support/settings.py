"""The table of settings in docs/standalone.md, made of the models: `python -m support.settings` writes it anew."""

import ast
import inspect
import json
import re
import textwrap
from collections.abc import Iterator
from enum import StrEnum
from functools import cache
from ipaddress import IPv4Network
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, HttpUrl
from pydantic.alias_generators import to_snake
from pydantic.fields import FieldInfo

from ftps_server.standalone import FilePath, Settings

PAGE = Path(__file__).parents[2] / "docs" / "standalone.md"
BEGIN, END = "<!-- settings: begin -->\n", "<!-- settings: end -->"
_PATH = get_args(FilePath)[-1]


def table() -> str:
    """Every setting, one a line."""
    head = ["| Setting | Value | Default | What it is |", "|---|---|---|---|"]
    return "\n".join([*head, *_lines(Settings, "")]) + "\n"


def renewed(page: str) -> str:
    """A page with the table as it should be."""
    before, _, rest = page.partition(BEGIN)
    return before + BEGIN + table() + END + rest.partition(END)[2]


def _lines(model: type[BaseModel], prefix: str) -> Iterator[str]:
    """A table's own settings, then those of the tables in it, as TOML has them."""
    told = _descriptions(model)
    tables: list[tuple[bool, str, type[BaseModel]]] = []
    for name, info in model.model_fields.items():
        kind, many = _kind(info.annotation)
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            tables.append((many, f"{prefix}{name}", kind))
        else:
            value = f"list of {_value(kind, info)}s" if many else _value(kind, info)
            text = told.get(name) or (_one_line(kind.__doc__) if issubclass(kind, StrEnum) else "")
            yield f"| `{prefix}{name}` | {value} | {_default(info)} | {text} |"
    for many, path, kind in sorted(tables, key=lambda entry: entry[0]):
        head, text = f"[[{path}]]" if many else f"[{path}]", told.get(path.removeprefix(prefix), "")
        yield f"| **`{head}`** | | | {_one_line(f'{kind.__doc__} {text}')} |"
        yield from _lines(kind, f"{path}.")


def _kind(annotation: Any) -> tuple[Any, bool]:
    """What is inside an optional value, an annotation or a list; whether it is a list."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _kind(inner[0])
    if origin in {Union, UnionType}:
        # Of two kinds of networks one tells enough.
        return _kind(next(part for part in inner if part is not NoneType))
    if origin is tuple:
        return _kind(inner[0])[0], True
    return annotation, False


def _value(kind: Any, info: FieldInfo) -> str:
    if issubclass(kind, StrEnum):
        return ", ".join(f"`{json.dumps(member.value)}`" for member in kind)
    if kind is int:
        limits = {name: getattr(part, name) for part in _metadata(info) for name in ("ge", "le") if hasattr(part, name)}
        return f"{limits['ge']} to {limits['le']}" if len(limits) == 2 else f"{limits['ge']} or more"
    if _PATH in info.metadata:
        return "path"
    return {bool: "`true`, `false`", str: "string", IPv4Network: "network", HttpUrl: "URL"}[kind]


def _metadata(info: FieldInfo) -> list[Any]:
    """What is said of a value, also inside an optional one."""
    parts = [part for part in get_args(info.annotation) if get_origin(part) is Annotated]
    inner = [described for part in parts for described in get_args(part)[1:]]
    return [*info.metadata, *inner, *(more for part in inner if isinstance(part, FieldInfo) for more in part.metadata)]


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "must be set"
    if info.default is None:
        return "none"
    return f"`{json.dumps(info.default)}`"


@cache
def _descriptions(model: type[BaseModel]) -> dict[str, str]:
    """The strings below the fields."""
    told: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if issubclass(base, BaseModel) and base is not BaseModel:
            (tree,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
            assert isinstance(tree, ast.ClassDef)
            for statement, after in zip(tree.body, tree.body[1:], strict=False):
                if isinstance(statement, ast.AnnAssign) and isinstance(after, ast.Expr):
                    told[ast.unparse(statement.target)] = _one_line(ast.literal_eval(after.value))
    # Where they name other settings, they do so in JSON's spelling.
    return {name: re.sub(r"`[a-z][A-Za-z.]*`", lambda found: to_snake(found[0]), text) for name, text in told.items()}


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
