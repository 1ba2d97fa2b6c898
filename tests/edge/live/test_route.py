"""The sync address: which paths name a room, and which room."""

from __future__ import annotations

from urllib.parse import quote
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.live.route import ROOM_BYTES, dojo_from_path, is_live, room_from_path, valid_room


@pytest.mark.parametrize(
    ("path", "room"),
    [
        ("/api/v1/rooms/kata/sync", "kata"),
        ("/api/v1/rooms/two%20words/sync", "two words"),
        ("/api/v1/rooms/a+b/sync", "a+b"),
        ("/api/v1/rooms/%C3%BC%F0%9F%A5%8B/sync", "ü🥋"),
        ("/api/v1/rooms/100%25/sync", "100%"),
        (f"/api/v1/rooms/{'x' * ROOM_BYTES}/sync", "x" * ROOM_BYTES),
        (f"/api/v1/rooms/{quote('ü' * 100)}/sync", "ü" * 100),
    ],
)
def test_a_room_is_named_by_its_percent_decoded_segment(path: str, room: str) -> None:
    assert room_from_path(path) == room


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        "/api/v1/rooms//sync",
        "/api/v1/rooms/sync",
        "/api/v1/rooms/a/b/sync",
        "/api/v1/rooms/a%2Fb/sync",
        "/api/v1/rooms/a%2fb/sync",
        "/api/v1/rooms/a/sync/",
        "/api/v1/rooms/a/sync\n",
        "x/api/v1/rooms/a/sync",
        "/API/v1/rooms/a/sync",
        "/api/v1/rooms/a%00b/sync",
        "/api/v1/rooms/a%0Ab/sync",
        "/api/v1/rooms/%7F/sync",
        "/api/v1/rooms/%C2%85/sync",
        "/api/v1/rooms/%/sync",
        "/api/v1/rooms/%G1/sync",
        "/api/v1/rooms/%FF/sync",
        "/api/v1/rooms/%ED%A0%80/sync",
        "/api/v1/rooms/%C0%AF/sync",
        f"/api/v1/rooms/{'x' * (ROOM_BYTES + 1)}/sync",
        f"/api/v1/rooms/{quote('ü' * 101)}/sync",
    ],
)
def test_other_paths_name_no_room(path: str) -> None:
    assert room_from_path(path) is None


@given(st.text(min_size=1, max_size=250))
def test_every_valid_name_comes_back_as_it_was_and_no_other_does(name: str) -> None:
    if any("\ud800" <= c <= "\udfff" for c in name):
        assert not valid_room(name)
    else:
        assert room_from_path(f"/api/v1/rooms/{quote(name, safe='')}/sync") == (name if valid_room(name) else None)


def test_a_dojos_address_names_it_by_its_id() -> None:
    dojo = "0c5b1f0a-7b1e-4a52-9d1b-0f8f0b9a3c11"
    for text in (dojo, dojo.upper()):
        assert dojo_from_path(f"/api/v1/dojos/{text}/live") == UUID(dojo)
    for path in (f"/api/v1/dojos/{dojo}", f"/api/v1/dojos/{dojo}/live/", "/api/v1/rooms/x/sync"):
        assert not is_live(path)
    for text in ("x", dojo.replace("-", ""), f"{{{dojo}}}", f"urn:uuid:{dojo}", "%30" + dojo[1:]):
        assert is_live(f"/api/v1/dojos/{text}/live")
        assert dojo_from_path(f"/api/v1/dojos/{text}/live") is None
