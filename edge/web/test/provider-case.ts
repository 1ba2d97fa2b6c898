/** A room server and the providers of one test; all are gone when the test is over. */
import type { TestContext } from 'node:test'
import * as Y from 'yjs'
import { DojoProvider, type ProviderOptions } from '../src/provider/index.ts'
import { RoomServer } from './room-server.ts'

export interface Client {
  readonly provider: DojoProvider
  readonly text: Y.Text
  /** Names of the events seen, in order, without `status`. */
  readonly events: string[]
}

/** Waits short enough for a test, long enough for a busy machine. */
export const QUICK = { base: 5, cap: 50 } as const

export async function room(t: TestContext): Promise<RoomServer> {
  const server = await RoomServer.start()
  t.after(() => server.destroy())
  return server
}

export function client(t: TestContext, server: RoomServer, options: Partial<ProviderOptions> = {}): Client {
  const doc = options.doc ?? new Y.Doc()
  const provider = new DojoProvider({
    liveUrl: server.url,
    room: 'room',
    doc,
    credential: async () => ({ token: 'token' }),
    renew: async () => 'token',
    timings: QUICK,
    ...options,
  })
  t.after(() => provider.destroy())
  const events: string[] = []
  for (const name of ['joined', 'synced', 'saved', 'unsaved', 'writable', 'reset', 'refused', 'error'] as const) {
    provider.on(name, () => void events.push(name))
  }
  return { provider, text: doc.getText('t'), events }
}
