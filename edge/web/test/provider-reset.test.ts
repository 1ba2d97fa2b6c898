import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import * as Y from 'yjs'
import type { Reset } from '../src/provider/index.ts'
import { client, room, type Client } from './provider-case.ts'
import { until } from './until.ts'

function resets(t: TestContext, { provider }: Client): Reset[] {
  const seen: Reset[] = []
  provider.on('reset', (reset) => void seen.push(reset))
  t.after(() => seen.forEach(({ awareness }) => awareness.destroy()))
  return seen
}

describe('reset', () => {
  test('starts over with a new document on the same connection and offers the draft', async (t) => {
    const server = await room(t)
    server.edit((text) => text.insert(0, 'shared'))
    server.presence.setLocalState({ user: { name: 'neighbour' } })
    server.presence.setLocalState({ user: { name: 'neighbour' } })
    const one = client(t, server)
    const seen = resets(t, one)
    one.provider.awareness.setLocalState({ user: { name: 'me' } })
    one.provider.connect()
    await until('saved', () => one.provider.status.saved)
    server.refuses = () => true
    one.text.insert(6, ' refused')
    one.text.insert(14, ' twice')
    server.edit((text) => text.insert(0, 'newly '))
    await until('reset', () => seen.length === 1)
    const { provider } = one
    const [reset] = seen
    assert.ok(reset !== undefined)
    assert.equal(reset.reason, 'read_only')
    assert.deepEqual(reset.draft, [{ name: 't', mine: 'newly shared refused twice', theirs: 'newly shared' }])
    assert.notEqual(reset.doc.clientID, one.text.doc?.clientID)
    assert.equal(provider.doc, reset.doc)
    assert.equal(provider.awareness, reset.awareness)
    assert.equal(provider.status.saved, true)
    assert.equal(server.history.length, 1)
    assert.equal(server.text, 'newly shared')
    assert.ok(reset.awareness.getStates().has(server.presence.clientID), 'the neighbour is still seen')

    server.refuses = () => false
    reset.doc.getText('t').insert(0, 'again ')
    assert.equal(provider.status.saved, false)
    await until('edits of the new document are taken', () => server.text === 'again newly shared')
    await until('and counted from nothing', () => provider.status.saved)
    assert.equal(server.only().count, 1)
    await until('the old presence is gone', () => !server.presence.getStates().has(one.text.doc?.clientID ?? 0))
  })

  test('a connection lost in between does not lose the draft', async (t) => {
    const server = await room(t)
    const one = client(t, server)
    const seen = resets(t, one)
    one.provider.connect()
    await until('saved', () => one.provider.status.saved)
    server.refuses = (update) => {
      // The reset is on its way, and the answer to the SyncStep1 that follows never comes.
      for (const member of server.members) {
        member.socket.removeAllListeners('message')
        setImmediate(() => member.socket.close(4500))
      }
      return update.length > 0
    }
    one.text.insert(0, 'mine')
    await until('away', () => server.history.length === 1 && one.provider.status.connection !== 'open')
    server.refuses = () => false
    one.text.insert(4, ', still typing')
    await until('reset', () => seen.length === 1)
    assert.deepEqual(seen[0]?.draft, [{ name: 't', mine: 'mine, still typing', theirs: '' }])
    await until('saved', () => one.provider.status.saved)
    assert.equal(server.text, '')
  })

  test('the local copy is cleared before the new document is handed over', async (t) => {
    const server = await room(t)
    const order: string[] = []
    const one = client(t, server, {
      persistence: {
        clear: async () => {
          await new Promise((resolve) => setImmediate(resolve))
          order.push('cleared')
        },
      },
    })
    const seen = resets(t, one)
    one.provider.on('reset', () => void order.push('reset'))
    one.provider.connect()
    await until('saved', () => one.provider.status.saved)
    server.refuses = () => true
    one.text.insert(0, 'x')
    await until('reset', () => seen.length === 1)
    assert.deepEqual(order, ['cleared', 'reset'])
  })

  test('another tab that holds the refused edits starts over, one that does not goes on', async (t) => {
    const server = await room(t)
    const [first, second, third] = [client(t, server), client(t, server), client(t, server)]
    const [seenFirst, seenSecond, seenThird] = [resets(t, first), resets(t, second), resets(t, third)]
    for (const { provider } of [first, second, third]) provider.connect()
    await until('all saved', () => [first, second, third].every(({ provider }) => provider.status.saved))
    // What a local store shared by two tabs would do; the tabs' own sockets are held off meanwhile.
    second.provider.disconnect()
    first.text.doc?.once('update', (update: Uint8Array) => Y.applyUpdate(second.provider.doc, update, 'store'))
    server.refuses = () => true
    first.text.insert(0, 'refused')
    await until('the first starts over', () => seenFirst.length === 1)
    server.refuses = () => false
    second.provider.connect()
    await until('the second starts over', () => seenSecond.length === 1)
    assert.equal(seenSecond[0]?.reason, 'other_tab')
    assert.deepEqual(seenSecond[0].draft, [{ name: 't', mine: 'refused', theirs: '' }])
    third.text.insert(0, 'mine')
    await until('saved', () => third.provider.status.saved)
    assert.equal(server.text, 'mine')
    assert.equal(seenThird.length, 0)
  })
})
