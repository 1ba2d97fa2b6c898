/** What the application gives the provider. */
import type { Awareness } from 'y-protocols/awareness'
import type * as Y from 'yjs'
import type { Backoff } from './backoff.ts'
import type { LineTimeouts } from './line.ts'

/** Deadlines and waits, ms. */
export interface Timings extends LineTimeouts, Backoff {
  /** For `getToken` to answer. */
  readonly token: number
}

export const TIMINGS: Timings = { connect: 10_000, silence: 30_000, token: 15_000, base: 250, cap: 15_000 }

export interface ProviderOptions {
  /** Origin of the sockets, `ws://127.0.0.1:8081`. As a function it is asked on every attempt, after `getToken`. */
  readonly liveUrl: string | (() => string)
  readonly room: string
  readonly doc: Y.Doc
  /** Made for `doc` if it is not given. */
  readonly awareness?: Awareness
  /**
   * A token for this room. With `fresh` the last one did not lead into the room: fetch a new one.
   * A rejection counts as a failed attempt and is tried again, unless it is a `TokenRefused`.
   */
  readonly getToken: (wish: { readonly fresh: boolean }) => Promise<string>
  /** A local copy of the document, if the application keeps one; cleared when the document is refused. */
  readonly persistence?: { clear(): Promise<void> | void }
  readonly timings?: Partial<Timings>
}

/** `getToken` rejects with this when there will be no token however often it is asked: a room that is not there. */
export class TokenRefused extends Error {
  override name = 'TokenRefused'
  /** In the range of close codes, 4400-4499. */
  readonly code: number

  constructor(code: number, message: string) {
    super(message)
    this.code = code
  }
}
