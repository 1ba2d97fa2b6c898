"""What it costs to check an access token: signature, claims and revocations, in memory."""

from __future__ import annotations

import statistics
import time
from uuid import uuid4

from kernel.tokens.access import mint_access, verify_access
from kernel.tokens.jws import PublicKeys
from kernel.tokens.revocations import Revocation, Revocations
from kernel.tokens.signing_key import SigningKey
from loadtests.bench.fanout import Measured

TOKENS = 2_000
REVOKED = 10_000
"""Revocations in memory meanwhile: more than a large customer makes in the ten minutes they are kept."""


def measure() -> Measured:
    """Figures: `check_ms`, the median CPU time of one check of a token not seen before, and `check_p99_ms`."""
    key = SigningKey.generate()
    keys = PublicKeys([key.public_jwk()])
    now = time.time()
    revocations = Revocations()
    revocations.add(Revocation(uuid4(), uuid4(), uuid4(), None, now) for _ in range(REVOKED))
    tokens = [
        mint_access(key, tenant=uuid4(), user=uuid4(), session=uuid4(), version=1, role="member", name="Ana", now=now)
        for _ in range(TOKENS)
    ]
    taken = []
    for token in tokens:
        begun = time.thread_time()
        claims = verify_access(keys, token, now)
        refused = revocations.refuses(claims.bearer)
        taken.append((time.thread_time() - begun) * 1000)
        assert not refused
    return Measured(
        figures={"check_ms": statistics.median(taken), "check_p99_ms": statistics.quantiles(taken, n=100)[98]}
    )
