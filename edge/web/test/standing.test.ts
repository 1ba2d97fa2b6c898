import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { standingOf } from '../src/page/standing.ts'
import { INITIAL_STATUS, type ProviderStatus } from '../src/provider/status.ts'

const OPEN: ProviderStatus = { ...INITIAL_STATUS, connection: 'open', synced: true, saved: true }
const key = (change: Partial<ProviderStatus>, edited = true, known = true) =>
  standingOf({ ...OPEN, ...change }, edited, known).key

describe('how things stand', () => {
  test('saved is said only after an edit and only while it is true', () => {
    assert.equal(key({}, false), 'live')
    assert.equal(key({}), 'saved')
    assert.equal(key({ saved: false }), 'saving')
    assert.equal(key({ saved: false, unsavedReason: 'journal_unavailable' }), 'unsaved')
    assert.equal(key({ synced: false, connection: 'waiting', failures: 1 }), 'offline')
  })

  test('a retry under way is still offline, not connecting', () => {
    const away = { synced: false, saved: false, failures: 2 } as const
    assert.equal(key({ ...away, connection: 'connecting' }), 'offline')
    assert.equal(key({ ...away, connection: 'connecting', failures: 0 }), 'connecting')
  })

  test('away it says what is tried, and what becomes of the text', () => {
    const away = { ...OPEN, synced: false, saved: false, connection: 'waiting' } as const
    const told = (failures: number, edited: boolean, known = true) => standingOf({ ...away, failures }, edited, known)
    assert.equal(told(1, true).label, 'Reconnecting…')
    assert.equal(told(9, true).label, 'Offline')
    assert.match(told(9, true).detail ?? '', /Your edits are kept/)
    assert.match(told(9, false).detail ?? '', /What others type/)
    assert.match(told(1, false, false).detail ?? '', /No connection to the server yet/)
  })

  test('text is editable offline once it is known, and never without the right or the room’s leave', () => {
    const away = { ...OPEN, synced: false, saved: false, connection: 'waiting', failures: 1 } as const
    assert.equal(standingOf(away, false, true).editable, true)
    assert.equal(standingOf(away, false, false).editable, false)
    assert.equal(standingOf({ ...away, canWrite: false }, false, true).editable, false)
    assert.equal(standingOf({ ...OPEN, canWrite: false }, false, true).key, 'read-only')
    assert.equal(standingOf({ ...OPEN, writable: false, writableReason: 'backlog_full' }, true, true).key, 'paused')
    assert.equal(standingOf({ ...OPEN, writable: false, writableReason: 'backlog_full' }, true, true).editable, false)
  })

  test('a refusal is told with its reason, whatever else holds', () => {
    const refusal = { code: 4409, reason: 'room_full', explanation: 'The room is full.' }
    const standing = standingOf({ ...OPEN, connection: 'refused', refusal }, true, true)
    assert.equal(standing.key, 'refused')
    assert.equal(standing.editable, false)
    assert.match(standing.detail ?? '', /^The room is full\./)
  })
})
