import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { describe, test } from 'node:test'
import { TokenRefused, type Credential } from '../src/provider/index.ts'
import { client, QUICK, room } from './provider-case.ts'
import { until } from './until.ts'

describe('reconnect', () => {
  test('edits made while the server is away are kept, and saved when it is back', async (t) => {
    const server = await room(t)
    const [a, b] = [client(t, server), client(t, server)]
    a.provider.connect()
    b.provider.connect()
    await until('both saved', () => a.provider.status.saved && b.provider.status.saved)
    await server.stop()
    await until('a is away', () => a.provider.status.connection !== 'open')
    assert.equal(a.provider.status.saved, false)
    assert.equal(a.provider.status.synced, false)
    a.text.insert(0, 'A')
    b.text.insert(0, 'B')
    await until('several failures', () => a.provider.status.failures > 2)
    assert.equal(a.provider.status.saved, false)
    await server.listen()
    await until('same text', () => a.text.length === 2 && a.text.toString() === b.text.toString())
    await until('saved', () => a.provider.status.saved && b.provider.status.saved)
    assert.equal(a.provider.status.failures, 0)
  })

  test('what was acknowledged on the last connection is unsaved on the next until it is again', async (t) => {
    const server = await room(t)
    const { provider, text } = client(t, server)
    provider.connect()
    await until('saved', () => provider.status.saved)
    text.insert(0, 'x')
    await until('saved', () => provider.status.saved)
    server.committing = false
    server.closeAll(4500)
    await until('a new connection has synced', () => server.history.length === 2 && provider.status.synced)
    await until('the answer was received', () => server.only().count === 1)
    assert.equal(provider.status.saved, false)
    server.commit()
    await until('saved', () => provider.status.saved)
  })

  for (const code of [1000, 1012, 4399, 4500, 4509]) {
    test(`comes back after ${code}`, async (t) => {
      const server = await room(t)
      const { provider } = client(t, server)
      provider.connect()
      await until('synced', () => provider.status.synced)
      // ws will not send some of these codes itself on a terminated socket, so each is sent in a proper close.
      server.closeAll(code)
      await until('a second connection', () => server.history.length === 2 && provider.status.synced)
      assert.equal(provider.status.refusal, null)
    })
  }

  for (const code of [4400, 4403, 4409, 4499]) {
    test(`stays away after ${code}, until asked`, async (t) => {
      const server = await room(t)
      server.refuseWith = code
      const { provider, events } = client(t, server)
      provider.connect()
      await until('refused', () => provider.status.connection === 'refused')
      assert.equal(provider.status.refusal?.code, code)
      assert.equal(provider.status.refusal?.reason, 'refused')
      assert.deepEqual(events, ['refused'])
      assert.equal(server.paths.length, 1)
      server.refuseWith = null
      provider.connect()
      await until('synced', () => provider.status.synced)
      assert.equal(provider.status.refusal, null)
    })
  }

  test('a refused token is exchanged once', async (t) => {
    const server = await room(t)
    server.refuseWith = 4401
    const wishes: boolean[] = []
    const credential = async ({ fresh }: { readonly fresh: boolean }) => {
      wishes.push(fresh)
      return { token: 'token' }
    }
    const { provider } = client(t, server, { credential })
    provider.connect()
    await until('refused', () => provider.status.connection === 'refused')
    assert.deepEqual(wishes, [false, true])
    assert.equal(provider.status.refusal?.code, 4401)
  })

  test('a ticket opens one connection, and the next one gets a new ticket', async (t) => {
    const server = await room(t)
    let given = 0
    const { provider } = client(t, server, { credential: async () => ({ ticket: `t&${(given += 1)}` }) })
    provider.connect()
    await until('synced', () => provider.status.synced)
    server.closeAll(4500)
    await until('back', () => server.history.length === 2 && provider.status.synced)
    assert.deepEqual(server.paths, ['/api/v1/rooms/room/sync?ticket=t%261', '/api/v1/rooms/room/sync?ticket=t%262'])
  })

  test('a token that runs out on an open connection is exchanged', async (t) => {
    const server = await room(t)
    const { provider } = client(t, server)
    provider.connect()
    await until('synced', () => provider.status.synced)
    server.closeAll(4401)
    await until('back', () => server.history.length === 2 && provider.status.synced)
  })

  test('no token for good is a refusal', async (t) => {
    const server = await room(t)
    const credential = () => Promise.reject(new TokenRefused(4404, 'There is no such room.'))
    const { provider } = client(t, server, { credential })
    provider.connect()
    await until('refused', () => provider.status.connection === 'refused')
    assert.deepEqual(provider.status.refusal, {
      code: 4404,
      reason: 'no_token',
      explanation: 'There is no such room.',
    })
    assert.equal(server.paths.length, 0)
  })

  test('a silent server is left for a new connection', async (t) => {
    const server = await room(t)
    server.mute = true
    const { provider } = client(t, server, { timings: { ...QUICK, silence: 60 } })
    provider.connect()
    await until('a second connection', () => server.history.length >= 2)
    server.mute = false
    await until('synced', () => provider.status.synced)
  })

  test('a server that never completes the handshake is given up', async (t) => {
    const sockets: { destroy(): void }[] = []
    const listener = createServer((socket) => void sockets.push(socket.on('error', () => {})))
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
    t.after(() => {
      for (const socket of sockets) socket.destroy()
      listener.close()
    })
    const server = await room(t)
    const address = listener.address()
    assert.ok(typeof address === 'object' && address !== null)
    const urls = [`ws://127.0.0.1:${address.port}`, server.url]
    const { provider } = client(t, server, {
      liveUrl: () => urls.shift() ?? server.url,
      timings: { ...QUICK, connect: 60 },
    })
    provider.connect()
    await until('synced with the other server', () => provider.status.synced)
    assert.ok(sockets.length >= 1)
  })

  test('disconnect stays away and keeps edits for the next connect', async (t) => {
    const server = await room(t)
    const { provider, text } = client(t, server)
    provider.connect()
    await until('saved', () => provider.status.saved)
    provider.disconnect()
    assert.equal(provider.status.connection, 'idle')
    assert.equal(provider.status.saved, false)
    text.insert(0, 'later')
    await until('the server saw it leave', () => server.members.size === 0)
    provider.connect()
    await until('saved', () => provider.status.saved)
    assert.equal(server.text, 'later')
  })

  test('disconnect during an attempt ends the attempt', async (t) => {
    const server = await room(t)
    let give: (credential: Credential) => void = () => {}
    const { provider } = client(t, server, { credential: () => new Promise((resolve) => (give = resolve)) })
    provider.connect()
    provider.disconnect()
    give({ token: 'token' })
    provider.connect()
    await until('a new attempt asks again', () => provider.status.connection === 'connecting')
    give({ token: 'token' })
    await until('synced', () => provider.status.synced)
    assert.equal(server.paths.length, 1)
  })
})
