import assert from 'node:assert/strict'
import { test } from 'node:test'
import { dojoFragment, parseAddress } from '../src/page/address.ts'
import { explainDojoRefusal } from '../src/dojo/dojo-words.ts'
import { standingOf } from '../src/page/standing.ts'
import { INITIAL_STATUS } from '../src/provider/status.ts'

test('a fragment names a room, a dojo, the way in, or nothing', () => {
  assert.equal(parseAddress(''), null)
  assert.equal(parseAddress('#verify=x'), null)
  assert.deepEqual(parseAddress('#room=a%20b'), { kind: 'room', room: 'a b', file: 'main.py' })
  assert.deepEqual(parseAddress('#room=a&file=x.js'), { kind: 'room', room: 'a', file: 'x.js' })
  assert.deepEqual(parseAddress('#dojo=ABC'), { kind: 'dojo', dojo: 'abc', room: null })
  assert.deepEqual(parseAddress('#dojo=a&room=B'), { kind: 'dojo', dojo: 'a', room: 'b' })
  assert.deepEqual(parseAddress('#start'), { kind: 'start', joinCode: '', invitation: '' })
  assert.deepEqual(parseAddress('#join=AAAAA-BBBBB'), { kind: 'start', joinCode: 'AAAAA-BBBBB', invitation: '' })
  assert.deepEqual(parseAddress('#dojo-invite=t'), { kind: 'start', joinCode: '', invitation: 't' })
  assert.deepEqual(parseAddress(dojoFragment('d', 'r')), { kind: 'dojo', dojo: 'd', room: 'r' })
})

const explain = (refusal: Parameters<typeof explainDojoRefusal>[0]) => explainDojoRefusal(refusal, false)

test('a refusal is told by the word of the server, else by its code', () => {
  assert.match(explain({ code: 4404, reason: 'ended' }) ?? '', /dojo has ended/)
  assert.match(explainDojoRefusal({ code: 4404, reason: 'ended' }, true) ?? '', /room is closed/)
  assert.match(explain({ code: 4404, reason: 'no such dojo' }) ?? '', /no such dojo/)
  assert.match(explain({ code: 4409, reason: 'the dojo is full' }) ?? '', /full/)
  assert.equal(explain({ code: 4401, reason: 'no_token' }), null)
  assert.equal(explain({ code: 4422, reason: 'split_character' }), null)
})

test('whoever is held at the door is told so, and not that the network is away', () => {
  const held = { ...INITIAL_STATUS, connection: 'waiting', lastReason: 'waiting_room' } as const
  assert.equal(standingOf(held, false, false).key, 'waiting')
  assert.match(standingOf({ ...held, lastReason: 'not_started' }, false, false).detail ?? '', /not begun/)
  assert.equal(standingOf({ ...held, connection: 'connecting' }, false, false).key, 'waiting')
})

test('somebody else’s turn bars the text, and says why', () => {
  const open = { ...INITIAL_STATUS, connection: 'open', synced: true, saved: true } as const
  const bar = { label: 'Watching', detail: 'Ana pilots now.' }
  assert.deepEqual(standingOf(open, false, true, { bar }), { key: 'watching', ...bar, editable: false })
  assert.equal(standingOf({ ...open, writable: false }, false, true, { bar }).key, 'paused')
})
