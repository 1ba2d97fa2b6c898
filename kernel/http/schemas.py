"""JSON Schema of what operations take and give, as OpenAPI 3.1 wants it: stable, readable names; one place for each."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

import msgspec

Schema: TypeAlias = dict[str, Any]

PREFIX: Final = "#/components/schemas/"

_GENERIC: Final = re.compile(r"([A-Za-z0-9.]+)_([A-Za-z0-9._]+?)_+")


class Schemas:
    """The schemas of `types` and of all they are made of."""

    def __init__(self, types: Iterable[Any]) -> None:
        """Raises `ValueError` when two types would have one name."""
        wanted = list(types)
        schemas, components = msgspec.json.schema_components(wanted, ref_template=PREFIX + "{name}")
        names = {name: _readable(name) for name in components}
        if len(set(names.values())) != len(names):
            raise ValueError(f"two types have one name among {sorted(names)}")
        self._by_type = {
            type_: _renamed(schema, names) for type_, schema in zip(map(_key, wanted), schemas, strict=True)
        }
        self._components = {names[name]: _renamed(schema, names) for name, schema in components.items()}

    def of(self, type_: Any) -> Schema:
        """The schema of one of the types, or a reference to it."""
        schema: Schema = self._by_type[_key(type_)]
        return schema

    def fields(self, type_: Any) -> list[tuple[str, Schema, bool]]:
        """Name, schema, and whether it must be given, of each field of a struct: what a query is made of.

        A query knows no null: a field that may be None is one that may be left out.
        """
        struct = self._resolved(self.of(type_))
        required = struct.get("required", ())
        return [(name, _never_null(schema), name in required) for name, schema in struct["properties"].items()]

    def components(self, roots: Iterable[Any]) -> dict[str, Schema]:
        """All schemas that `roots` refer to, by name, in the order of their names."""
        found: dict[str, Schema] = {}
        left = [self.of(root) for root in roots]
        while left:
            for name in _references(left.pop()):
                if name not in found:
                    found[name] = self._components[name]
                    left.append(found[name])
        return dict(sorted(found.items()))

    def _resolved(self, schema: Schema) -> Schema:
        reference = schema.get("$ref")
        return schema if reference is None else self._components[reference.removeprefix(PREFIX)]


def _key(type_: Any) -> Any:
    try:
        hash(type_)
    except TypeError:
        return repr(type_)  # an Annotated with a list or a dict in it
    return type_


def _readable(name: str) -> str:
    """`Page_User_` as `PageOfUser`."""
    generic = _GENERIC.fullmatch(name)
    return name if generic is None else f"{generic[1]}Of{_readable(generic[2])}"


def _renamed(value: Any, names: Mapping[str, str]) -> Any:
    if isinstance(value, list):
        return [_renamed(item, names) for item in value]
    if not isinstance(value, dict):
        return value
    renamed = {}
    for key, item in value.items():
        if key == "title" and isinstance(item, str):
            continue  # the name again
        if key == "$ref" and isinstance(item, str):
            renamed[key] = PREFIX + names[item.removeprefix(PREFIX)]
        elif key == "description" and isinstance(item, str):
            renamed[key] = inspect.cleandoc(item)
        elif key == "required" and item == []:
            continue
        else:
            renamed[key] = _renamed(item, names)
    return renamed


def _never_null(schema: Schema) -> Schema:
    some = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    kept = {name: value for name, value in schema.items() if name != "anyOf"}
    if kept.get("default", "") is None:
        del kept["default"]
    if not some:
        return kept
    return {**some[0], **kept} if len(some) == 1 else {"anyOf": some, **kept}


def _references(value: Any) -> Iterable[str]:
    if isinstance(value, list):
        for item in value:
            yield from _references(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key == "$ref" and isinstance(item, str):
                yield item.removeprefix(PREFIX)
            else:
                yield from _references(item)
