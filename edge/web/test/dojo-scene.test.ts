import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { readMessage, type DojoMessage } from '../src/dojo/messages.ts'
import { actionsOf, after, EMPTY, handOverTo, hindranceOf, leads, nameOf, roleOf, type Scene } from '../src/dojo/scene.ts'
import { termsInWords } from '../src/dojo/turn-words.ts'
import { minutesAndSeconds, remainingOf } from '../src/dojo/turn-clock.ts'

const connected = (userId = 'ana', role = 'PARTICIPANT') => ({
  type: 'CONNECTION_STATUS', status: 'CONNECTED', userId, userName: userId, role, roomId: 'r',
})
const turn = (change: object = {}) => ({
  type: 'TURN', state: 'RUNNING', pilot: 'ana', copilot: 'bo', number: 3, endsAt: 61_000, remainingMs: 60_000,
  durationMs: 60_000, serverTime: 1_000, rotation: 'BY_COPILOT', hands: [], order: [], ...change,
})

function message(fields: Readonly<Record<string, unknown>>): DojoMessage {
  const read = readMessage(fields)
  assert.notEqual(read, null, JSON.stringify(fields))
  return read as DojoMessage
}

const scene = (...told: Readonly<Record<string, unknown>>[]): Scene =>
  told.reduce<Scene>((before, fields) => after(before, message(fields), 0), EMPTY)

const actions = (told: Scene, administrator = false) => [...actionsOf(told, administrator)].sort()

describe('what the server of a dojo says', () => {
  test('what is not of its shape is no message', () => {
    for (const fields of [
      {}, { type: 'joined' }, { type: 'TURN' }, { type: 'TURN', state: 'DANCING', serverTime: 1 },
      { type: 'CONNECTION_STATUS', status: 'DISCONNECTED', reason: 'ended' }, { type: 'CHAT_MESSAGE', content: 'hi' },
    ]) {
      assert.equal(readMessage(fields), null, JSON.stringify(fields))
    }
  })

  test('a list of people leaves out what is no person, and knows no other roles', () => {
    const list = message({
      type: 'PARTICIPANT_LIST', participants: [7, null, {}, { userId: 'bo', userName: 'Bo', role: 'KING' }],
    })
    assert.deepEqual(list, {
      type: 'PARTICIPANT_LIST',
      participants: [
        { userId: 'bo', userName: 'Bo', role: 'PARTICIPANT', isHost: false, isGuest: false, connected: true },
      ],
    })
  })
})

describe('who may write', () => {
  test('everybody but observers while there are no turns', () => {
    assert.equal(hindranceOf(scene(connected())), null)
    assert.equal(hindranceOf(scene(connected(), turn({ state: 'FREE', pilot: 'bo' }))), null)
    assert.equal(hindranceOf(scene(connected('ana', 'OBSERVER'), turn({ state: 'FREE', pilot: null }))), 'observer')
  })

  test('before the first turn, whoever is heard out stops; whoever has it goes on', () => {
    const begins = turn({ state: 'ENDING', pilot: null, number: 0 })
    assert.equal(hindranceOf(scene(connected('ana'), turn({ state: 'FREE', pilot: null, number: 0 }), { type: 'turn.ending', number: 0 })), 'beginning')
    assert.equal(hindranceOf(scene(connected('ana'), { type: 'turn.ending', number: 0 }, begins)), 'beginning')
    assert.equal(hindranceOf(scene(connected('bo'), begins)), null)
    assert.equal(hindranceOf(scene(connected('ana'), { type: 'turn.ending', number: 0 }, begins, turn({ number: 1 }))), null)
  })

  test('the pilot, and whom the host lets', () => {
    assert.equal(hindranceOf(scene(connected('ana'), turn())), null)
    assert.equal(hindranceOf(scene(connected('bo'), turn())), 'other-pilot')
    assert.equal(hindranceOf(scene(connected('bo'), turn({ state: 'WAITING', pilot: null }))), 'nobody-pilots')
    const roles = { type: 'ROLES', sensei: null, pilot: 'ana', copilot: null, writers: ['bo'] }
    assert.equal(hindranceOf(scene(connected('bo'), turn(), roles)), null)
    assert.equal(hindranceOf(scene(connected('cy'), turn(), roles)), 'other-pilot')
  })

  test('not the pilot whose turn ends, from the server’s word on until the next turn', () => {
    const ending = scene(connected('ana'), turn(), { type: 'turn.ending', number: 3 })
    assert.equal(hindranceOf(ending), 'ending')
    assert.equal(hindranceOf(after(ending, message(turn({ state: 'ENDING' })), 0)), 'ending')
    assert.equal(hindranceOf(after(ending, message(turn({ number: 4, pilot: 'bo' })), 0)), 'other-pilot')
    assert.equal(hindranceOf(after(ending, message(turn({ number: 4 })), 0)), null)
  })
})

describe('what one can do about the turn', () => {
  test('the host starts turns, others raise a hand', () => {
    const free = turn({ state: 'FREE', pilot: null, copilot: null })
    assert.deepEqual(actions(scene(connected('ana', 'HOST'), free)), ['raise', 'start'])
    assert.deepEqual(actions(scene(connected('bo'), free)), ['raise'])
    assert.deepEqual(actions(scene(connected('bo'), free), true), ['raise', 'start'])
    assert.deepEqual(actions(scene(connected('bo', 'OBSERVER'), free)), [])
  })

  test('a running turn', () => {
    const host = scene(connected('cy', 'HOST'), turn())
    assert.deepEqual(actions(host), ['break', 'extend', 'pause', 'raise', 'skip', 'stop'])
    assert.deepEqual(actions(scene(connected('ana'), turn())), ['skip'])
    assert.deepEqual(actions(scene(connected('bo'), turn({ hands: ['bo'] }))), ['lower'])
  })

  test('a paused, an ending and an empty one', () => {
    assert.ok(actions(scene(connected('cy', 'HOST'), turn({ state: 'PAUSED' }))).includes('resume'))
    assert.deepEqual(actions(scene(connected('ana'), turn({ state: 'ENDING' }))), [])
    assert.deepEqual(actions(scene(connected('bo'), turn({ state: 'WAITING', pilot: null }))), ['raise', 'take'])
  })

  test('the sensei leads as the host does', () => {
    const roles = { type: 'ROLES', sensei: 'bo', pilot: null, copilot: null, writers: [] }
    assert.equal(leads(scene(connected('bo'), roles), false), true)
    assert.equal(leads(scene(connected('ana'), roles), false), false)
  })
})

test('a part in the turn comes before a place in the dojo', () => {
  const participants = [
    { userId: 'ana', userName: 'Ana', role: 'PILOT', isHost: true },
    { userId: 'bo', userName: 'Bo', role: 'COPILOT', isHost: false },
    { userId: 'cy', userName: 'Cy', role: 'OBSERVER', isHost: false },
  ]
  const told = scene({ type: 'PARTICIPANT_LIST', participants }, turn())
  assert.deepEqual(told.people.map((person) => roleOf(told, person)), ['PILOT', 'COPILOT', 'OBSERVER'])
  const free = after(told, message(turn({ state: 'FREE', pilot: null })), 0)
  assert.deepEqual(free.people.map((person) => roleOf(free, person)), ['HOST', 'PARTICIPANT', 'OBSERVER'])
  assert.equal(nameOf(told, 'bo'), 'Bo')
})

describe('the clock of a turn', () => {
  const told = scene(turn()).turn
  assert.ok(told !== null)

  test('counts down from what was left when it was told, whatever any clock says', () => {
    assert.equal(remainingOf(told, 500_000, 500_000), 60_000)
    assert.equal(remainingOf(told, 500_000, 510_000), 50_000)
    assert.equal(remainingOf(told, 500_000, 900_000), 0)
  })

  test('stands while the turn is stopped, and has none without an end', () => {
    assert.equal(remainingOf({ ...told, endsAt: null, remainingMs: 7_000 }, 0, 99_000), 7_000)
    assert.equal(remainingOf({ ...told, endsAt: null, remainingMs: null }, 0, 99_000), null)
  })

  test('shows 0:00 only when it is over', () => {
    assert.deepEqual([0, 1, 999, 1_000, 59_001, 300_000].map(minutesAndSeconds), ['0:00', '0:01', '0:01', '0:01', '1:00', '5:00'])
  })
})

describe('giving the keyboard to somebody', () => {
  const people = { type: 'PARTICIPANT_LIST', participants: [
    { userId: 'ana', role: 'PILOT' }, { userId: 'bo', role: 'PARTICIPANT' }, { userId: 'cy', role: 'OBSERVER' },
    { userId: 'di', role: 'PARTICIPANT', connected: false },
  ] }

  test('goes to who is here and may write, and not to who has it', () => {
    const told = scene(connected(), people, turn())
    assert.deepEqual(handOverTo(told, 'bo'), { type: 'TURN_REQUEST', action: 'hand_over', to: 'bo' })
    for (const userId of ['ana', 'cy', 'di', 'nobody']) assert.equal(handOverTo(told, userId), null, userId)
    assert.equal(handOverTo(scene(connected(), people, turn({ state: 'FREE' })), 'bo'), null)
  })

  test('a keyboard that nobody has is given as a role', () => {
    const told = scene(connected(), people, turn({ state: 'WAITING', pilot: null }))
    assert.deepEqual(handOverTo(told, 'bo'), { type: 'ROLE_REQUEST', role: 'PILOT', userId: 'bo' })
  })
})

test('how turns are taken is told in a line', () => {
  const line = (change: object) => {
    const told = message(turn({ format: 'RANDORI', ...change }))
    return told.type === 'TURN' ? termsInWords(told) : ''
  }
  assert.equal(line({ durationMs: 300_000 }), 'Randori · 5 min each · next: the co-pilot')
  assert.equal(line({ durationMs: 90_000, rotation: 'RANDOM' }), 'Randori · 1.5 min each · next: drawn at random')
  assert.equal(line({ durationMs: 0, format: 'PAIRS' }), 'Pairs · no time limit')
})
