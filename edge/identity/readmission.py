"""People who were removed and may come again through the company's identity provider.

Whom an administrator removed stays out: who they are at the issuer is kept for that, and for nothing else. To forget it
lets them come again, as somebody new.
"""

from __future__ import annotations

from kernel import audit
from kernel.http.operation import ADMINS, Call, Operation
from kernel.http.problem import Problem, not_found


class Readmission:
    """`DELETE /api/v1/users/{userId}/outside-identities`."""

    def operations(self) -> list[Operation]:
        """Its route."""
        return [
            Operation(
                "DELETE",
                "/api/v1/users/{userId}/outside-identities",
                self.forget_outside_identities,
                access=ADMINS,
                tag="users",
                status=204,
                problems={"not_removed": 409},
            )
        ]

    async def forget_outside_identities(self, call: Call[None, None]) -> None:
        """Forget who somebody who was removed is at the company's identity provider.

        Until then they are refused there. Afterwards they can come again, as a new user.
        """
        db, tenant, user = call.db, call.caller.tenant, call.ids["userId"]
        status = await db.fetchval(
            "SELECT status FROM users WHERE tenant_id = $1 AND user_id = $2 FOR UPDATE", tenant, user
        )
        if status is None:
            raise not_found()
        if status != "REMOVED":
            raise Problem(409, "not_removed", "only of somebody who was removed; remove them first")
        forgotten = await db.fetchval(
            "WITH gone AS (DELETE FROM external_identities WHERE tenant_id = $1 AND user_id = $2 RETURNING 1)"
            " SELECT count(*) FROM gone",
            tenant,
            user,
        )
        if forgotten:
            await audit.note(call, "user.forgotten", user)
