"""The chat of one open room: who said what here, and who was shown how much of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from uuid import UUID

from collab_core.member import Member
from collab_core.rate import TokenBucket
from edge.dojos.chat_text import NotSaid, chat_text
from edge.live import chat, outgoing
from edge.live.chat import Conversation, Said, ToSay
from edge.live.incoming import ChatMessage, Complaint


class Talk:
    """`members` are the room's connections, as they are at any moment; `say` has a message stored and then shown, or
    says that too many wait already."""

    def __init__(
        self,
        said: Iterable[Said],
        members: Mapping[int, Member],
        say: Callable[[ToSay], bool],
        monotonic: Callable[[], float],
    ) -> None:
        self._conversation = Conversation(said)
        self._members = members
        self._say = say
        self._now = monotonic
        self._shown: dict[int, int] = {}  # connection -> the last message it was shown
        self._buckets: dict[UUID, TokenBucket] = {}

    def joined(self, member: Member, since: str) -> None:
        """Show what the newcomer lacks, whose last message is `since`."""
        self._show(member, self._conversation.since(since))

    def drained(self, member: Member) -> None:
        """Show what it missed."""
        self._show(member, self._conversation.after(self._shown.get(member.number, 0)))

    def left(self, member: Member) -> None:
        """A connection is gone."""
        self._shown.pop(member.number, None)

    def forget(self, user: UUID) -> None:
        """Somebody has left."""
        self._buckets.pop(user, None)

    def told(self, member: Member, message: ChatMessage) -> None:
        """Somebody says something. Raises `Complaint`."""
        try:
            text = chat_text(message.content)
        except NotSaid as refused:
            raise Complaint(refused.code, refused.message) from None
        admission, now = member.admission, self._now()
        bucket = self._buckets.get(admission.user)
        if bucket is None:
            bucket = self._buckets[admission.user] = TokenBucket(chat.PER_SECOND, chat.BURST, now)
        if not bucket.take(now):
            raise Complaint("too_many_messages", "wait a moment before the next message")
        if not self._say(ToSay(member.number, admission.user, admission.name, text, message.ref)):
            raise Complaint("busy", "too many messages wait to be stored; try again")

    def said(self, messages: Sequence[Said], asked: Sequence[ToSay] = ()) -> None:
        """Messages that the database holds now, in its order. `asked`: what was said here to become them, in the same
        order."""
        refs = {said.id: to_say for said, to_say in zip(messages, asked, strict=False) if to_say.ref is not None}
        for said in messages:
            if (frame := self._conversation.add(said)) is None:
                continue
            own = refs.get(said.id)
            for member in list(self._members.values()):
                if own is not None and member.number == own.member:
                    member.say(said.message(own.ref))
                elif member.speaks_json:
                    member.write(frame)
                if not member.paused:
                    self._shown[member.number] = self._conversation.end

    def unsaid(self, asked: Sequence[ToSay]) -> None:
        """Messages that could not be stored: their authors may try again."""
        for said in asked:
            if (member := self._members.get(said.member)) is not None:
                member.say(outgoing.error(Complaint("chat_unavailable", "the message was not stored"), said.ref))

    def _show(self, member: Member, frames: Iterable[bytes]) -> None:
        if member.speaks_json:
            for frame in frames:
                member.write(frame)
        if not member.paused:
            self._shown[member.number] = self._conversation.end
