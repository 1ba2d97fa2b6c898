import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as decoding from 'lib0/decoding'
import { client, room } from './provider-case.ts'
import type { RoomServer } from './room-server.ts'
import { until } from './until.ts'

type Member = RoomServer['history'][number]

/** Client ids named in the awareness frames a member sent, one list per frame. */
function announced(member: Member): number[][] {
  return member.frames.flatMap((frame) => {
    if (frame.kind !== 'awareness') return []
    const decoder = decoding.createDecoder(frame.states)
    const ids: number[] = []
    for (let left = decoding.readVarUint(decoder); left > 0; left--) {
      ids.push(decoding.readVarUint(decoder))
      decoding.readVarUint(decoder)
      decoding.readVarString(decoder)
    }
    return [ids]
  })
}

describe('presence', () => {
  test('each sees the other, and only own states are sent, one per frame', async (t) => {
    const server = await room(t)
    const [a, b] = [client(t, server), client(t, server)]
    for (const { provider } of [a, b]) {
      provider.awareness.setLocalState({ user: { name: 'someone' } })
      provider.connect()
    }
    const [idA, idB] = [a.provider.doc.clientID, b.provider.doc.clientID]
    await until('a sees b', () => a.provider.awareness.getStates().has(idB))
    await until('b sees a', () => b.provider.awareness.getStates().has(idA))
    a.provider.awareness.setLocalStateField('cursor', 4)
    await until('b sees the cursor', () => b.provider.awareness.getStates().get(idA)?.['cursor'] === 4)
    for (const member of server.history) {
      const frames = announced(member)
      assert.ok(frames.length > 0)
      const own = frames[0]?.[0]
      assert.deepEqual(new Set(frames.flat()), new Set([own]))
      assert.ok(frames.every((ids) => ids.length === 1))
    }
  })

  test('destroy takes the state away from the others at once', async (t) => {
    const server = await room(t)
    const [a, b] = [client(t, server), client(t, server)]
    a.provider.connect()
    b.provider.connect()
    const id = a.provider.doc.clientID
    await until('b sees a', () => b.provider.awareness.getStates().has(id))
    a.provider.destroy()
    await until('b sees a no more', () => !b.provider.awareness.getStates().has(id))
  })

  test('others vanish with the connection and are back at once with the next, though nothing changed', async (t) => {
    const server = await room(t)
    server.presence.setLocalState({ user: { name: 'the one who stays' } })
    server.presence.setLocalState({ user: { name: 'the one who stays' } })
    const { provider } = client(t, server)
    provider.connect()
    const id = server.presence.clientID
    await until('seen', () => provider.awareness.getStates().has(id))
    await server.stop()
    await until('gone', () => !provider.awareness.getStates().has(id))
    assert.ok(provider.awareness.getLocalState() !== null)
    await server.listen()
    await until('back', () => provider.awareness.getStates().has(id))
  })

  test('a removal of the own state by the server is answered with a higher clock', async (t) => {
    const server = await room(t)
    const { provider } = client(t, server)
    provider.awareness.setLocalState({ user: { name: 'me' } })
    provider.connect()
    const { doc, awareness } = provider
    await until('the server knows it', () => server.presence.getStates().has(doc.clientID))
    const clock = awareness.meta.get(doc.clientID)?.clock ?? 0
    const { encodeAwarenessUpdate } = await import('y-protocols/awareness')
    const { encodeFrame } = await import('../src/provider/frames.ts')
    const removal = encodeAwarenessUpdate(awareness, [doc.clientID], new Map())
    server.raw(encodeFrame({ kind: 'awareness', states: removal }))
    await until('a higher clock', () => (server.presence.meta.get(doc.clientID)?.clock ?? 0) === clock + 1)
    assert.deepEqual(server.presence.getStates().get(doc.clientID), { user: { name: 'me' } })
  })
})
