"""Accounts and sessions put together: what the API process starts, stops and binds."""

from __future__ import annotations

from typing import Any

import msgspec

from edge.identity.attempt_limits import AttemptLimits
from edge.identity.attempts import Attempts
from edge.identity.audit_later import AuditLater
from edge.identity.email_verification import EmailVerification
from edge.identity.failed_logins import FailedLogins
from edge.identity.grant import Granting
from edge.identity.login import Login
from edge.identity.me import MyAccount
from edge.identity.password_change import PasswordChange
from edge.identity.password_reset import PasswordReset
from edge.identity.passwords import PasswordHashing
from edge.identity.published_keys import PublishedKeys
from edge.identity.session_routes import SessionRoutes
from edge.identity.sign_up import SignUp
from kernel.buckets import Buckets
from kernel.http.operation import Operation
from kernel.secrets import MasterKeys
from kernel.tokens.authority import Authority
from kernel.tokens.keyring import KeyRing


class AccountSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Accounts of people."""

    require_verified_email: bool = False
    """Whether somebody may sign in only once they have opened the link that was mailed to them."""
    attempts: AttemptLimits = AttemptLimits()


class Accounts:
    """`start`, then the operations may be asked; `close` at the end. What is given stays the caller's to close."""

    def __init__(
        self,
        pool: Any,
        *,
        buckets: Buckets,
        hashing: PasswordHashing,
        master: MasterKeys,
        keys: KeyRing,
        authority: Authority,
        settings: AccountSettings,
        base_url: str,
    ) -> None:
        """`pool` has connections of the services' role. `base_url` is the page's address, for links in mails."""
        self.attempts = Attempts(buckets, settings.attempts)
        self.granting = Granting(keys)
        self.later = AuditLater()
        verification = EmailVerification(pool, self.attempts, master, base_url=base_url)
        login = Login(
            pool,
            hashing=hashing,
            attempts=self.attempts,
            granting=self.granting,
            authority=authority,
            failed=FailedLogins(pool, self.later),
            require_verified_email=settings.require_verified_email,
        )
        self._routes = (
            SignUp(pool, hashing, self.attempts, verification),
            login,
            SessionRoutes(pool, self.granting, authority),
            PasswordReset(
                pool,
                hashing=hashing,
                attempts=self.attempts,
                master=master,
                authority=authority,
                base_url=base_url,
            ),
            verification,
            PasswordChange(hashing, self.attempts, authority),
            MyAccount(),
            PublishedKeys(authority),
        )

    def operations(self) -> list[Operation]:
        """All routes about accounts and sessions."""
        return [operation for routes in self._routes for operation in routes.operations()]

    def start(self) -> None:
        """Begin to write what is written after answers."""
        self.later.start()

    async def close(self) -> None:
        """Write what waits, and stop."""
        await self.later.close()
