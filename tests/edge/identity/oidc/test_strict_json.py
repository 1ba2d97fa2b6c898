from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.identity.oidc.strict_json import NotStrictJson, read_object


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"[]",
        b'"text"',
        b"{",
        b'{"a": 1, "a": 1}',
        b'{"a": {"b": 1, "b": 2}}',
        b'{"a": 1, "\\u0061": 2}',
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": "\xff"}',
        b'{"a": "\\ud800"}',
        b'{"\\udfff": 1}',
        b'{"a": [["\\udc00"]]}',
        b'\xef\xbb\xbf{"a": 1}',
        b'{"a": 1} x',
        b'{"a": ' + b"9" * 5000 + b"}",
        b'{"a":' * 10_000,
        b'{"a":' + b"[" * 30_000,
    ],
)
def test_refuses(document: bytes) -> None:
    with pytest.raises(NotStrictJson):
        read_object(document)


def test_pairs_of_surrogates_are_one_character() -> None:
    assert read_object(b'{"a": "\\ud83d\\ude00", "b": 1e400}') == {"a": "\U0001f600", "b": float("inf")}


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.booleans() | st.none() | st.lists(st.text())))
def test_reads_what_json_writes(value: dict[str, Any]) -> None:
    assert read_object(json.dumps(value).encode()) == value
    assert read_object(json.dumps(value, ensure_ascii=False).encode()) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_an_object_or_refused(document: bytes) -> None:
    try:
        value = read_object(document)
    except NotStrictJson:
        value = {}
    assert isinstance(value, dict)
