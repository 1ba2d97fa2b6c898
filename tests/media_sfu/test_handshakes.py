from __future__ import annotations

from collections.abc import Callable

from media_sfu.handshakes import MOST_WAITING, Handshakes


class Turns:
    def __init__(self) -> None:
        self._soon: list[Callable[[], None]] = []

    def soon(self, what: Callable[[], None]) -> None:
        self._soon.append(what)

    def one(self) -> bool:
        """The next turn of the loop; whether anything happened in it."""
        soon, self._soon = self._soon, []
        for what in soon:
            what()
        return bool(soon)


class Receiver:
    def __init__(self) -> None:
        self.received: list[bytes] = []

    def receive(self, data: bytes) -> None:
        if data == b"fault":
            raise RuntimeError("by design")
        self.received.append(data)


def test_one_datagram_a_turn_in_rotation() -> None:
    turns, first, second = Turns(), Receiver(), Receiver()
    handshakes = Handshakes(turns.soon)
    for data in (b"1", b"2", b"3"):
        handshakes.put(first, data)
    handshakes.put(second, b"a")
    seen = []
    while turns.one():
        seen.append((len(first.received), len(second.received)))
    assert seen == [(1, 0), (1, 1), (2, 1), (3, 1)]
    assert first.received == [b"1", b"2", b"3"]
    handshakes.put(first, b"4")
    assert turns.one()
    assert first.received[-1] == b"4"
    assert not turns.one()


def test_one_peer_fills_only_its_own_places() -> None:
    turns, flood, other = Turns(), Receiver(), Receiver()
    handshakes = Handshakes(turns.soon)
    for number in range(MOST_WAITING + 10):
        handshakes.put(flood, b"%d" % number)
    handshakes.put(other, b"a")
    assert handshakes.dropped == 10
    turns.one()
    turns.one()
    assert other.received == [b"a"]
    while turns.one():
        pass
    assert len(flood.received) == MOST_WAITING


def test_a_fault_stops_nobody_else() -> None:
    turns, faulty, other = Turns(), Receiver(), Receiver()
    handshakes = Handshakes(turns.soon)
    handshakes.put(faulty, b"fault")
    handshakes.put(other, b"a")
    faults = 0
    for _ in range(3):
        try:
            turns.one()
        except RuntimeError:
            faults += 1
    assert faults == 1
    assert other.received == [b"a"]
