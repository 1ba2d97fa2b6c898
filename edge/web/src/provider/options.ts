/** What the application gives the provider. */
import type { Awareness } from 'y-protocols/awareness'
import type * as Y from 'yjs'
import type { Backoff } from './backoff.ts'
import type { LineTimeouts } from './line.ts'

/** Deadlines and waits, ms. */
export interface Timings extends LineTimeouts, Backoff {
  /** For `credential` and `renew` to answer. */
  readonly token: number
}

export const TIMINGS: Timings = { connect: 10_000, silence: 30_000, token: 15_000, base: 250, cap: 15_000 }

/** What opens a connection: a token, which opens many, or a ticket, which opens this one only. */
export type Credential = { readonly token: string } | { readonly ticket: string }

export interface ProviderOptions {
  /** Origin of the sockets, `ws://127.0.0.1:8081`. As a function it is asked on every attempt, after `credential`. */
  readonly liveUrl: string | (() => string)
  /** What the windows of one browser know this room by; also its name in the address, unless `path` is given. */
  readonly room: string
  /** Where the room's socket is, from the origin on; a query may be in it. Asked on every attempt, after `credential`. */
  readonly path?: () => string
  readonly doc: Y.Doc
  /** Made for `doc` if it is not given. */
  readonly awareness?: Awareness
  /**
   * What opens the next connection. With `fresh` the last one did not lead into the room: fetch a new one.
   * A rejection counts as a failed attempt and is tried again, unless it is a `TokenRefused`.
   */
  readonly credential: (wish: { readonly fresh: boolean }) => Promise<Credential>
  /** A fresh token for the connection that is open, asked for before its time is over. */
  readonly renew: () => Promise<string>
  /** A local copy of the document, if the application keeps one; cleared when the document is refused. */
  readonly persistence?: { clear(): Promise<void> | void }
  readonly timings?: Partial<Timings>
}

/** `credential` rejects with this when there will be none however often it is asked: a room that is not there. */
export class TokenRefused extends Error {
  override name = 'TokenRefused'
  /** In the range of close codes, 4400-4499. */
  readonly code: number

  constructor(code: number, message: string) {
    super(message)
    this.code = code
  }
}
