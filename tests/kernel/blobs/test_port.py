from __future__ import annotations

import pytest

from kernel.blobs.port import LONGEST_KEY, BlobKeyRefused, checked_key


@pytest.mark.parametrize("key", ["a", "a/b.opus", "0f/1-2_3/4.json", "a..b/c", "x" * 128])
def test_a_key_is_a_path_of_plain_names(key: str) -> None:
    assert checked_key(key) == key


@pytest.mark.parametrize(
    "key",
    [
        "",
        "/",
        "/a",
        "a/",
        "a//b",
        ".",
        "..",
        "a/../b",
        "a/.b",
        "-a",
        "a b",
        "a\\b",
        "a\0",
        "a\n",
        "ä",
        "C:",
        "a/" * 300 + "a",
    ],
)
def test_what_could_lead_elsewhere_is_refused(key: str) -> None:
    with pytest.raises(BlobKeyRefused):
        checked_key(key)


def test_a_key_has_a_longest() -> None:
    long = "/".join(["x" * 63] * 8) + "y"
    assert len(checked_key(long)) == LONGEST_KEY
    with pytest.raises(BlobKeyRefused):
        checked_key(long + "y")
