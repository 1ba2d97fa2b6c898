"""Talking over HTTP, against a real database and a voice process without media."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from kernel.http.operation import Role
from tests.edge.dojos.hosting import PATH, Answer, DojoApi, Someone
from tests.edge.voice.sfu import ANSWER, FRAGMENT, OFFER, SDP, SDPFRAG, StandInSfu
from tests.edge.voice.waiting import until


class Scene:
    """A host, Ana and Ben in a dojo."""

    def __init__(self, api: DojoApi, dojo: dict[str, Any], people: dict[str, Someone]) -> None:
        self.api = api
        self.dojo: str = dojo["dojoId"]
        self.code: str = dojo["joinCode"]
        self.host, self.ana, self.ben = people["Host"], people["Ana"], people["Ben"]
        self.room = ""

    @property
    def path(self) -> str:
        return f"{PATH}/{self.dojo}/voice"

    @property
    def room_path(self) -> str:
        return f"{PATH}/{self.dojo}/rooms/{self.room}/voice"

    async def talk(self, who: Someone, offer: str = OFFER, room: str = "", **more: Any) -> Answer:
        query = f"?room={room}" if room else ""
        return await self.api.ask("POST", self.path + query, who=who, text=(offer, SDP), **more)

    async def mute(self, who: Someone, **body: Any) -> Answer:
        return await self.api.ask("POST", self.room_path + "/mute", body, who=who)

    async def patch(self, who: Someone, at: str, fragment: str, **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.api.ask("PATCH", at, who=who, text=(fragment, SDPFRAG), headers=named)


@pytest.fixture
async def scene(dojos: DojoApi) -> Scene:
    tenant = await dojos.company()
    people = {name: await dojos.person(tenant, name) for name in ("Host", "Ana", "Ben")}
    made = await dojos.dojo(people["Host"])
    scene = Scene(dojos, made, people)
    rooms = await dojos.get(f"{PATH}/{scene.dojo}/rooms", scene.host)
    scene.room = rooms.body["items"][0]["roomId"]
    for who in (scene.ana, scene.ben):
        assert (await dojos.join(who, scene.code)).status == 200
    return scene


async def test_an_offer_is_answered_as_whip_says(scene: Scene, sfu: StandInSfu) -> None:
    answer = await scene.talk(scene.ana)
    assert (answer.status, answer.body, answer.headers["Content-Type"]) == (201, ANSWER, SDP)
    (peer,) = sfu.peers.values()
    assert answer.headers["Location"] == f"{scene.path}/{peer.id}"
    assert answer.headers["ETag"] == '"first"'
    grant = peer.grant
    assert (grant.tenant, grant.user, str(grant.dojo), str(grant.room)) == (
        scene.ana.tenant,
        scene.ana.user,
        scene.dojo,
        scene.room,
    )
    assert (grant.may_speak, grant.muted, grant.preferred) == (True, False, False)


async def test_numbers_stay_and_are_nobody_elses(scene: Scene, sfu: StandInSfu) -> None:
    for who in (scene.ana, scene.ben, scene.host, scene.ana):
        assert (await scene.talk(who, room=scene.room)).status == 201
    assert [peer.grant.number for peer in sfu.peers.values()] == [1, 2, 3, 1]


async def test_candidates_and_restarts_name_the_ice_session(scene: Scene) -> None:
    at = (await scene.talk(scene.ana)).headers["Location"]
    assert (await scene.patch(scene.ana, at, "a=candidate\r\n")).code == "no_if_match"
    assert (await scene.patch(scene.ana, at, "a=candidate\r\n", If_Match='"other"')).status == 412
    assert (await scene.patch(scene.ana, at, "a=candidate\r\n", If_Match="first")).status == 412
    assert (await scene.patch(scene.ana, at, "a=candidate\r\n", If_Match='"first"')).status == 204
    restarted = await scene.patch(scene.ana, at, FRAGMENT, If_Match="*")
    assert (restarted.status, restarted.headers["ETag"]) == (200, '"second"')
    assert restarted.headers["Content-Type"] == SDPFRAG
    assert restarted.body == "a=ice-ufrag:efgh\r\n"


async def test_one_ends_ones_own_connection_and_nobody_elses(scene: Scene, sfu: StandInSfu) -> None:
    at = (await scene.talk(scene.ana)).headers["Location"]
    assert (await scene.talk(scene.ben)).status == 201
    assert (await scene.api.delete(at, scene.ben)).status == 404
    assert (await scene.patch(scene.ben, at, FRAGMENT, If_Match="*")).status == 404
    assert (await scene.api.delete(at, scene.ana)).status == 204
    assert scene.ana.user not in sfu.inside(scene.room)
    assert (await scene.api.delete(at, scene.ana)).status == 404


async def test_only_whoever_has_a_seat_in_a_running_dojo_talks(scene: Scene, sfu: StandInSfu) -> None:
    stranger = await scene.api.person(await scene.api.company("Other"), "Eve")
    colleague = await scene.api.person(scene.ana.tenant, "Cleo")
    assert (await scene.talk(stranger)).status == 404
    assert (await scene.talk(colleague)).code == "not_participant"
    assert (await scene.talk(scene.ana, room=str(uuid4()))).status == 404
    later = await scene.api.dojo(scene.host, scheduledStartTime="2099-01-01T00:00:00Z")
    voice = f"{PATH}/{later['dojoId']}/voice"
    assert (await scene.api.ask("POST", voice, who=scene.host, text=(OFFER, SDP))).code == "not_started"
    assert (await scene.api.put(f"{PATH}/{scene.dojo}/end", scene.host)).status == 200
    assert (await scene.talk(scene.ana)).code == "dojo_over"
    assert sfu.peers == {}


async def test_what_is_no_offer_is_refused(scene: Scene) -> None:
    assert (await scene.talk(scene.ana, "v=0\r\no=other\r\n")).code == "offer_refused"
    as_json = await scene.api.ask("POST", scene.path, {"sdp": OFFER}, who=scene.ana)
    assert (as_json.status, as_json.headers["Accept"]) == (415, SDP)
    assert (await scene.talk(scene.ana, "v" * (64 * 1024 + 1))).status == 413


async def test_options_tell_what_may_be_posted(scene: Scene) -> None:
    answer = await scene.api.ask("OPTIONS", scene.path)
    assert (answer.status, answer.headers["Accept-Post"]) == (204, SDP)


async def test_without_a_voice_process_only_talking_is_not_to_be_had(scene: Scene, sfu: StandInSfu) -> None:
    sfu.broken = 500
    answer = await scene.talk(scene.ana)
    assert (answer.status, answer.code, answer.headers["Retry-After"]) == (503, "voice_unavailable", "2")
    late = await scene.api.person(scene.ana.tenant, "Late")
    assert (await scene.api.join(late, scene.code)).status == 200
    assert (await scene.api.get(scene.room_path, scene.ana)).body["people"] == []
    assert (await scene.api.delete(f"{PATH}/{scene.dojo}/participants/{scene.ana.user}", scene.host)).status == 204


async def test_whoever_is_sent_out_is_out_of_voice_within_a_second(scene: Scene, sfu: StandInSfu) -> None:
    for who in (scene.ana, scene.ben, scene.host):
        await scene.talk(who)
    assert (await scene.api.delete(f"{PATH}/{scene.dojo}/participants/{scene.ana.user}", scene.host)).status == 204
    await until(lambda: scene.ana.user not in sfu.inside(scene.room))
    assert (await scene.talk(scene.ana)).code == "not_participant"
    ban = f"{PATH}/{scene.dojo}/participants/{scene.ben.user}/ban"
    assert (await scene.api.put(ban, scene.host)).status == 200
    await until(lambda: scene.ben.user not in sfu.inside(scene.room))
    assert scene.host.user in sfu.inside(scene.room)


async def test_the_end_of_a_dojo_ends_its_voice(scene: Scene, sfu: StandInSfu) -> None:
    await scene.talk(scene.ana)
    assert (await scene.api.put(f"{PATH}/{scene.dojo}/end", scene.host)).status == 200
    await until(lambda: not sfu.peers)


async def test_leaving_a_room_over_http_ends_talking_in_it(scene: Scene, sfu: StandInSfu) -> None:
    room = f"{PATH}/{scene.dojo}/rooms/{scene.room}"
    assert (await scene.api.put(room + "/join", scene.host)).status == 200
    await scene.talk(scene.host)
    assert (await scene.api.put(room + "/leave", scene.host)).status == 200
    await until(lambda: not sfu.peers)


async def muted(scene: Scene) -> tuple[bool, bool]:
    """Whether the one who talks is muted, and whether by the host."""
    (one,) = (await scene.api.get(scene.room_path, scene.ben)).body["people"]
    return one["muted"], one["mutedByHost"]


async def test_the_host_mutes_one(scene: Scene, sfu: StandInSfu) -> None:
    await scene.talk(scene.ana)
    assert (await scene.mute(scene.ben, userId=str(scene.ana.user), muted=True)).code == "not_host"
    assert (await scene.mute(scene.host, userId=str(scene.ana.user), muted=True)).status == 204
    assert sfu.inside(scene.room)[scene.ana.user].muted
    assert await muted(scene) == (True, True)
    assert (await scene.mute(scene.ana, muted=False)).code == "muted_by_host"
    # It lasts, also if she connects anew.
    await scene.talk(scene.ana)
    assert sfu.inside(scene.room)[scene.ana.user].grant.muted
    assert (await scene.mute(scene.host, userId=str(scene.ana.user), muted=False)).status == 204
    assert not sfu.inside(scene.room)[scene.ana.user].muted
    assert (await scene.mute(scene.ana, muted=True)).status == 204
    assert await muted(scene) == (True, False)


async def test_one_mutes_oneself(scene: Scene, sfu: StandInSfu) -> None:
    assert (await scene.mute(scene.ana, muted=True)).code == "not_in_voice"
    await scene.talk(scene.ana)
    for muted in (True, False):
        assert (await scene.mute(scene.ana, muted=muted)).status == 204
        assert sfu.inside(scene.room)[scene.ana.user].muted is muted


async def test_the_host_mutes_all_but_the_hosts(scene: Scene, sfu: StandInSfu) -> None:
    for who in (scene.ana, scene.ben, scene.host):
        await scene.talk(who)
    assert (await scene.mute(scene.host, all=True, userId=str(scene.ana.user), muted=True)).code == "invalid_mute"
    assert (await scene.mute(scene.ana, all=True, muted=True)).code == "not_host"
    assert (await scene.mute(scene.host, all=True, muted=True)).status == 204
    assert {user for user, peer in sfu.inside(scene.room).items() if peer.muted} == {scene.ana.user, scene.ben.user}
    assert (await scene.mute(scene.host, all=True, muted=False)).status == 204
    await until(lambda: not any(peer.muted for peer in sfu.peers.values()))


async def test_observers_listen(scene: Scene, sfu: StandInSfu) -> None:
    await scene.talk(scene.ana)
    who = f"{PATH}/{scene.dojo}/participants/{scene.ana.user}"
    for role in ("OBSERVER", "PARTICIPANT"):
        assert (await scene.api.ask("PATCH", who, {"role": role}, who=scene.host)).status == 200
        await until(lambda role=role: sfu.inside(scene.room)[scene.ana.user].may_speak is (role == "PARTICIPANT"))  # type: ignore[misc]


async def test_while_it_is_red_only_those_at_work_talk(scene: Scene, sfu: StandInSfu) -> None:
    for who in (scene.ana, scene.host):
        await scene.talk(who)
    assert (await scene.api.ask("PATCH", scene.room_path, {"greenOnly": True}, who=scene.ana)).code == "not_host"
    changed = await scene.api.ask("PATCH", scene.room_path, {"greenOnly": True}, who=scene.host)
    assert changed.body["greenOnly"] is True
    assert (await scene.talk(scene.ben)).status == 201
    assert sfu.inside(scene.room)[scene.ben.user].grant.may_speak, "nothing has told the colour yet"
    await scene.api.everything.execute("UPDATE dojo_voice_rooms SET green = false")
    scene.api.services.voice.changed(scene.ana.tenant, [UUID(scene.room)])
    await until(lambda: not sfu.inside(scene.room)[scene.ana.user].may_speak)
    assert sfu.inside(scene.room)[scene.host.user].may_speak, "the sensei"


async def test_the_host_has_it_recorded_also_whoever_comes_later(scene: Scene, sfu: StandInSfu) -> None:
    began = await scene.api.ask("PATCH", scene.room_path, {"recording": True}, who=scene.host)
    assert (began.body["recording"], began.body["recorded"]) == (True, False)
    await scene.talk(scene.ana)
    await until(lambda: sfu.recorded)
    prefix = sfu.recorded[UUID(scene.room)]
    assert prefix.startswith(f"{scene.ana.tenant}/{scene.dojo}/{scene.room}/")
    view = (await scene.api.get(scene.room_path, scene.ben)).body
    assert (view["recording"], view["recorded"]) == (True, True)
    assert [(one["userId"], one["number"]) for one in view["people"]] == [(str(scene.ana.user), 1)]
    await scene.api.ask("PATCH", scene.room_path, {"recording": False}, who=scene.host)
    await until(lambda: not sfu.recorded)
    audited = await scene.api.audited(scene.ana.tenant)
    assert {"dojo.recording_began", "dojo.recording_ended"} <= set(audited)


async def test_talking_goes_on_in_another_room(scene: Scene, sfu: StandInSfu) -> None:
    made = await scene.api.ask("POST", f"{PATH}/{scene.dojo}/rooms", {"name": "Two"}, who=scene.host)
    other = made.body["roomId"]
    there = f"{PATH}/{scene.dojo}/rooms/{other}/voice"
    assert (await scene.api.put(there, scene.ana)).code == "not_in_voice"
    at = (await scene.talk(scene.ana)).headers["Location"]
    assert (await scene.api.put(there, scene.ana)).status == 204
    assert scene.ana.user in sfu.inside(other)
    assert (await scene.patch(scene.ana, at, "a=candidate\r\n", If_Match='"first"')).status == 204
    assert (await scene.mute(scene.ana, muted=True)).status == 204
    assert sfu.inside(other)[scene.ana.user].muted


async def test_ice_servers_come_with_the_seat(scene: Scene) -> None:
    asked = await scene.api.get(scene.path + "/ice-servers", scene.ana)
    (server,) = asked.body["iceServers"]
    assert server["urls"] == ["turn:turn.example.com:3478"]
    assert server["username"].endswith(f":{scene.ana.user}")
    again = await scene.api.join(scene.ana, scene.code)
    assert again.body["iceServers"][0]["urls"] == server["urls"]
    stranger = await scene.api.person(await scene.api.company("Other"), "Eve", Role.ADMIN)
    assert (await scene.api.get(scene.path + "/ice-servers", stranger)).status == 404
