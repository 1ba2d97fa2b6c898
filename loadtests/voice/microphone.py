"""A synthetic speaker: 50 packets a second while it speaks, evenly, with level and RED as browsers send them."""

from __future__ import annotations

import enum
import random
import struct
import time
from typing import Final

from loadtests.voice import rtcp, speech
from loadtests.voice.client import Client
from loadtests.voice.pace import Pacer
from loadtests.voice.session_description import OPUS, RED
from loadtests.voice.speech import FRAME_SAMPLES, FRAME_SECONDS, Spoken

REPORT_SECONDS: Final = 5.0
_HEADER: Final = struct.Struct("!BBHII")
_EXTENSION: Final = struct.Struct("!HHBBxx")
_ONE_BYTE: Final = 0xBEDE
_DTX_EVERY: Final = 20
"""Frames between two packets of silence: 400 ms, as Opus has it."""


class Mode(enum.Enum):
    """What is before the microphone."""

    LOUD = enum.auto()
    """Somebody speaks, some 20 dB below the loudest."""
    QUIET = enum.auto()
    """A room's noise, 70 dB below, sent in full."""
    DTX = enum.auto()
    """A room's noise that the encoder takes for silence."""
    MUTE = enum.auto()
    """Nothing is sent."""


class Microphone:
    """`number` (below 65,536) is in every payload. Send on a schedule by `start`."""

    def __init__(self, client: Client, number: int, *, mode: Mode = Mode.LOUD, red: bool = True, level_id: int) -> None:
        """`level_id` 0: without audio level."""
        self.client = client
        self.number = number
        self.mode = mode
        self.sent = 0
        self.loud_since = 0
        """When the first packet since the last change to `LOUD` was sent: nanoseconds since 1970."""
        self._red = red
        self._level_id = level_id
        self._random = random.Random(number)
        self._sequence = self._random.randrange(1 << 15)
        self._timestamp = self._random.randrange(1 << 32)
        self._frame = 0
        self._octets = 0
        self._previous = b""
        self._silent = True

    def start(self, pacer: Pacer, phase: float) -> None:
        """From `phase` (0 to 1) of a frame from now on."""
        pacer.add(phase * FRAME_SECONDS, FRAME_SECONDS, self.frame)
        pacer.add(phase * REPORT_SECONDS, REPORT_SECONDS, self.report)

    def stop(self, pacer: Pacer) -> None:
        pacer.remove(self.frame)
        pacer.remove(self.report)

    def turn(self, mode: Mode) -> None:
        self.mode = mode
        if mode is Mode.LOUD:
            self.loud_since = 0

    def frame(self) -> None:
        """The next 20 ms."""
        self._frame += 1
        self._timestamp = (self._timestamp + FRAME_SAMPLES) & 0xFFFFFFFF
        if self.mode is Mode.MUTE or (self.mode is Mode.DTX and self._frame % _DTX_EVERY):
            self._previous = b""
            self._silent = True
            return
        now = time.time_ns()
        if self.mode is Mode.DTX:
            payload, level = speech.silence(), 127
        else:
            payload, level = speech.speech(Spoken(self.number, self._frame, now)), self._level()
        if self.mode is Mode.LOUD and not self.loud_since:
            self.loud_since = now
        self._send(payload, level)

    def report(self) -> None:
        if self.sent and self.client.keys is not None:
            ssrc = self.client.own.ssrc
            self.client.send_rtcp(rtcp.sender_report(ssrc, time.time(), self._timestamp, self.sent, self._octets))

    def _level(self) -> int:
        """In -dBov: it varies as a voice does, for one that does not vary is not taken for one."""
        if self.mode is Mode.LOUD:
            return self._random.randint(0x80 | 14, 0x80 | 30)
        return self._random.randint(66, 78)

    def _send(self, payload: bytes, level: int) -> None:
        marker = 0x80 if self._silent else 0
        body, kind = payload, OPUS
        if self._red and self._previous:
            body, kind = speech.redundant(self._previous, FRAME_SAMPLES, payload), RED
        first = 0x90 if self._level_id else 0x80
        packet = _HEADER.pack(first, marker | kind, self._sequence, self._timestamp, self.client.own.ssrc)
        if self._level_id:
            packet += _EXTENSION.pack(_ONE_BYTE, 1, self._level_id << 4, level)
        self.client.send_rtp(packet + body)
        self._sequence = (self._sequence + 1) & 0xFFFF
        self._previous = payload
        self._silent = False
        self.sent += 1
        self._octets += len(payload)
