"""Which network addresses may be asked on somebody else's behalf.

Whoever registers an issuer chooses where this process connects to. So only addresses of the public Internet are taken,
and those of networks the operator named. The lists follow the IANA registries of special-purpose addresses, and do not
rely on the standard library's, which differ between Python's patch releases.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Final

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def _networks(*texts: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)


_NOT_PUBLIC_V4: Final = _networks(
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",  # carrier-grade NAT; also where Alibaba's metadata service is
    "127.0.0.0/8",
    "169.254.0.0/16",  # link-local: the metadata services
    "172.16.0.0/12",
    "192.0.0.0/24",  # protocol assignments; also Oracle's metadata service
    "192.0.2.0/24",
    "192.88.99.0/24",  # 6to4 relays
    "192.168.0.0/16",
    "198.18.0.0/15",  # benchmarks
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "168.63.129.16/32",  # Azure's host, behind a public number
)
_PUBLIC_V6: Final = ipaddress.IPv6Network("2000::/3")
_NOT_PUBLIC_V6: Final = _networks(
    "2001::/23",  # protocol assignments: Teredo, ORCHID, benchmarks
    "2001:db8::/32",
    "2002::/16",  # 6to4: an IPv4 address in disguise
    "3fff::/20",
)
_NEVER: Final = _networks(
    "0.0.0.0/8",
    "169.254.0.0/16",
    "168.63.129.16/32",
    "224.0.0.0/4",
    "255.255.255.255/32",
    "::/128",
    "fe80::/10",
    "ff00::/8",
    "fd00:ec2::254/128",  # the metadata service of AWS
    "fd20:ce::254/128",  # and of Google
)
"""Refused even inside a network the operator named: `fd00::/8` would hand out the machine's own credentials."""
_CARRIES_V4: Final = _networks("::ffff:0:0/96", "64:ff9b::/96")
"""IPv4-mapped, and the well-known prefix of NAT64: what counts is the IPv4 address inside."""


class Reach:
    """The public Internet and some named networks."""

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        """`allowed` are CIDRs. Raises `ValueError` on one that is none."""
        try:
            self._allowed = tuple(ipaddress.ip_network(text) for text in allowed)
        except ValueError as error:
            raise ValueError(f"not a network in CIDR notation: {error}") from error

    def permits(self, text: str) -> bool:
        """Whether a numeric address may be connected to. What is no address may not."""
        try:
            address = _unwrapped(ipaddress.ip_address(text))
        except ValueError:
            return False
        if "%" in text or _in(address, _NEVER):
            return False
        return _in(address, self._allowed) or _is_public(address)


def _unwrapped(address: Address) -> Address:
    if isinstance(address, ipaddress.IPv6Address) and _in(address, _CARRIES_V4):
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def _is_public(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv4Address):
        return not _in(address, _NOT_PUBLIC_V4)
    return address in _PUBLIC_V6 and not _in(address, _NOT_PUBLIC_V6)


def _in(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks)
