from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.network import LOCAL, client_address, prefix_of

PROXY = "10.0.0.1"


@pytest.mark.parametrize(
    ("forwarded", "trusted", "client"),
    [
        ([], 0, PROXY),
        (["203.0.113.7"], 0, PROXY),
        ([], 1, PROXY),
        (["203.0.113.7"], 1, "203.0.113.7"),
        # Left of what our proxies appended the client may have written anything.
        (["198.51.100.1, 203.0.113.7"], 1, "203.0.113.7"),
        (["198.51.100.1, 203.0.113.7, 10.0.0.2"], 2, "203.0.113.7"),
        # Several fields are one list.
        (["198.51.100.1, 203.0.113.7", "10.0.0.2"], 2, "203.0.113.7"),
        (["198.51.100.1", "203.0.113.7", "10.0.0.3 , 10.0.0.2"], 3, "203.0.113.7"),
        # Came in behind the outermost proxy.
        (["203.0.113.7"], 2, "203.0.113.7"),
        # No address: the next one nearer to us.
        (["unknown"], 1, PROXY),
        ([""], 1, PROXY),
        (["203.0.113.7,"], 1, PROXY),
        (["garbage, 10.0.0.2"], 2, "10.0.0.2"),
        (["203.0.113.7, garbage"], 2, "203.0.113.7"),
        (["x" * 100_000], 1, PROXY),
        (["1.2.3.4.5"], 1, PROXY),
        (["010.1.1.1"], 1, PROXY),
    ],
)
def test_the_client_is_what_the_outermost_trusted_proxy_saw(forwarded: list[str], trusted: int, client: str) -> None:
    assert client_address(PROXY, forwarded, trusted) == client


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("203.0.113.7:4711", "203.0.113.7"),
        ("2001:DB8::0001", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:db8::1]:4711", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("[::ffff:203.0.113.7]:80", "203.0.113.7"),
        ("203.0.113.7:", PROXY),
        ("203.0.113.7:port", PROXY),
        ("203.0.113.7:999999", PROXY),
        ("[2001:db8::1", PROXY),
        ("[2001:db8::1]4711", PROXY),
    ],
)
def test_an_address_has_one_form_however_it_was_written(written: str, meant: str) -> None:
    assert client_address(PROXY, [written], 1) == meant


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("::ffff:127.0.0.1", "127.0.0.1"),
        ("fe80::1%eth0", "fe80::1"),
        ("", LOCAL),
        (None, LOCAL),
        ("/run/dojo.sock", LOCAL),
    ],
)
def test_the_peer_of_a_socket(peer: str | None, address: str) -> None:
    assert client_address(peer, [], 1) == address


def test_a_proxy_on_a_unix_socket_is_believed_like_any_other() -> None:
    assert client_address("", ["203.0.113.7"], 1) == "203.0.113.7"
    assert client_address("", ["203.0.113.7"], 0) == LOCAL


@given(st.text(max_size=200), st.lists(st.ip_addresses().map(str), max_size=3))
def test_what_a_client_writes_itself_changes_nothing(forged: str, hops: list[str]) -> None:
    seen = "203.0.113.7"
    header = ", ".join([forged, seen, *hops])
    assert client_address(PROXY, [header], 1 + len(hops)) == seen


@given(st.lists(st.text(max_size=80), max_size=4), st.integers(0, 5))
def test_whatever_comes_in_an_address_comes_out(forwarded: list[str], trusted: int) -> None:
    address = client_address(PROXY, forwarded, trusted)
    assert str(ip_address(address)) == address


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.7/32"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("::1", "::/64"),
        (LOCAL, LOCAL),
    ],
)
def test_the_network_that_a_limit_applies_to(address: str, network: str) -> None:
    assert prefix_of(address) == network
