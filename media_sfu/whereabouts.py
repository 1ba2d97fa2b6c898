"""Whose a datagram is: by the address it came from, and by the name that a STUN request calls.

An address is whose ICE has it. Where two claim one, it is whose it is proven to be, by the younger proof: an address
that somebody only says is theirs takes nothing away from anybody.
"""

from __future__ import annotations

from typing import Any, Final

from media_sfu import stun
from media_sfu.peer import Path, Peer
from media_sfu.tcp import TcpPath

_SUCCESS: Final = 0x01
"""First byte of a STUN answer, success or failure; requests have 0 (RFC 8489, 5)."""


class Whereabouts:
    """`by_path` is read for every datagram; `settle` writes it whenever a peer's ICE has found something out."""

    def __init__(self) -> None:
        self.by_path: dict[Any, Peer] = {}
        self._claims: dict[Any, Peer] = {}
        """Who else says that such an address is theirs, the last of them."""
        self._by_fragment: dict[str, Peer] = {}
        self.malformed = 0
        """STUN from unknown addresses that cannot be read."""
        self.unknown = 0
        """And that names nobody who is here."""

    def asked(self, data: bytes, path: Path) -> tuple[Peer, ...]:
        """Whom a STUN message is for."""
        peer = self.by_path.get(path)
        if data[0] == _SUCCESS:
            # The answer to a check. Transaction ids tell whose check: the others take no notice.
            claim = self._claims.get(path)
            found = (peer, claim) if claim is not peer else (peer,)
            told = tuple(one for one in found if one is not None)
            self.unknown += not told
            return told
        # Nearly all requests come from an address known to be of the peer they name.
        if peer is not None and any(fragment.encode() in data for fragment in peer.fragments):
            return (peer,)
        named = self._named(data)
        if named is not None:
            return (named,)
        return () if peer is None else (peer,)

    def settle(self, peer: Peer) -> None:
        """Look again at what the peer's ICE says: where it is, and what it is called."""
        agent = peer.agent
        paths = set(agent.paths)
        for path in peer.paths - paths:
            self._leave(peer, path)
        for path in paths:
            holder = self.by_path.get(path)
            if holder is peer:
                continue
            if holder is None or agent.valid(path) or not holder.agent.valid(path):
                self.by_path[path] = peer
                if self._claims.get(path) is peer:
                    del self._claims[path]
            else:
                self._claims[path] = peer
        peer.paths = paths
        fragments = set(agent.fragments)
        for fragment in peer.fragments - fragments:
            self._by_fragment.pop(fragment, None)
        for fragment in fragments:
            self._by_fragment[fragment] = peer
        peer.fragments = fragments

    def forget(self, peer: Peer) -> None:
        """Nothing is known of it any more; connections of its own are closed."""
        for path in peer.paths:
            self._leave(peer, path)
        for fragment in peer.fragments:
            self._by_fragment.pop(fragment, None)
        peer.paths, peer.fragments = set(), set()

    def __len__(self) -> int:
        """Addresses known."""
        return len(self.by_path)

    def _leave(self, peer: Peer, path: Any) -> None:
        if self._claims.get(path) is peer:
            del self._claims[path]
        if self.by_path.get(path) is not peer:
            return
        claim = self._claims.pop(path, None)
        if claim is not None:
            self.by_path[path] = claim
            return
        del self.by_path[path]
        if isinstance(path, TcpPath):
            path.close()

    def _named(self, data: bytes) -> Peer | None:
        """Whom a request calls: the first half of its USERNAME (RFC 8445, 7.2.2)."""
        try:
            username = stun.parse(data).username
        except stun.StunError:
            self.malformed += 1
            return None
        peer = None if username is None else self._by_fragment.get(username.partition(":")[0])
        self.unknown += peer is None
        return peer
