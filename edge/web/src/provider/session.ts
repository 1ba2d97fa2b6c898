/**
 * One document's conversation over one connection, without the socket: frames in, frames out.
 *
 * It starts by asking for what the document lacks (SyncStep1) and answers the server's own SyncStep1 with what
 * the server lacks. Only then edits go out one by one: an edit sent earlier could depend on an offline edit the
 * server has not seen, and the answer brings both.
 */
import type { Awareness } from 'y-protocols/awareness'
import * as Y from 'yjs'
import { AckLedger } from './ack-ledger.ts'
import { decodeFrame, encodeFrame, MalformedFrame } from './frames.ts'
import { Presence } from './presence.ts'

/**
 * Largest edit sent as a message of its own, bytes. The server takes 1 MiB from a member that is synced and
 * 16 MiB in the first answer on a connection; the 1 KiB between is room for the frame around the edit.
 */
export const LARGEST_EDIT = 1024 * 1024 - 1024

/** What a session needs from the connection it runs on, and tells it. */
export interface SessionHost {
  send(frame: Uint8Array<ArrayBuffer>): void
  /** The server's SyncStep2 is applied: the document holds all the room had. */
  synced(): void
  /** `ledger.saved` may have changed. */
  ledgerChanged(): void
  /** An edit is too large for a message of its own; the first answer on a new connection can carry it. */
  largeEdit(): void
  /** A listener of the application threw while an update from the server was applied. The update is applied. */
  listenerFailed(error: unknown): void
}

export class Session {
  readonly doc: Y.Doc
  readonly awareness: Awareness
  readonly ledger: AckLedger
  readonly #host: SessionHost
  readonly #presence: Presence
  #synced = false
  #suspended = false
  /** A SyncStep1 that came while the server took no edits; answered when it does again. */
  #owed: Uint8Array | null = null

  /** @param empty - the document is new: the server cannot lack any of it, so it will not ask. */
  constructor(doc: Y.Doc, awareness: Awareness, host: SessionHost, empty = false) {
    this.doc = doc
    this.awareness = awareness
    this.ledger = new AckLedger(empty)
    this.#host = host
    this.#presence = new Presence(awareness, (states) => host.send(encodeFrame({ kind: 'awareness', states })))
  }

  get synced(): boolean {
    return this.#synced
  }

  start(): void {
    this.doc.on('update', this.#onUpdate)
    this.#host.send(encodeFrame({ kind: 'step1', stateVector: Y.encodeStateVector(this.doc) }))
    this.#presence.start()
  }

  /** Pass other people's states on to the awareness that takes this one's place. The server sends them only once. */
  handOverPresence(heir: Awareness): void {
    this.#presence.handOver(heir)
  }

  /** Stop listening; other people's presence ends with the connection. */
  end(): void {
    this.doc.off('update', this.#onUpdate)
    this.#presence.end()
  }

  /**
   * Take one binary frame from the server.
   * @throws MalformedFrame if it is none; the connection has then lost its place and must be opened anew.
   */
  receive(bytes: Uint8Array): void {
    const frame = decodeFrame(bytes)
    switch (frame.kind) {
      case 'step1':
        this.#answer(frame.stateVector)
        break
      case 'step2':
        this.#apply(frame.update)
        this.#synced = true
        this.#host.synced()
        break
      case 'update':
        this.#apply(frame.update)
        break
      case 'awareness':
        try {
          this.#presence.receive(frame.states)
        } catch (error) {
          // Presence is repeated every few seconds: nothing is lost that would need a new connection.
          this.#host.listenerFailed(error)
        }
        break
      case 'query-awareness':
        this.#presence.announce()
    }
  }

  /**
   * The server has committed the first `upTo` messages.
   * @throws LedgerMismatch if that many were never sent.
   */
  acknowledge(upTo: number): void {
    this.ledger.acknowledge(upTo)
    this.#host.ledgerChanged()
  }

  /** Whether the server takes edits at the moment. When it does again it asks for what it missed (SyncStep1). */
  setWritable(value: boolean): void {
    this.#suspended = !value
    if (value) {
      const owed = this.#owed
      this.#owed = null
      if (owed !== null) this.#answer(owed)
    } else {
      this.ledger.suspend()
    }
    this.#host.ledgerChanged()
  }

  #answer(stateVector: Uint8Array): void {
    if (this.#suspended) {
      this.#owed = stateVector
      return
    }
    let update: Uint8Array
    try {
      update = Y.encodeStateAsUpdate(this.doc, stateVector)
    } catch (error) {
      throw new MalformedFrame('a SyncStep1 carries no state vector', { cause: error })
    }
    this.ledger.sentDifference()
    this.#host.send(encodeFrame({ kind: 'step2', update }))
    this.#host.ledgerChanged()
  }

  #apply(update: Uint8Array): void {
    try {
      Y.applyUpdate(this.doc, update, this)
    } catch (error) {
      // Yjs rethrows what an observer of the application threw. Only undecodable bytes are the server's fault.
      if (!decodes(update)) throw new MalformedFrame('an update cannot be decoded', { cause: error })
      this.#host.listenerFailed(error)
    }
  }

  readonly #onUpdate = (update: Uint8Array, origin: unknown): void => {
    if (origin === this) return
    if (!this.ledger.offered) {
      this.ledger.withhold()
    } else if (update.byteLength > LARGEST_EDIT) {
      this.ledger.withhold()
      this.#host.largeEdit()
    } else {
      this.ledger.sentUpdate()
      this.#host.send(encodeFrame({ kind: 'update', update }))
    }
    this.#host.ledgerChanged()
  }
}

function decodes(update: Uint8Array): boolean {
  try {
    Y.decodeUpdate(update)
    return true
  } catch {
    return false
  }
}
