import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import { client, room } from './provider-case.ts'
import { until } from './until.ts'

/** Waits so long that nothing comes back by itself within a test. */
const SLOW = { base: 3_600_000, cap: 3_600_000 } as const

/** A document that can be hidden and seen, as Node has none. */
function seenAgain(t: TestContext): () => void {
  const page = Object.assign(new EventTarget(), { visibilityState: 'visible' })
  Object.defineProperty(globalThis, 'document', { value: page, configurable: true })
  t.after(() => Reflect.deleteProperty(globalThis, 'document'))
  return () => page.dispatchEvent(new Event('visibilitychange'))
}

describe('an application behind the room', () => {
  test('is reached where it says, and spoken with in JSON', async (t) => {
    const server = await room(t)
    const { provider } = client(t, server, { path: () => '/api/v1/dojos/d/live?since=7' })
    const heard: unknown[] = []
    provider.on('message', (fields) => void heard.push(fields))
    assert.equal(provider.send({ type: 'RAISE_HAND' }), false)
    provider.connect()
    await until('synced', () => provider.status.synced)
    assert.deepEqual(server.paths, ['/api/v1/dojos/d/live?since=7&token=token'])
    assert.equal(provider.send({ type: 'RAISE_HAND', raised: true }), true)
    await until('received', () => server.only().texts.length === 1)
    assert.deepEqual(server.only().texts.map((text) => JSON.parse(text) as unknown), [{ type: 'RAISE_HAND', raised: true }])
    server.say({ type: 'TURN', state: 'FREE' })
    await until('heard', () => heard.length === 1)
    assert.deepEqual(heard, [{ type: 'TURN', state: 'FREE' }])
  })
})

describe('back from the background', () => {
  test('a lost connection is made anew at once, not after its wait', async (t) => {
    const show = seenAgain(t)
    const server = await room(t)
    const { provider } = client(t, server, { timings: SLOW })
    provider.connect()
    await until('synced', () => provider.status.synced)
    server.closeAll(4500)
    await until('waiting', () => provider.status.connection === 'waiting')
    show()
    await until('a second connection', () => server.history.length === 2 && provider.status.synced)
  })

  test('a connection that stands is left alone', async (t) => {
    const show = seenAgain(t)
    const server = await room(t)
    const { provider } = client(t, server)
    provider.connect()
    await until('synced', () => provider.status.synced)
    show()
    server.say({ type: 'ECHO' })
    await new Promise<void>((heard) => provider.on('message', () => heard()))
    assert.equal(server.history.length, 1)
  })
})
