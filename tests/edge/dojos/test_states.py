from __future__ import annotations

import pytest

from edge.dojos.states import OPEN, NotPossible, Status, lapsed, step

POSSIBLE = {
    (Status.SCHEDULED, Status.ACTIVE),
    (Status.SCHEDULED, Status.CANCELLED),
    (Status.ACTIVE, Status.COMPLETED),
    (Status.ACTIVE, Status.FAILED),
}


@pytest.mark.parametrize("now", list(Status))
@pytest.mark.parametrize("wanted", list(Status))
def test_a_step_is_possible_changes_nothing_or_is_refused(now: Status, wanted: Status) -> None:
    if now is wanted:
        assert not step(now, wanted)
    elif (now, wanted) in POSSIBLE:
        assert step(now, wanted)
    else:
        with pytest.raises(NotPossible, match=f"{now.value} cannot become {wanted.value}"):
            step(now, wanted)


def test_what_is_over_leads_nowhere() -> None:
    assert {status for status in Status if status.over} == set(Status) - {now for now, _ in POSSIBLE}


def test_what_nobody_looks_after_has_failed_or_is_over() -> None:
    assert {now: lapsed(now) for now in OPEN} == {Status.SCHEDULED: Status.FAILED, Status.ACTIVE: Status.COMPLETED}
