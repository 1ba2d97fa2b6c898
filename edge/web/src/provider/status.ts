/** What the application can show at any moment, and what the provider reports as it happens. */
import type { Awareness } from 'y-protocols/awareness'
import type * as Y from 'yjs'
import type { DraftText } from './draft.ts'

export type Connection =
  /** Not asked to be connected. */
  | 'idle'
  /** An attempt is under way. */
  | 'connecting'
  /** The server has admitted this client. */
  | 'open'
  /** The last attempt or connection ended; the next attempt comes after a wait. */
  | 'waiting'
  /** The server refused for good; `connect()` tries again. */
  | 'refused'

/** Why the server will not have this client. */
export interface Refusal {
  /** The close code, 4400-4499. */
  readonly code: number
  /** The server's own word, `room_full`; `no_token` when `credential` gave up. */
  readonly reason: string
  /** One sentence for people. */
  readonly explanation: string
}

export interface ProviderStatus {
  readonly connection: Connection
  /** Attempts and connections that ended since the last one that synced. */
  readonly failures: number
  /** The document holds all the room had when this connection was made. */
  readonly synced: boolean
  /** Everything in the document was sent on this connection and is committed, with all it depends on. */
  readonly saved: boolean
  /** The server cannot commit at the moment (`journal_unavailable`); edits are shared all the same. */
  readonly unsavedReason: string | null
  /** The ticket allows edits. True until the server has said otherwise. */
  readonly canWrite: boolean
  /** The server takes edits at the moment. */
  readonly writable: boolean
  readonly writableReason: string | null
  readonly refusal: Refusal | null
  /** The server's word at the end of the last connection or attempt, until the next one is admitted. */
  readonly lastReason: string | null
  readonly userId: string | null
}

export const INITIAL_STATUS: ProviderStatus = {
  connection: 'idle',
  failures: 0,
  synced: false,
  saved: false,
  unsavedReason: null,
  canWrite: true,
  writable: true,
  writableReason: null,
  refusal: null,
  lastReason: null,
  userId: null,
}

/** The document has been replaced. Bind to `doc` and `awareness`; offer `draft` to the person who wrote it. */
export interface Reset {
  /** `read_only`, `split_character`, or `other_tab` when another tab of this browser was told first. */
  readonly reason: string
  readonly draft: readonly DraftText[]
  readonly doc: Y.Doc
  /** Belongs to `doc`; its own state is empty until the application sets it. */
  readonly awareness: Awareness
}

/** Events of `DojoProvider`, by name. */
export type ProviderEvents = {
  /** Any field of the status changed. */
  status: (status: ProviderStatus) => void
  /** The server admitted this client. `expiresAt` in Unix ms. */
  joined: (joined: { readonly userId: string; readonly canWrite: boolean; readonly expiresAt: number }) => void
  /** The document holds all the room had; on every connection. */
  synced: () => void
  /** `status.saved` turned true. */
  saved: () => void
  /** `status.saved` turned false (`edited`, `disconnected`), or the server cannot commit (its own reason). */
  unsaved: (reason: string) => void
  writable: (change: { readonly value: boolean; readonly reason: string | null }) => void
  reset: (reset: Reset) => void
  refused: (refusal: Refusal) => void
  /** The server said something in JSON that is the application's business. Any shape; it has a `type`. */
  message: (fields: Readonly<Record<string, unknown>>) => void
  /** Something went wrong that the provider goes on from; for logs. */
  error: (error: Error) => void
}
