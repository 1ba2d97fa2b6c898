"""How often strangers may try: settings, apart from what counts, so that reading settings loads no client of Redis."""

from __future__ import annotations

from typing import Annotated

import msgspec

_Number = Annotated[float, msgspec.Meta(ge=1)]


class AttemptLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Past one of these the API answers 429, alike for addresses that have an account and for those that have none."""

    logins_per_network_per_minute: _Number = 20.0
    """Per network address (of IPv6: per /64)."""
    logins_per_account_and_network: _Number = 10.0
    """For one account from one network address, refilled over `login_minutes`. It slows the pair, so that nobody can
    lock somebody else out."""
    login_minutes: _Number = 15.0
    mails_per_address_per_hour: _Number = 5.0
    """Sign-ups, password resets and verifications, each counted on its own."""
    mails_per_network_per_hour: _Number = 20.0
