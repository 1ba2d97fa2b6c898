import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from media_sfu import srtp
from media_sfu.sendmmsg import ROOM, Batch
from media_sfu.srtp import Outbound, ffi, lib
from media_sfu.udp import UdpSocket


@dataclass
class Connected:
    """The other end of a socket pair needs no address; any number but 0 stands for a datagram socket's path."""

    name: int = 1
    control: int = 0

    def send(self, data: bytes) -> None:
        raise AssertionError("only paths of no datagram socket are sent to one by one")


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Of unix datagrams: the only ones whose receiver makes the sender wait on loopback."""
    left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    for end in (left, right):
        end.setblocking(False)
    # The least the system allows: what was not read yet counts against it.
    left.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
    yield left, right
    left.close()
    right.close()


@pytest.fixture
def receiver() -> Iterator[socket.socket]:
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    opened.bind(("127.0.0.1", 0))
    opened.settimeout(5)
    yield opened
    opened.close()


@pytest.fixture
def sender() -> Iterator[UdpSocket]:
    opened = UdpSocket.bind("127.0.0.1", 0)
    yield opened
    opened.close()


def test_each_datagram_arrives_whole_at_its_own_address(sender: UdpSocket, receiver: socket.socket) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        other.settimeout(5)
        here, there = sender.path(receiver.getsockname()), sender.path(other.getsockname())
        batch = sender.batch
        for number in range(20):
            batch.put(there if number % 2 else here, bytes([number]) * (number + 1))
        assert batch.count == 20
        assert batch.flush() == 20
        assert [receiver.recv(2_000) for _ in range(10)] == [bytes([n]) * (n + 1) for n in range(0, 20, 2)]
        assert [other.recv(2_000) for _ in range(10)] == [bytes([n]) * (n + 1) for n in range(1, 20, 2)]
    assert (batch.count, batch.sent, batch.dropped, batch.refused) == (0, 20, 0, 0)


def test_a_full_batch_flushes_by_itself(sender: UdpSocket, receiver: socket.socket) -> None:
    path = sender.path(receiver.getsockname())
    batch = sender._batch(size=16)
    for number in range(35):
        batch.put(path, bytes([number]))
    assert (batch.sent, batch.count) == (32, 3)
    assert batch.flush() == 3
    assert [receiver.recv(10)[0] for _ in range(35)] == list(range(35))


def test_protecting_in_the_buffer_writes_the_length_that_is_sent(sender: UdpSocket, receiver: socket.socket) -> None:
    profile = srtp.AEAD_AES_256_GCM
    key = os.urandom(44)
    out, into = Outbound(key, profile), srtp.Inbound(key, profile)
    batch, path = sender.batch, sender.path(receiver.getsockname())
    plain = struct.pack("!BBHII", 0x80, 111, 1, 960, 7) + b"speech" * 20
    for _ in range(2):
        index = batch.count
        batch.views[index][: len(plain)] = plain
        batch.lengths[index][0] = len(plain)
        assert lib.srtp_protect(out.session, batch.pointers[index], batch.lengths[index]) == 0
        batch.commit(path)
    batch.flush()
    first, second = receiver.recv(2_000), receiver.recv(2_000)
    assert first == second
    assert len(first) == len(plain) + profile.overhead
    assert into.open(first) == plain


def test_what_failed_to_protect_and_was_not_committed_never_leaves(sender: UdpSocket, receiver: socket.socket) -> None:
    out = Outbound(os.urandom(44), srtp.AEAD_AES_256_GCM)
    out.close()
    batch, path = sender.batch, sender.path(receiver.getsockname())
    plain = struct.pack("!BBHII", 0x80, 111, 1, 960, 7) + b"plain speech" * 10
    index = batch.count
    batch.views[index][: len(plain)] = plain
    batch.lengths[index][0] = len(plain)
    assert lib.srtp_protect(out.session, batch.pointers[index], batch.lengths[index]) != 0
    batch.put(path, b"after it")
    assert batch.flush() == 1
    assert receiver.recv(2_000) == b"after it"
    receiver.setblocking(False)
    with pytest.raises(BlockingIOError):
        receiver.recv(2_000)


def test_a_batch_the_socket_takes_in_part_is_counted_and_never_waits(pair: tuple[socket.socket, socket.socket]) -> None:
    left, right = pair
    batch = Batch(left.fileno(), name_length=0, size=256)
    for number in range(200):
        batch.put(Connected(), number.to_bytes(2, "big"))
    taken = batch.flush()
    assert 0 < taken < 200
    assert (batch.sent, batch.dropped, batch.refused, batch.count) == (taken, 200 - taken, 0, 0)
    assert [int.from_bytes(right.recv(10), "big") for _ in range(taken)] == list(range(taken))
    with pytest.raises(BlockingIOError):
        right.recv(10)
    # There is room again: nothing that was dropped comes late.
    batch.put(Connected(), b"new")
    assert batch.flush() == 1
    assert right.recv(10) == b"new"


def test_a_socket_that_takes_nothing_costs_the_whole_batch(pair: tuple[socket.socket, socket.socket]) -> None:
    left, _ = pair
    batch = Batch(left.fileno(), name_length=0, size=8)
    while not batch.dropped:
        batch.put(Connected(), b"x")
    dropped = batch.dropped
    for _ in range(8):
        batch.put(Connected(), b"x")
    assert batch.dropped == dropped + 8


def test_one_impossible_address_does_not_cost_the_others(sender: UdpSocket, receiver: socket.socket) -> None:
    good = sender.path(receiver.getsockname())
    forbidden, nowhere = sender.path(("255.255.255.255", 9)), sender.path(("127.0.0.1", 0))
    for number, path in enumerate([forbidden, good, nowhere, nowhere, good, forbidden]):
        sender.batch.put(path, bytes([number]))
    assert sender.batch.flush() == 2
    assert (sender.batch.refused, sender.batch.dropped) == (4, 0)
    assert [receiver.recv(10), receiver.recv(10)] == [b"\x01", b"\x04"]


def test_after_closing_nothing_is_sent_to_whoever_has_the_number_now(sender: UdpSocket) -> None:
    path = sender.path(("127.0.0.1", 9))
    sender.batch.put(path, b"late")
    sender.close()
    assert sender.batch.flush() == 0
    path.send(b"later")
    assert sender.dropped == 2


def test_a_path_that_is_given_up_before_the_flush_is_still_sent_to(sender: UdpSocket, receiver: socket.socket) -> None:
    for number in range(50):
        sender.batch.put(sender.path(receiver.getsockname()), bytes([number]))
    sender.batch.flush()
    assert [receiver.recv(10)[0] for _ in range(50)] == list(range(50))


def test_too_long_a_datagram_is_refused(sender: UdpSocket) -> None:
    sender.batch.put(sender.path(("127.0.0.1", 9)), bytes(ROOM + 1))
    assert (sender.batch.count, sender.batch.refused) == (0, 1)


def test_pointers_views_and_memory_are_the_same_bytes(sender: UdpSocket) -> None:
    batch = sender.batch
    for index in (0, 1, batch.size - 1):
        batch.views[index][:4] = b"here"
        assert bytes(ffi.buffer(batch.pointers[index], 4)) == b"here"
        assert len(batch.views[index]) == ROOM
