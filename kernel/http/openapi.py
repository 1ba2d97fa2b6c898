"""The API's description as an OpenAPI 3.1 document, made from the operations themselves."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from inspect import isclass
from typing import Any, Final

import msgspec
from aiohttp import web

from kernel.http import idempotency
from kernel.http.operation import SIGNED_IN, Operation, Role
from kernel.http.problem import PROBLEM_TYPE
from kernel.http.router import AUTHENTICATION_PROBLEMS
from kernel.http.schemas import PREFIX, Schema, Schemas

PROBLEM: Final = "Problem"
_BEARER: Final = "accessToken"

_ALWAYS: Final[Mapping[str, int]] = {
    "invalid_query": 400,
    "too_many_requests": 429,
    "internal_error": 500,
    "conflict_with_others": 503,
    "database_busy": 503,
    "database_unavailable": 503,
}
_WITH_A_BODY: Final[Mapping[str, int]] = {
    "invalid_body": 400,
    "invalid_text": 400,
    "request_timeout": 408,
    "body_too_large": 413,
    "unsupported_media_type": 415,
    "unsupported_content_encoding": 415,
}
_IDEMPOTENT: Final[Mapping[str, int]] = {
    "invalid_idempotency_key": 400,
    "request_in_progress": 409,
    "answer_lost": 409,
    "idempotency_key_reused": 422,
}
_HEADERS: Final[Mapping[str, Schema]] = {
    "X-Request-ID": {
        "description": "The request's id: the one sent, if it has 1 to 64 letters, digits, dots, dashes or"
        " underscores, else a new one. Log lines carry it.",
        "schema": {"type": "string"},
    },
    "Retry-After": {"description": "Whole seconds to wait.", "schema": {"type": "integer", "minimum": 1}},
    "WWW-Authenticate": {"description": "The scheme that is asked for (RFC 6750).", "schema": {"type": "string"}},
    "Idempotency-Replayed": {
        "description": "`true`: this answer was given before, to the same key.",
        "schema": {"type": "string", "enum": ["true"]},
    },
}
_PROBLEM_SCHEMA: Final[Schema] = {
    "description": "What went wrong (RFC 9457). `code` is stable and for programs, `detail` is for people.",
    "type": "object",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
    },
    "required": ["type", "title", "status", "code", "detail"],
}


def document(operations: Sequence[Operation], *, title: str, version: str, description: str) -> dict[str, Any]:
    """The whole document. Raises `ValueError` when two operations have one name, or one method and path."""
    for of in (lambda each: each.name, lambda each: f"{each.method} {each.path}"):
        twice = [name for name, number in Counter(map(of, operations)).items() if number > 1]
        if twice:
            raise ValueError(f"more than one operation is {', '.join(twice)}")
    spoken = [type_ for operation in operations for type_ in _spoken(operation)]
    schemas = Schemas([*spoken, *(operation.query for operation in operations if operation.query is not None)])
    components = schemas.components(spoken)
    if PROBLEM in components:
        raise ValueError(f"{PROBLEM} is the name of what every operation may answer with")
    paths: dict[str, dict[str, Any]] = {}
    for operation in sorted(operations, key=lambda each: (each.path, _METHODS.index(each.method))):
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, schemas)
    shared = _shared_responses(paths)
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version, "description": description},
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in dict.fromkeys(operation.tag for operation in operations)],
        "paths": paths,
        "components": {
            "schemas": {**components, PROBLEM: _PROBLEM_SCHEMA},
            "headers": dict(_HEADERS),
            "responses": shared,
            "securitySchemes": {_BEARER: {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def problems_of(operation: Operation) -> dict[str, int]:
    """Every code the operation may answer with, and its status."""
    codes = dict(_ALWAYS)
    if operation.access is not None:
        codes.update(AUTHENTICATION_PROBLEMS)
        if operation.access != SIGNED_IN:
            codes["forbidden"] = 403
        if operation.parameters:
            codes["not_found"] = 404
    if operation.body is not None:
        codes.update(_WITH_A_BODY)
    if operation.query is not None:
        codes["invalid_text"] = 400
    if operation.idempotent:
        codes.update(_IDEMPOTENT)
    codes.update(operation.problems)
    return codes


_METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")


def _spoken(operation: Operation) -> Iterator[Any]:
    if operation.body is not None:
        yield operation.body
    if operation.result is not None and not _raw(operation):
        yield operation.result


def _raw(operation: Operation) -> bool:
    return isclass(operation.result) and issubclass(operation.result, web.StreamResponse)


def _operation(operation: Operation, schemas: Schemas) -> Schema:
    described: Schema = {"operationId": operation.name, "tags": [operation.tag], "summary": operation.summary}
    if operation.description:
        described["description"] = operation.description
    described["security"] = [] if operation.access is None else [{_BEARER: []}]
    if operation.access is not None:
        described["x-roles"] = [role.value for role in Role if role in operation.access]
    if parameters := list(_parameters(operation, schemas)):
        described["parameters"] = parameters
    if operation.body is not None:
        described["requestBody"] = {
            "required": True,
            "content": {operation.body_type: {"schema": schemas.of(operation.body)}},
        }
    described["responses"] = _responses(operation, schemas)
    return described


def _parameters(operation: Operation, schemas: Schemas) -> Iterator[Schema]:
    for name in operation.parameters:
        schema: Schema = {"type": "string"}
        if operation.access is not None or name.endswith("Id"):
            schema["format"] = "uuid"
        yield {"name": name, "in": "path", "required": True, "schema": schema}
    if operation.query is not None:
        for name, schema, required in schemas.fields(operation.query):
            yield {"name": name, "in": "query", "required": required, "schema": schema}
    if operation.takes_if_match:
        yield {
            "name": "If-Match",
            "in": "header",
            "required": False,
            "description": "The ETag that was told last, in quotes, or `*`. Without it: 428.",
            "schema": {"type": "string", "maxLength": 200},
        }
    if operation.idempotent:
        yield {
            "name": idempotency.HEADER,
            "in": "header",
            "required": False,
            "description": "Of the caller's choice, the same when a request is repeated: it is then done once, and"
            " answered alike for 24 hours.",
            "schema": {"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[!-~]+$"},
        }


def _responses(operation: Operation, schemas: Schemas) -> Schema:
    good: Schema = {"description": HTTPStatus(operation.status).phrase, "headers": _header("X-Request-ID")}
    if operation.idempotent:
        good["headers"] |= _header("Idempotency-Replayed")
    if operation.result is not None:
        schema: Schema = {"type": "string"} if _raw(operation) else schemas.of(operation.result)
        if _raw(operation) and operation.media_type == "application/json":
            schema = {}
        good["content"] = {operation.media_type: {"schema": schema}}
    responses = {str(operation.status): good}
    if operation.may_be_empty:
        responses["204"] = {"description": HTTPStatus(204).phrase, "headers": _header("X-Request-ID")}
    by_status: dict[int, list[str]] = defaultdict(list)
    for code, status in problems_of(operation).items():
        by_status[status].append(code)
    for status, codes in sorted(by_status.items()):
        headers = _header("X-Request-ID")
        if status in (429, 503):
            headers |= _header("Retry-After")
        if status == 401 and operation.access is not None:
            headers |= _header("WWW-Authenticate")
        responses[str(status)] = {
            "description": HTTPStatus(status).phrase,
            "headers": headers,
            "content": {
                PROBLEM_TYPE: {
                    "schema": {
                        "allOf": [{"$ref": PREFIX + PROBLEM}],
                        "properties": {"status": {"const": status}, "code": {"enum": sorted(codes)}},
                    }
                }
            },
        }
    return responses


def _shared_responses(paths: Mapping[str, Mapping[str, Schema]]) -> Schema:
    """Per status the problem that most operations answer alike, as a component; they refer to it then."""
    by_status: dict[str, dict[bytes, list[Schema]]] = defaultdict(lambda: defaultdict(list))
    for path in paths.values():
        for operation in path.values():
            for status, response in operation["responses"].items():
                if PROBLEM_TYPE in response.get("content", ()):
                    by_status[status][msgspec.json.encode(response)].append(operation["responses"])
    shared: Schema = {}
    for status, alike in sorted(by_status.items()):
        encoded, users = max(alike.items(), key=lambda each: len(each[1]))
        if len(users) > 1:
            name = "".join(word.capitalize() for word in HTTPStatus(int(status)).phrase.replace("-", " ").split())
            shared[name] = msgspec.json.decode(encoded)
            for responses in users:
                responses[status] = {"$ref": f"#/components/responses/{name}"}
    return shared


def _header(name: str) -> Schema:
    return {name: {"$ref": f"#/components/headers/{name}"}}


def text_of(described: Mapping[str, Any]) -> str:
    """The document as it is committed and served: indented, always the same for the same operations."""
    return msgspec.json.format(msgspec.json.encode(described), indent=2).decode() + "\n"
