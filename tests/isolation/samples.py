"""Requests that fit an operation, made from its description alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final
from uuid import UUID

Schema = Mapping[str, Any]
Ids = Callable[[str], UUID]
"""Which id to put where a field of that name wants one."""

_TEXTS: Final = {
    "email": "somebody@example.com",
    "password": "a quite long phrase",
    "currentPassword": "a quite long phrase",
    "newPassword": "another long phrase",
    "issuer": "https://id.example.com",
}
"""Fields whose text must have a form that no schema says, or says by a pattern."""
_OTHER_TEXT: Final = "something"


class Samples:
    """Makes requests for the operations of one OpenAPI document."""

    def __init__(self, document: Schema) -> None:
        self._document = document

    def body(self, operation: Schema, ids: Ids) -> Any:
        """A body with every field of it, or None if it takes none."""
        if "requestBody" not in operation:
            return None
        ((_, content),) = operation["requestBody"]["content"].items()
        return self._value("", content["schema"], ids)

    def sent(self, operation: Schema, ids: Ids) -> dict[str, Any]:
        """The body as aiohttp's client takes it, and what headers the operation takes."""
        headers = {name: '"something"' for name, _ in self._parameters(operation, "header") if name == "If-Match"}
        body = self.body(operation, ids)
        if body is None:
            return {"headers": headers}
        (media_type,) = operation["requestBody"]["content"]
        data = json.dumps(body) if media_type == "application/json" else str(body)
        return {"data": data.encode(), "headers": {**headers, "Content-Type": media_type}}

    def query(self, operation: Schema, ids: Ids) -> dict[str, str]:
        """Every parameter of the query that is an id."""
        return {name: str(ids(name)) for name, schema in self._parameters(operation, "query") if _is_id(schema)}

    def path(self, path: str, operation: Schema, ids: Ids) -> str:
        """The path with its parameters filled in."""
        for name, schema in self._parameters(operation, "path"):
            path = path.replace("{" + name + "}", str(ids(name)) if _is_id(schema) else _OTHER_TEXT)
        return path

    def ids(self, path: str, operation: Schema) -> set[str]:
        """The names of all fields of a request that are ids."""
        seen: set[str] = set()

        def note(name: str) -> UUID:
            seen.add(name)
            return UUID(int=0)

        self.path(path, operation, note)
        self.query(operation, note)
        self.body(operation, note)
        return seen

    def _parameters(self, operation: Schema, where: str) -> list[tuple[str, Schema]]:
        found = [self._resolved(parameter) for parameter in operation.get("parameters", ())]
        return [(each["name"], self._one(each["schema"])) for each in found if each["in"] == where]

    def _value(self, name: str, schema: Schema, ids: Ids) -> Any:
        schema = self._one(schema)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return schema["enum"][0]
        kind = schema.get("type")
        if kind == "object":
            return {key: self._value(key, value, ids) for key, value in schema.get("properties", {}).items()}
        if kind == "array":
            return [self._value(name, schema["items"], ids)]
        if kind == "boolean":
            return False
        if kind in ("integer", "number"):
            return schema.get("minimum", 1)
        assert kind == "string", (name, schema)
        if _is_id(schema):
            return str(ids(name))
        return "2026-01-01T00:00:00Z" if schema.get("format") == "date-time" else _TEXTS.get(name, _OTHER_TEXT)

    def _one(self, schema: Schema) -> Schema:
        """A schema without references and alternatives: the first that is not null."""
        schema = self._resolved(schema)
        for key in ("anyOf", "oneOf", "allOf"):
            if key in schema:
                return self._one(next(each for each in schema[key] if each.get("type") != "null"))
        return schema

    def _resolved(self, value: Schema) -> Schema:
        while "$ref" in value:
            found: Any = self._document
            for part in value["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            value = found
        return value


def _is_id(schema: Schema) -> bool:
    return schema.get("format") == "uuid"
