"""Real Opus for the tests of recordings: tones that libopus encodes, and what ffmpeg's decoder hears in a file."""

from __future__ import annotations

import math
import random
from array import array
from fractions import Fraction
from functools import cache
from io import BytesIO
from pathlib import Path

import av

RATE = 48_000
PACKET = 960
"""Samples of a packet: 20 ms."""
STEP = 240
"""Samples between two looks at the loudness: 5 ms."""
LOUD = 0.05


@cache
def tone(seconds: float, pitch: float = 440.0, *, dtx: bool = False, layout: str = "mono") -> tuple[bytes, ...]:
    """Packets of 20 ms of a tone at half of full scale, as a browser sends it."""
    return encode([math.sin(2 * math.pi * pitch * n / RATE) / 2 for n in range(int(seconds * RATE))], dtx, layout)


@cache
def quiet(seconds: float) -> tuple[bytes, ...]:
    """Packets of faint noise encoded with DTX, the unsent ones included (of at most two bytes)."""
    dice = random.Random(7)
    return encode([dice.uniform(-1e-4, 1e-4) for _ in range(int(seconds * RATE))], True, "mono")


def encode(samples: list[float], dtx: bool, layout: str) -> tuple[bytes, ...]:
    """The packets libopus makes of the samples."""
    coder = av.CodecContext.create("libopus", "w")
    assert isinstance(coder, av.AudioCodecContext)
    coder.sample_rate = RATE
    coder.layout = layout
    coder.format = "s16"
    coder.bit_rate = 32_000
    coder.options = {"application": "voip", "frame_duration": "20", "dtx": "1" if dtx else "0"}
    coder.time_base = Fraction(1, RATE)
    channels = 2 if layout == "stereo" else 1
    packets: list[bytes] = []
    for at in range(0, len(samples) - PACKET + 1, PACKET):
        frame = av.AudioFrame("s16", layout, PACKET)
        values = [int(value * 32_767) for value in samples[at : at + PACKET] for _ in range(channels)]
        frame.planes[0].update(array("h", values).tobytes())
        frame.sample_rate = RATE
        frame.pts = at
        packets.extend(bytes(packet) for packet in coder.encode(frame))
    return tuple(packets)


def decode(source: Path | bytes, decoder: str = "opus") -> array[int]:
    """The samples ffmpeg plays, mono. `decoder`: its own `opus`, or `libopus`."""
    heard: array[int] = array("h")
    with av.open(BytesIO(source) if isinstance(source, bytes) else source, mode="r") as container:
        stream = container.streams.audio[0]
        coder: av.AudioCodecContext = stream.codec_context
        if decoder != "opus":
            made = av.CodecContext.create(decoder, "r")
            assert isinstance(made, av.AudioCodecContext)
            made.extradata = coder.extradata
            coder = made
        mixer = av.AudioResampler("s16", "mono", RATE)
        for packet in container.demux(stream):
            for frame in coder.decode(packet):
                for part in mixer.resample(frame):
                    heard.frombytes(bytes(part.planes[0])[: part.samples * 2])
    return heard


def loudness(samples: array[int]) -> list[float]:
    """Of every 5 ms, 1 is full scale; every fifth sample is enough to tell."""
    return [
        math.sqrt(sum(value * value for value in samples[at : at + STEP : 5]) / (STEP / 5)) / 32_768
        for at in range(0, len(samples) - STEP + 1, STEP)
    ]


def bursts(samples: array[int], apart: float = 0.3) -> list[tuple[float, float]]:
    """Begin and end, in seconds, of what is loud; pauses shorter than `apart` don't count."""
    loud = [n * STEP / RATE for n, level in enumerate(loudness(samples)) if level > LOUD]
    if not loud:
        return []
    found = [[loud[0], loud[0]]]
    for at in loud:
        if at - found[-1][1] > apart:
            found.append([at, at])
        found[-1][1] = at
    return [(begin, end + STEP / RATE) for begin, end in found]
