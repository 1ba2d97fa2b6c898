"""The exchange of tests and simulations: what is lost, held back, reordered and cut off."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID, uuid4

from collab_core.bus.local import LocalExchange
from collab_core.identity import RoomKey

ROOM = RoomKey(uuid4(), "kata")
ANA, BEN, EVE = uuid4(), uuid4(), uuid4()


class Post:
    """Keeps every delivery until the test wants it."""

    def __init__(self) -> None:
        self.kept: list[tuple[UUID, UUID, Callable[[], None]]] = []

    def __call__(self, speaker: UUID, hearer: UUID, delivery: Callable[[], None]) -> None:
        self.kept.append((speaker, hearer, delivery))


async def test_messages_can_be_reordered_lost_doubled_and_late() -> None:
    post = Post()
    exchange = LocalExchange(post)
    ana, ben = exchange.join(ANA), exchange.join(BEN)
    heard: list[bytes] = []
    await ben.subscribe(ROOM, heard.append)
    for message in (b"1", b"2", b"3"):
        ana.publish(ROOM, message)
    assert heard == []
    assert [(speaker, hearer) for speaker, hearer, _ in post.kept] == [(ANA, BEN)] * 3
    for at in (2, 0, 0):  # and never 1
        post.kept[at][2]()
    assert heard == [b"3", b"1", b"1"]
    ben.unsubscribe(ROOM)
    post.kept[1][2]()
    assert heard == [b"3", b"1", b"1"]


async def test_it_is_asked_for_each_hearer_and_not_for_the_speaker() -> None:
    post = Post()
    exchange = LocalExchange(post)
    buses = [exchange.join(epoch) for epoch in (ANA, BEN, EVE)]
    for bus in buses:
        await bus.subscribe(ROOM, lambda _message: None)
    buses[0].publish(ROOM, b"to all")
    assert [(speaker, hearer) for speaker, hearer, _ in post.kept] == [(ANA, BEN), (ANA, EVE)]
    buses[1].send(EVE, ROOM, b"to one")
    assert post.kept[-1][:2] == (BEN, EVE)
    buses[2].unsubscribe(ROOM)
    buses[1].send(EVE, ROOM, b"to nobody")
    assert len(post.kept) == 3


async def test_down_it_neither_says_nor_hears_and_up_again_it_says_so() -> None:
    post = Post()
    exchange = LocalExchange(post)
    ana, ben = exchange.join(ANA), exchange.join(BEN)
    heard: list[bytes] = []
    interrupted: list[int] = []
    ben.on_interrupted(lambda: interrupted.append(1))
    await ben.subscribe(ROOM, heard.append)
    ben.go_down()
    assert [ana.up, ben.up] == [True, False]
    ana.publish(ROOM, b"while down")
    post.kept.pop()[2]()
    ben.publish(ROOM, b"unheard")
    ben.send(ANA, ROOM, b"unheard")
    assert post.kept == []
    assert (heard, interrupted) == ([], [])
    ben.come_up()
    assert [ana.up, ben.up] == [True, True]
    assert interrupted == [1]
    ana.publish(ROOM, b"after")
    post.kept.pop()[2]()
    assert heard == [b"after"]


async def test_who_left_hears_nothing_more_and_may_be_followed_by_another() -> None:
    post = Post()
    exchange = LocalExchange(post)
    ana, ben = exchange.join(ANA), exchange.join(BEN)
    heard: list[bytes] = []
    await ben.subscribe(ROOM, heard.append)
    ana.publish(ROOM, b"on its way")
    exchange.leave(BEN)
    exchange.leave(EVE)
    ana.publish(ROOM, b"after")
    assert len(post.kept) == 1
    post.kept.pop()[2]()
    assert heard == []
    await exchange.join(BEN).subscribe(ROOM, heard.append)
    ana.publish(ROOM, b"to the new one")
    post.kept.pop()[2]()
    assert heard == [b"to the new one"]
