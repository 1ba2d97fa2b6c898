"""How often the API may be asked."""

from __future__ import annotations

from typing import Annotated

import msgspec

Rate = Annotated[float, msgspec.Meta(gt=0)]
Burst = Annotated[float, msgspec.Meta(ge=10)]


class HttpLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often the API may be asked. Past a limit it answers 429 with Retry-After."""

    network_per_second: Rate = 50.0
    """Requests of one network address (of IPv6: of one /64), sustained. A whole company may stand behind one."""
    network_burst: Burst = 500.0
    user_per_second: Rate = 10.0
    user_burst: Burst = 100.0
    tenant_per_second: Rate = 200.0
    tenant_burst: Burst = 1_000.0
