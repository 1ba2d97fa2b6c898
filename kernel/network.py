"""Where a request comes from: the client's address behind trusted proxies, and the network that a limit applies to.

`X-Forwarded-For` is a list to which each proxy appends the address it was called from; everything left of what our
own proxies appended was written by the client and is worth nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

LOCAL: Final = "local"
"""The address of a peer on a Unix socket."""
IPV6_PREFIX_BITS: Final = 64
"""What one subscriber gets at the least: within it they pick addresses as they like."""

_TEXT_LENGTH: Final = 64
"""Longer than any address with brackets, zone and port."""


def client_address(peer: str | None, forwarded: Sequence[str], trusted_proxies: int) -> str:
    """The client's address in its one normal form (IPv4, also when mapped into IPv6; IPv6 without zone), or `LOCAL`.

    `peer` is the socket's (empty or None: a Unix socket), `forwarded` the `X-Forwarded-For` fields in their order.
    With n trusted proxies it is the n-th entry from the right: the outermost trusted proxy wrote it. Fewer entries mean
    that somebody came in behind that proxy: the leftmost counts then. An entry that is no address counts for nothing,
    and the next one to its right, nearer to us, is taken: a limit is then shared by too many rather than by nobody.
    """
    entries: list[str] = []
    for field in reversed(forwarded):
        wanted = trusted_proxies - len(entries)
        if wanted <= 0:
            break
        # Counted from the right and no further: a forged list may be long.
        entries[:0] = field.rsplit(",", wanted)[-wanted:]
    for entry in entries:
        address = _parse(entry)
        if address is not None:
            return str(address)
    return _of_peer(peer)


def prefix_of(address: str) -> str:
    """The network a limit applies to: of IPv4 the address itself (/32), of IPv6 its /64. `LOCAL` is its own."""
    if address == LOCAL:
        return LOCAL
    parsed = ip_address(address)
    bits = parsed.max_prefixlen if parsed.version == 4 else IPV6_PREFIX_BITS
    return str(ip_network((parsed, bits), strict=False))


def _of_peer(peer: str | None) -> str:
    address = _parse(peer or "")
    return str(address) if address is not None else LOCAL


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    """An address as proxies write it: bare, `1.2.3.4:56` or `[2001:db8::1]:56`."""
    text = text.strip()
    if len(text) > _TEXT_LENGTH:
        return None
    if text.startswith("["):
        text, closing, port = text[1:].partition("]")
        if not closing or (port and not _is_port(port)):
            return None
    elif text.count(":") == 1:
        text, separator, port = text.partition(":")
        if not _is_port(separator + port):
            return None
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def _is_port(text: str) -> bool:
    return text.startswith(":") and text[1:].isascii() and text[1:].isdigit() and len(text) <= 6
