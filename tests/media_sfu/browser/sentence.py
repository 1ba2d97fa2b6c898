"""A sentence spoken by espeak-ng, and how much of it is in a recording."""

from __future__ import annotations

import math
import shutil
import subprocess
import wave
from array import array
from collections.abc import Iterator, Sequence
from operator import mul
from pathlib import Path
from typing import Final

import av
from av.audio.resampler import AudioResampler

RATE: Final = 8_000
"""At which sounds are compared, Hz: speech has most of itself below 4 kHz."""
PAUSE_SECONDS: Final = 0.3
"""After the sentence, before it is said again."""
SPEAK_SECONDS: Final = 20.0

_STEP: Final = RATE // 100
_WINDOW: Final = RATE // 4
"""Compared at once. A player stretches pauses as its buffer needs it, so the delay is not the same throughout."""
_DRIFT: Final = RATE * 3 // 100
"""How far that may take a window."""
_QUIET: Final = 0.1
"""Windows with less of the loudest one's energy say nothing."""


def speak(text: str, wav: Path) -> None:
    """Have `text` spoken into a file, with a pause after it."""
    program = shutil.which("espeak-ng")
    assert program is not None, "espeak-ng is missing: `make browsers` installs it (Debian: apt-get install espeak-ng)"
    subprocess.run([program, "-w", wav, "-s", "150", text], check=True, timeout=SPEAK_SECONDS)
    with wave.open(str(wav), "rb") as spoken:
        rate, samples = spoken.getframerate(), array("h", spoken.readframes(spoken.getnframes()))
    samples.extend([0] * int(rate * PAUSE_SECONDS))
    with wave.open(str(wav), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(samples.itemsize)
        out.setframerate(rate)
        out.writeframes(samples.tobytes())


def read(wav: Path) -> list[float]:
    """A file's samples at `RATE`, of one channel."""
    resampler = AudioResampler(format="s16", layout="mono", rate=RATE)
    found = array("h")
    with av.open(str(wav)) as sound:
        for frame in (*sound.decode(audio=0), None):
            for part in resampler.resample(frame):
                found.frombytes(bytes(part.planes[0])[: 2 * part.samples])
    return [float(sample) for sample in found]


def likeness(original: Sequence[float], recording: Sequence[float]) -> float:
    """How much of `original` is in `recording`, whatever its delay and loudness: 1 all of it, 0 nothing.

    The mean of the normalised cross-correlations of a quarter second each, weighted with their energy.
    """
    delay = _delay(original, recording)
    parts = [
        (start, _energy(original[start : start + _WINDOW])) for start in range(0, len(original) - _WINDOW, _WINDOW)
    ]
    loudest = max(energy for _, energy in parts)
    loud = [(start, energy) for start, energy in parts if energy > _QUIET * loudest]
    found = sum(
        energy * max(_correlations(original[s : s + _WINDOW], recording, delay + s), default=0.0) for s, energy in loud
    )
    return found / sum(energy for _, energy in loud)


def _delay(original: Sequence[float], recording: Sequence[float]) -> int:
    """Where in the recording the original begins, in samples: where their loudness goes up and down alike."""
    ours, theirs = _loudness(original), _loudness(recording)
    assert len(theirs) >= len(ours), "the recording is shorter than the sentence"
    shifts = range(len(theirs) - len(ours) + 1)
    return _STEP * max(shifts, key=lambda shift: _alike(ours, theirs[shift : shift + len(ours)]))


def _loudness(samples: Sequence[float]) -> list[float]:
    return [math.sqrt(_energy(samples[start : start + _STEP])) for start in range(0, len(samples) - _STEP, _STEP)]


def _correlations(window: Sequence[float], recording: Sequence[float], near: int) -> Iterator[float]:
    first = max(0, near - _DRIFT)
    for start in range(first, min(near + _DRIFT, len(recording) - len(window)) + 1):
        yield _alike(window, recording[start : start + len(window)])


def _alike(one: Sequence[float], other: Sequence[float]) -> float:
    size = math.sqrt(_energy(one) * _energy(other))
    return math.fsum(map(mul, one, other)) / size if size > 0 else 0.0


def _energy(samples: Sequence[float]) -> float:
    return math.fsum(map(mul, samples, samples))
