"""The bounded way out."""

from __future__ import annotations

from collab_core.bus.outgoing import Outgoing


def test_what_waits_is_taken_in_order_as_much_as_fits() -> None:
    outgoing = Outgoing(10, 100)
    for command in (b"aaaa", b"bb", b"cccc", b"d"):
        assert outgoing.offer(command)
    assert (len(outgoing), outgoing.size) == (4, 11)
    assert outgoing.take(6) == [b"aaaa", b"bb"]
    assert outgoing.take(3) == [b"cccc"]  # more than fits, but it has to go
    assert (len(outgoing), outgoing.size) == (1, 1)
    assert outgoing.take(3) == [b"d"]
    assert outgoing.take(3) == []
    assert (len(outgoing), outgoing.size) == (0, 0)


def test_it_is_bounded_in_number() -> None:
    outgoing = Outgoing(2, 100)
    assert [outgoing.offer(command) for command in (b"a", b"b", b"c")] == [True, True, False]
    assert outgoing.take(100) == [b"a", b"b"]
    assert outgoing.offer(b"d")


def test_it_is_bounded_in_bytes_but_for_one() -> None:
    outgoing = Outgoing(10, 5)
    assert outgoing.offer(bytes(9))
    assert not outgoing.offer(b"a")
    assert outgoing.take(1) == [bytes(9)]
    assert [outgoing.offer(command) for command in (b"abc", b"de", b"f")] == [True, True, False]


def test_it_can_be_dropped() -> None:
    outgoing = Outgoing(10, 5)
    outgoing.offer(b"a")
    outgoing.offer(b"b")
    assert outgoing.clear() == 2
    assert (len(outgoing), outgoing.size, outgoing.take(9)) == (0, 0, [])
