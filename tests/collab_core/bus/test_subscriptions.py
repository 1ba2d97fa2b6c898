"""What Redis is told, against a Redis that is a set of channels and answers late."""

from __future__ import annotations

from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from collab_core.bus.subscriptions import Subscriptions

STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["want", "unwant"]), st.sampled_from([b"a", b"b", b"c"])),
        st.tuples(st.sampled_from(["tell", "answer", "begin"]), st.just(b"")),
    ),
    max_size=60,
)


def ignore(_message: bytes) -> None:
    """Hears, and that is all."""


class Server:
    """The far end of one connection."""

    def __init__(self) -> None:
        self.subscribed: set[bytes] = set()
        self.answers: deque[bytes] = deque()

    def tell(self, subscriptions: Subscriptions) -> None:
        for verb, names in subscriptions.commands(2):
            assert 1 <= len(names) <= 2
            for name in names:
                if verb == b"SUBSCRIBE":
                    self.subscribed.add(name)
                else:
                    assert verb == b"UNSUBSCRIBE"
                    self.subscribed.remove(name)
                self.answers.append(name)


@given(STEPS)
def test_in_the_end_redis_sends_what_is_wanted_and_nothing_else(steps: list[tuple[str, bytes]]) -> None:
    subscriptions, server = Subscriptions(), Server()
    wanted: set[bytes] = set()
    for step, name in steps:
        if step == "want":
            subscriptions.want(name, ignore)
            wanted.add(name)
        elif step == "unwant":
            subscriptions.unwant(name)
            wanted.discard(name)
        elif step == "tell":
            server.tell(subscriptions)
        elif step == "begin":
            server = Server()
            subscriptions.begin()
        elif server.answers:
            answered = server.answers.popleft()
            confirmed = subscriptions.answered(answered)
            assert not confirmed or subscriptions.confirmed(answered)
        for each in (b"a", b"b", b"c"):
            assert (subscriptions.heard(each) is not None) == (each in wanted)
            # Confirmed may be what is not wanted any more, and never what Redis does not send.
            assert not subscriptions.confirmed(each) or each in server.subscribed
    server.tell(subscriptions)
    while server.answers:
        subscriptions.answered(server.answers.popleft())
    assert server.subscribed == wanted
    assert {each for each in (b"a", b"b", b"c") if subscriptions.confirmed(each)} == wanted
    assert len(subscriptions) == len(wanted)  # nothing of the others is left


def test_commands_are_batches_in_the_order_of_wishes() -> None:
    subscriptions = Subscriptions()
    for name in (b"a", b"b", b"c", b"a"):
        subscriptions.want(name, ignore)
    assert subscriptions.commands(2) == [(b"SUBSCRIBE", [b"b", b"c"]), (b"SUBSCRIBE", [b"a"])]
    assert subscriptions.commands(2) == []
    subscriptions.unwant(b"b")
    subscriptions.want(b"d", ignore)
    subscriptions.unwant(b"a")
    subscriptions.want(b"a", ignore)  # nothing to tell: it is as it was
    assert subscriptions.commands(2) == [(b"UNSUBSCRIBE", [b"b"]), (b"SUBSCRIBE", [b"d"])]


def test_confirmed_is_what_was_answered_for_the_last_time() -> None:
    subscriptions = Subscriptions()
    subscriptions.want(b"a", ignore)
    assert not subscriptions.confirmed(b"a")
    subscriptions.commands(9)
    subscriptions.unwant(b"a")
    subscriptions.commands(9)
    subscriptions.want(b"a", ignore)
    subscriptions.commands(9)
    assert [subscriptions.answered(b"a") for _ in range(3)] == [False, False, True]
    assert subscriptions.confirmed(b"a")
    assert not subscriptions.answered(b"a")  # an answer nobody asked for
    assert not subscriptions.answered(b"unknown")
    subscriptions.begin()
    assert not subscriptions.confirmed(b"a")
    assert subscriptions.commands(9) == [(b"SUBSCRIBE", [b"a"])]
