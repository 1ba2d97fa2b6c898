"""A listener that looks into what it receives: decrypts, checks the payload, and knows how long it was under way."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from pylibsrtp import Error as SrtpError

from loadtests.voice import speech
from loadtests.voice.dtls import Keys
from loadtests.voice.session_description import RED
from loadtests.voice.speech import SpeechSpoilt, Spoken
from loadtests.voice.streams import LATE, Stream

Heard: TypeAlias = Callable[[Stream, Spoken, int], None]
"""A frame, and when its packet arrived (nanoseconds since 1970)."""


class Ear:
    """`watch` is what a client's streams are given. Retransmissions are checked, but `heard` is not told of them."""

    def __init__(self, keys: Keys, heard: Heard) -> None:
        self._session = keys.inbound()
        self._heard = heard
        self.frames = 0
        self.red = 0
        self.spoilt = 0
        self.sealed = 0
        """Packets that could not be opened."""

    def watch(self, stream: Stream, data: bytes, arrived: int) -> None:
        try:
            plain = self._session.unprotect(data)
        except SrtpError:
            self.sealed += 1
            return
        try:
            spoken = self._read(plain)
        except SpeechSpoilt:
            self.spoilt += 1
            return
        if spoken is not None:
            self.frames += 1
            if arrived != LATE:
                self._heard(stream, spoken, arrived)

    def _read(self, plain: bytes) -> Spoken | None:
        at = 12 + 4 * (plain[0] & 0x0F)
        if plain[0] & 0x10:
            at += 4 + 4 * int.from_bytes(plain[at + 2 : at + 4], "big")
        payload = plain[at:]
        if plain[1] & 0x7F == RED:
            self.red += 1
            payload = speech.primary(payload)
        return speech.heard(payload)
