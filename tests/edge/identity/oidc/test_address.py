from __future__ import annotations

import pytest

from edge.identity.oidc.address import Reach

PUBLIC = ["1.1.1.1", "52.94.236.248", "172.32.0.1", "2606:4700::1111", "64:ff9b::1.1.1.1", "::ffff:1.1.1.1"]
NOT_PUBLIC = [
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "100.64.0.1",
    "100.100.100.200",
    "169.254.169.254",
    "192.0.0.192",
    "192.0.2.1",
    "198.18.0.1",
    "203.0.113.9",
    "168.63.129.16",
    "224.0.0.1",
    "255.255.255.255",
    "240.0.0.1",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::10.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "fe80::1",
    "fe80::1%eth0",
    "2606:4700::1111%eth0",
    "fec0::1",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "3fff::1",
    "5f00::1",
    "4000::1",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_may_be_asked(address: str) -> None:
    assert Reach().permits(address)


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_no_address_of_a_network_behind_the_public_one(address: str) -> None:
    assert not Reach().permits(address)


@pytest.mark.parametrize(
    "text", ["", "localhost", "127.1", "0x7f000001", "2130706433", "1.1.1.1 ", "01.1.1.1", "1.1.1"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    assert not Reach(["0.0.0.0/0", "::/0"]).permits(text)


def test_named_networks_are_open_and_nothing_next_to_them() -> None:
    reach = Reach(["10.20.0.0/16", "fd12:3456::/32"])
    assert all(reach.permits(address) for address in ("10.20.0.1", "::ffff:10.20.0.1", "fd12:3456::1", "1.1.1.1"))
    assert not any(reach.permits(address) for address in ("10.21.0.1", "fd12:3457::1", "127.0.0.1"))


@pytest.mark.parametrize(
    "address", ["169.254.169.254", "::ffff:169.254.169.254", "fd00:ec2::254", "168.63.129.16", "::"]
)
def test_metadata_services_stay_closed_whatever_is_allowed(address: str) -> None:
    assert not Reach(["0.0.0.0/0", "::/0"]).permits(address)


@pytest.mark.parametrize("network", ["10.0.0.1/8", "localhost", "10.0.0.0/33", ""])
def test_a_network_that_is_none_is_named(network: str) -> None:
    with pytest.raises(ValueError, match="CIDR"):
        Reach([network])
