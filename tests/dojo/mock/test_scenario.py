"""Scenarios: read from TOML, and the same decisions for the same counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from dojo.mock.scenario import (
    HttpFailure,
    HttpPlan,
    LiveFailure,
    LivePlan,
    Scenario,
    ScenarioError,
    Script,
    Step,
    load,
)
from dojo.mock.serve import mock

WHOLE = """
access_requests = 20
language = "ruby"
initial_code = '''
puts "hi"
'''
partner = "Linus"

[[http]]
operation = "joinDojo"
requests = [1]
status = 503
code = "database_busy"
delay_ms = 10

[[live]]
connection = 2
message = 3
do = "stale_version"

[[steps]]
after = 1
say = "Hello"
"""


def test_a_file_says_everything(tmp_path: Path) -> None:
    file = tmp_path / "scenario.toml"
    file.write_text(WHOLE)
    assert load(file) == Scenario(
        access_requests=20,
        language="ruby",
        initial_code='puts "hi"\n',
        partner="Linus",
        http=(HttpFailure(operation="joinDojo", requests=(1,), status=503, code="database_busy", delay_ms=10),),
        live=(LiveFailure(connection=2, message=3, do="stale_version"),),
        steps=(Step(after=1, say="Hello"),),
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("acess_requests = 1", "unknown field `acess_requests`"),
        ("[[live]]\ndo = 'explode'", "explode"),
        ("[[live]]\ndo = 'close'\ncode = 4777", "no close code 4777"),
        ("not toml", "scenario.toml"),
    ],
)
def test_what_makes_no_sense_is_said_where_it_stands(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "scenario.toml"
    file.write_text(text)
    with pytest.raises(ScenarioError, match=said):
        load(file)


def test_a_file_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="No such file"):
        load(tmp_path / "none.toml")


async def test_a_failure_of_an_unknown_operation_is_an_error() -> None:
    with pytest.raises(ScenarioError, match="there is no operation 'joinDoju'"):
        async with mock(Scenario(http=(HttpFailure(operation="joinDoju"),))):
            pass


def test_requests_are_counted_for_each_operation_and_for_all() -> None:
    some, every = HttpFailure(operation="a", requests=(2,)), HttpFailure(operation="*", requests=(3,))
    plan = HttpPlan((some, every))
    assert [plan.next(name) for name in "aaba"] == [None, some, every, None]


def test_sockets_are_counted_and_their_messages() -> None:
    first, third = LiveFailure(connection=1, message=0, do="close"), LiveFailure(connection=2, message=3, do="drop")
    plan = LivePlan((first, third))
    assert [plan.connect(), plan.connect()] == [(1, first), (2, None)]
    assert [plan.of(2, message) for message in (1, 2, 3)] == [None, None, third]


def test_steps_come_once_and_in_order() -> None:
    late, soon, sooner = Step(after=2), Step(say="a"), Step(say="b")
    script = Script((late, soon, sooner))
    assert script.entered() == [soon, sooner]
    assert script.entered() == []
    assert [script.heard(), script.heard(), script.heard()] == [[], [late], []]
