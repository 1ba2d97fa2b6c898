import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as Y from 'yjs'
import { LARGEST_EDIT } from '../src/provider/session.ts'
import { client, QUICK, room } from './provider-case.ts'
import { until } from './until.ts'

describe('sync', () => {
  test('two clients come together, and each knows its edits are saved', async (t) => {
    const server = await room(t)
    const [a, b] = [client(t, server), client(t, server)]
    a.provider.connect()
    b.provider.connect()
    await until('both synced', () => a.provider.status.synced && b.provider.status.synced)
    a.text.insert(0, 'hello')
    b.text.insert(0, 'hi ')
    await until('same text', () => a.text.toString() === b.text.toString() && a.text.length === 8)
    await until('both saved', () => a.provider.status.saved && b.provider.status.saved)
    assert.equal(a.provider.status.connection, 'open')
    assert.equal(a.provider.status.userId, 'u-1')
  })

  test('the address names room and token, percent-encoded', async (t) => {
    const server = await room(t)
    const { provider } = client(t, server, { room: 'büro 7/a', credential: async () => ({ token: 'a+b/c=' }) })
    provider.connect()
    await until('synced', () => provider.status.synced)
    assert.deepEqual(server.paths, ['/api/v1/rooms/b%C3%BCro%207%2Fa/sync?token=a%2Bb%2Fc%3D'])
  })

  test('saved stays false until the server has committed, also after the edit was shared', async (t) => {
    const server = await room(t)
    const { provider, text, events } = client(t, server)
    provider.connect()
    await until('saved', () => provider.status.saved)
    server.committing = false
    text.insert(0, 'a')
    text.insert(1, 'b')
    assert.equal(provider.status.saved, false)
    await until('server has it', () => server.text === 'ab')
    server.say({ type: 'saved', upTo: server.only().count - 1 })
    server.say({ type: 'unsaved', reason: 'journal_unavailable' })
    await until('unsaved told', () => provider.status.unsavedReason === 'journal_unavailable')
    assert.equal(provider.status.saved, false)
    server.commit()
    await until('saved', () => provider.status.saved)
    assert.equal(provider.status.unsavedReason, null)
    assert.deepEqual(events, ['joined', 'synced', 'saved', 'unsaved', 'unsaved', 'saved'])
  })

  test('one message per frame, and no edit before the server was offered what came earlier', async (t) => {
    const server = await room(t)
    const doc = new Y.Doc()
    const { provider, text } = client(t, server, { doc })
    text.insert(0, 'offline')
    provider.connect()
    await until('server has it', () => server.text === 'offline')
    text.insert(7, '!')
    text.insert(8, '?')
    await until('server has all', () => server.text === 'offline!?')
    const kinds = server.only().frames.map((frame) => frame.kind).filter((kind) => kind !== 'awareness')
    assert.deepEqual(kinds, ['step1', 'step2', 'update', 'update'])
  })

  test('an edit too large for a message goes with the first sync of a new connection', async (t) => {
    const server = await room(t)
    const { provider, text } = client(t, server)
    provider.connect()
    await until('saved', () => provider.status.saved)
    text.insert(0, 'x'.repeat(LARGEST_EDIT + 1))
    await until('server has it', () => server.text.length === LARGEST_EDIT + 1)
    await until('saved', () => provider.status.saved)
    assert.equal(server.history.length, 2)
    assert.ok(server.history.every((member) => member.frames.every((frame) => frame.kind !== 'update')))
  })

  test('while the server takes no edits they wait, and follow when it asks again', async (t) => {
    const server = await room(t)
    const { provider, text, events } = client(t, server)
    provider.connect()
    await until('saved', () => provider.status.saved)
    server.writable = false
    text.insert(0, 'lost? ')
    server.say({ type: 'writable', value: false, reason: 'backlog_full' })
    await until('told', () => !provider.status.writable)
    assert.equal(provider.status.writableReason, 'backlog_full')
    text.insert(6, 'no')
    server.commit()
    server.writable = true
    server.say({ type: 'writable', value: true, reason: 'backlog_full' })
    server.askAll()
    await until('server has all', () => server.text === 'lost? no')
    await until('saved', () => provider.status.saved)
    assert.equal(events.filter((event) => event === 'writable').length, 2)
    text.insert(8, '!')
    await until('edits flow again', () => server.text === 'lost? no!')
  })

  test('a listener that throws and a malformed frame break nothing', async (t) => {
    const server = await room(t)
    const { provider, text, events } = client(t, server)
    t.mock.method(console, 'error', () => {})
    provider.on('synced', () => {
      throw new Error('a listener of the application')
    })
    provider.connect()
    await until('saved', () => provider.status.saved)
    for (const frame of ['not json', '{"type":"saved","upTo":999}', '{"type":"joined"}']) server.raw(frame)
    server.raw(Uint8Array.of(1, 3, 1, 5, 0))
    await until('four errors', () => events.filter((event) => event === 'error').length === 4)
    assert.equal(server.history.length, 1)
    server.raw(Uint8Array.of(0, 2, 3, 1, 1, 9))
    await until('a new connection', () => server.history.length === 2 && provider.status.saved)
    server.edit((shared) => shared.insert(0, 'still here'))
    await until('edits arrive', () => text.toString() === 'still here')
  })
})

describe('tokens', () => {
  test('are renewed on the open connection', async (t) => {
    const server = await room(t)
    server.expiresIn = 1
    t.mock.timers.enable({ apis: ['setTimeout'] })
    const { provider } = client(t, server, { renew: async () => 'token-2' })
    provider.connect()
    const joined = Promise.withResolvers<void>()
    provider.on('joined', () => joined.resolve())
    await joined.promise
    // The shortest wait for a renewal.
    t.mock.timers.tick(5_000)
    t.mock.timers.reset()
    await until('renewed', () => server.only().texts.length === 1)
    assert.deepEqual(server.only().texts, ['{"type":"auth","token":"token-2"}'])
  })

  test('a failed attempt asks for a fresh one, and goes on until one comes', async (t) => {
    const server = await room(t)
    const wishes: boolean[] = []
    const { provider, events } = client(t, server, {
      timings: { ...QUICK, token: 50 },
      credential: ({ fresh }) => {
        wishes.push(fresh)
        if (wishes.length === 1) return Promise.reject(new Error('no network'))
        if (wishes.length === 2) return new Promise(() => {})
        return Promise.resolve({ token: 'token' })
      },
    })
    provider.connect()
    await until('synced', () => provider.status.synced)
    assert.deepEqual(wishes, [false, true, true])
    assert.deepEqual(events.slice(0, 3), ['error', 'error', 'joined'])
  })
})
