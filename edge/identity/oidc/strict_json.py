"""JSON objects as two parsers cannot read them differently (RFC 7493): UTF-8, no name twice, no half surrogates."""

from __future__ import annotations

import json
from typing import Any, NoReturn


class NotStrictJson(ValueError):
    """The bytes are no such object. Nothing of them is quoted."""


def read_object(document: bytes) -> dict[str, Any]:
    """The object that `document` is; raises `NotStrictJson`."""
    try:
        text = document.decode("utf-8")
        value = json.loads(text, object_pairs_hook=_no_name_twice, parse_constant=_refuse)
        if "\\u" in text:
            # An escaped half surrogate is a str that cannot be written anywhere.
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError):
        raise NotStrictJson("not a strict JSON object") from None
    if not isinstance(value, dict):
        raise NotStrictJson("not a JSON object")
    return value


def _no_name_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise NotStrictJson("a name appears twice")
    return members


def _refuse(_: str) -> NoReturn:
    raise NotStrictJson("NaN and infinities are no JSON")
