"""Problems that routes of dojos answer with."""

from __future__ import annotations

from edge.dojos.seats import Why
from kernel.http.problem import Problem, not_found


def no_seat(why: Why) -> Problem:
    """For somebody who named the dojo by its id: what does not exist for them is not found."""
    match why:
        case Why.UNKNOWN | Why.BANNED:
            return not_found()
        case Why.OVER:
            return Problem(409, "dojo_over", "this dojo has ended or was cancelled")
        case Why.REMOVED:
            return Problem(403, "removed", "the host removed you; the join code or an invitation lets you in again")
        case Why.LOCKED:
            return Problem(409, "dojo_locked", "the host lets nobody new in")
        case Why.FULL:
            return Problem(409, "dojo_full", "all seats are taken")


def invalid_code() -> Problem:
    """One answer for a code that is unknown, void, another company's, or of no use to who typed it."""
    return Problem(404, "invalid_join_code", "this code lets nobody in, not any more, or not you")


def over() -> Problem:
    return no_seat(Why.OVER)
