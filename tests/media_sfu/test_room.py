"""Who hears whom, over real sockets: fixed slots that people come into and go out of."""

from __future__ import annotations

from pathlib import Path
from uuid import uuid4

import msgspec

from kernel.blobs.folder import FolderBlobs
from loadtests.voice.microphone import Mode
from media_sfu.recording.recorder import Recorder
from media_sfu.recording.sidecar import Sidecar
from media_sfu.room import PARTED_SECONDS
from tests.media_sfu.stage import FRAME, Guest, Stage, continuous, staged, until


async def talkers(stage: Stage, *numbers: int) -> list[Guest]:
    return [await stage.join(number) for number in numbers]


async def test_nobody_hears_themselves_and_everybody_hears_three(stage: Stage) -> None:
    people = await talkers(stage, 1, 2, 3, 4)
    listener = await stage.join(9)
    await stage.speak(*people, frames=30)
    for person in people:
        assert person.heard == {1, 2, 3, 4} - {person.number}
        for ssrc in {packet.ssrc for packet in person.packets}:
            continuous(packet for packet in person.packets if packet.ssrc == ssrc)
    assert len({packet.ssrc for packet in listener.packets}) == 3
    assert len({packet.csrc for packet in listener.packets[-9:]}) == 3


async def test_a_listener_with_one_slot_hears_one(stage: Stage) -> None:
    people = await talkers(stage, 1, 2, 3)
    phone = await stage.join(9, slots=1)
    await stage.speak(*people, frames=30)
    assert len({packet.ssrc for packet in phone.packets}) == 1
    assert len(phone.packets) == 30
    continuous(phone.packets)
    state = stage.room.state()
    assert state.own.get("9", state.slots[:1]) == [phone.packets[-1].csrc]


async def test_who_has_no_slots_says_and_hears_nothing_amiss(stage: Stage) -> None:
    mute = await stage.join(1, slots=0)
    other = await stage.join(2)
    await stage.speak(mute, other, frames=5)
    assert other.heard == {1}
    assert not mute.packets


async def test_a_change_of_speaker(stage: Stage) -> None:
    """Three slots are full; somebody louder begins. Within 120 ms they are heard, in a stream that goes on."""
    people = await talkers(stage, 1, 2, 3)
    listener, newcomer = await stage.join(9), await stage.join(4)
    for person in people:
        person.microphone.turn(Mode.LOUD)
    await stage.speak(*people, frames=100)
    assert listener.heard == {1, 2, 3}
    people[0].microphone.turn(Mode.MUTE)
    await stage.speak(*people, frames=50)
    before = stage.now
    await stage.speak(*people, newcomer, frames=10)
    first = next(packet for packet in listener.packets if packet.csrc == 4)
    assert first.at - before <= 0.12
    assert first.spoken is not None
    assert first.spoken.number == 1  # not even the first packet is lost
    stream = [packet for packet in listener.packets if packet.ssrc == first.ssrc]
    assert next(number for number, packet in enumerate(stream) if packet.csrc == 4) > 0
    continuous(stream)
    # The silence between them has its length.
    last = stream[stream.index(first) - 1]
    assert (first.timestamp - last.timestamp) & 0xFFFFFFFF == round((first.at - last.at) * 48_000)


async def test_who_joins_late_has_the_same_seats(stage: Stage) -> None:
    people = await talkers(stage, 1, 2, 3)
    early = await stage.join(8)
    for turn in (people[:1], people[:2], people):
        await stage.speak(*turn, frames=10)
    late = await stage.join(9)
    await stage.speak(*people, frames=3)

    def seats(guest: Guest) -> list[int | None]:
        return guest.peer.assigned

    assert seats(late) == seats(early) == stage.room.state().slots
    assert late.heard == {1, 2, 3}
    assert "9" not in stage.room.state().own
    assert late.packets[0].payload_type == 111  # what was said before it came is not for it


async def test_seats_stay_while_people_come_and_go(stage: Stage) -> None:
    people = await talkers(stage, 1, 2, 3)
    listener = await stage.join(9)
    await stage.speak(*people, frames=30)
    before = {packet.csrc: packet.ssrc for packet in listener.packets}
    stage.hall.leave(people[1].grant, people[1].admitted.peer)
    eve = await stage.join(4)
    await stage.speak(people[0], eve, people[2], frames=30)
    after = {packet.csrc: packet.ssrc for packet in listener.packets[-30:]}
    assert after == {1: before[1], 3: before[3], 4: before[2]}
    for ssrc in before.values():
        continuous(packet for packet in listener.packets if packet.ssrc == ssrc)


async def test_the_preferred_are_heard_first(stage: Stage) -> None:
    async with staged(msgspec.structs.replace(stage.limits, slots=1)) as small:
        people = [await small.join(number) for number in (1, 2, 3)]
        sensei = await small.join(4, preferred=True)
        listener = await small.join(9)
        await small.speak(*people, frames=50)
        await small.speak(*people, sensei, frames=50)
        assert {packet.csrc for packet in listener.packets[-20:]} == {4}


async def test_a_move_to_another_room(stage: Stage) -> None:
    ana, ben = await talkers(stage, 1, 2)
    there = uuid4()
    eve = await stage.join(3, room=there)
    await stage.speak(ana, ben, eve, frames=5)
    assert (ben.heard, eve.heard) == ({1}, set())
    assert stage.hall.rights(
        stage.room_id, 1, may_speak=True, muted=False, preferred=False, to_room=there, to_number=77
    )  # fmt: skip
    counted = len(ben.packets), len(ana.packets)
    await stage.speak(ana, ben, eve, frames=5)
    assert len(ben.packets) == counted[0]
    assert eve.heard == {77}
    assert {packet.csrc for packet in ana.packets[counted[1] :]} == {3}
    for guest in (ana, eve):
        for ssrc in {packet.ssrc for packet in guest.packets}:
            continuous(packet for packet in guest.packets if packet.ssrc == ssrc)
    assert [person.number for person in stage.hall.rooms[there].state().people] == [3, 77]
    assert stage.emptied == []
    # And on, to a room that is not there yet: the one they leave is.
    for number, room in ((77, uuid4()), (3, uuid4())):
        assert stage.hall.rights(
            there, number, may_speak=True, muted=False, preferred=False, to_room=room, to_number=None
        )  # fmt: skip
    assert stage.emptied == [there]


async def test_state(stage: Stage) -> None:
    ana, ben = await stage.join(1, preferred=True), await stage.join(2, muted=True)
    stage.knock(3, may_speak=False)
    await stage.speak(ana, ben, frames=50)
    state = stage.room.state()
    people = {person.number: person for person in state.people}
    assert (state.room, state.dojo, state.tenant) == (stage.room_id, stage.dojo, stage.tenant)
    assert people[1].user == ana.user
    assert [people[n].speaking for n in (1, 2, 3)] == [True, False, False]
    assert [people[n].muted for n in (1, 2, 3)] == [False, True, False]
    assert [people[n].may_speak for n in (1, 2, 3)] == [True, True, False]
    assert [people[n].preferred for n in (1, 2, 3)] == [True, False, False]
    assert [people[n].connected for n in (1, 2, 3)] == [True, True, False]
    assert state.slots == [1, None, None]
    assert state.own == {"1": [None, None, None]}
    assert 0.9 < state.spoken["1"] <= 1.0
    assert state.spoken["2"] == state.spoken["3"] == 0
    assert not state.recording


async def test_news_are_news_once(stage: Stage) -> None:
    ana, _ = await talkers(stage, 1, 2)
    room = stage.room
    await stage.speak(ana, frames=5)
    assert room.changed
    room.changed = False
    await stage.speak(ana, frames=50)
    assert not room.changed
    await stage.pass_time(2.0)
    assert room.changed  # ana is not speaking any more


async def test_the_people_have_another_version_whenever_something_about_them_is_different(stage: Stage) -> None:
    ana = await stage.join(1)
    room, seen = stage.room, [stage.room.version]

    def differs() -> bool:
        seen.append(room.version)
        return seen[-1] > seen[-2]

    ben = stage.knock(2)
    assert differs()
    await stage.connect(ben)
    assert differs()
    room.rights(ben.peer, may_speak=True, muted=True, preferred=False)
    assert differs()
    await stage.speak(ana, frames=50)
    assert not differs(), "who speaks is told apart"
    change = room.change()
    assert (change.version, change.speaking, change.slots) == (room.version, [1], [1, None, None])
    assert change.spoken == {"1": room.state().spoken["1"]}
    assert (change.own, change.recording) == (room.state().own, False)
    stage.hall.leave(ana.grant, ana.admitted.peer)
    assert differs()
    assert room.change().spoken == {}
    stage.hall.leave(ben.grant, ben.admitted.peer)
    assert stage.knock(3).peer.room.version not in seen, "a room of the same name has versions of its own"


async def test_how_long_somebody_talked_is_told_after_they_have_left(stage: Stage) -> None:
    ana, _ = await talkers(stage, 1, 2)
    await stage.speak(ana, frames=50)
    talked = stage.room.state().spoken["1"]
    stage.hall.leave(ana.grant, ana.admitted.peer)
    assert stage.room.state().spoken == {"1": talked, "2": 0}
    back = await stage.join(1)
    assert stage.room.state().spoken["1"] == talked, "who comes again at once goes on"
    stage.hall.leave(back.grant, back.admitted.peer)
    await stage.pass_time(PARTED_SECONDS + 0.1)
    assert stage.room.state().spoken == {"2": 0}


async def test_a_hand_over_while_nobody_listens(stage: Stage) -> None:
    ana, ben = await talkers(stage, 1, 2)
    stage.hall.leave(ben.grant, ben.admitted.peer)
    await stage.speak(ana, frames=10)
    assert stage.room.state().slots == [1, None, None]
    stage.hall.remove(stage.room_id, 1)
    eve = await stage.join(3)
    assert stage.room.state().slots == [None, None, None]
    await stage.pass_time(FRAME)
    assert not eve.packets


async def test_recording_has_who_spoke_and_who_was_muted(tmp_path: Path) -> None:
    blobs = FolderBlobs(tmp_path / "blobs")
    now = 1_000.0
    recorder = Recorder(tmp_path / "work", blobs, clock=lambda: now)
    await recorder.start()
    async with staged(recorder=recorder) as stage:
        ana, ben = await stage.join(1), await stage.join(2, muted=True)
        assert stage.hall.record(stage.room_id, "acme/dojo/room/one")
        assert stage.room.state().recording
        await stage.speak(ana, ben, frames=20)
        eve = await stage.join(3)
        await stage.speak(eve, frames=20)
        stage.hall.mute(stage.room_id, True, [])
        await stage.speak(ana, frames=5)
        now = stage.now
        assert stage.hall.record(stage.room_id, None)
        assert not stage.room.state().recording
        assert not stage.hall.record(uuid4(), "acme/dojo/room/two")
    await recorder.close()
    kept = [key async for key in blobs.list("acme/dojo/room/one")]
    assert "acme/dojo/room/one/1.json" in kept
    assert "acme/dojo/room/one/2-00000.opus" not in kept
    sidecar = msgspec.json.decode(await blobs.get("acme/dojo/room/one/1.json"), type=Sidecar)
    assert str(ana.user) in repr(sidecar)
    assert str(ana.own.ssrc) in repr(sidecar)
    late = msgspec.json.decode(await blobs.get("acme/dojo/room/one/3.json"), type=Sidecar)
    assert str(eve.user) in repr(late)


async def test_a_room_that_empties_ends_its_recording(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path / "work", FolderBlobs(tmp_path / "blobs"))
    await recorder.start()
    async with staged(recorder=recorder) as stage:
        ana = await stage.join(1)
        stage.hall.record(stage.room_id, "acme/dojo/room/one")
        stage.hall.leave(ana.grant, ana.admitted.peer)
        assert not recorder.recording(stage.room_id)
    await recorder.close()
    await until(lambda: not recorder._thread.is_alive(), "the end of the recorder")
