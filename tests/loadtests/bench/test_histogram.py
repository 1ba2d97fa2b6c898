"""The histogram's percentiles against sorted samples."""

from __future__ import annotations

import math
import random

import pytest

from loadtests.bench.histogram import Histogram


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9, 0.99, 1.0])
@pytest.mark.parametrize("scale", [0.0002, 0.02, 5.0])
def test_percentiles_are_those_of_the_sorted_samples(share: float, scale: float) -> None:
    chance = random.Random(3)
    samples = sorted(chance.expovariate(1 / scale) for _ in range(20_000))
    histogram = Histogram()
    for sample in samples:
        histogram.add(sample)

    exact = samples[max(0, math.ceil(share * len(samples)) - 1)] * 1000
    assert histogram.percentile(share) == pytest.approx(exact, rel=1 / 2048, abs=0.001)
    assert histogram.count == len(samples)
    assert histogram.max_ms == pytest.approx(samples[-1] * 1000)


def test_a_duration_can_be_counted_many_times() -> None:
    histogram = Histogram()
    histogram.add(0.001, 99)
    histogram.add(1.0)

    assert histogram.percentile(0.5) == 1.0
    assert histogram.percentile(0.99) == 1.0
    assert histogram.percentile(1.0) == pytest.approx(1000, rel=1 / 1024)


def test_nothing_counted_is_no_number() -> None:
    assert math.isnan(Histogram().percentile(0.5))
    assert math.isnan(Histogram().max_ms)
