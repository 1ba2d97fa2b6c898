/**
 * One connection's side of the awareness protocol: only this client's own state goes out, in single-entry
 * frames. Other people's states are never echoed: the server has them already, and ignores them from here.
 */
import {
  applyAwarenessUpdate,
  encodeAwarenessUpdate,
  removeAwarenessStates,
  type Awareness,
} from 'y-protocols/awareness'

interface Changes {
  readonly added: readonly number[]
  readonly updated: readonly number[]
  readonly removed: readonly number[]
}

export class Presence {
  readonly #awareness: Awareness
  readonly #send: (states: Uint8Array) => void

  /** @param send - takes the encoded single-entry awareness update. */
  constructor(awareness: Awareness, send: (states: Uint8Array) => void) {
    this.#awareness = awareness
    this.#send = send
  }

  /** Announce the own state. Its clock goes up first: the server may still hold the one of the last connection. */
  start(): void {
    this.#awareness.on('update', this.#onUpdate)
    const state = this.#awareness.getLocalState()
    if (state !== null) this.#awareness.setLocalState(state)
  }

  /**
   * Take states from the server.
   * @throws Error if the bytes are no awareness update.
   */
  receive(states: Uint8Array): void {
    applyAwarenessUpdate(this.#awareness, states, this)
  }

  /** Send the own state once more, as it is. */
  announce(): void {
    this.#send(encodeAwarenessUpdate(this.#awareness, [this.#awareness.clientID]))
  }

  /** Everybody else's states, for the awareness of a new document on the same connection. */
  handOver(heir: Awareness): void {
    const others = [...this.#awareness.states.keys()].filter((id) => id !== this.#awareness.clientID)
    applyAwarenessUpdate(heir, encodeAwarenessUpdate(this.#awareness, others), this)
  }

  /** The connection is over: nobody else is known to be there. */
  end(): void {
    this.#awareness.off('update', this.#onUpdate)
    const others = [...this.#awareness.states.keys()].filter((id) => id !== this.#awareness.clientID)
    removeAwarenessStates(this.#awareness, others, this)
    // Their clocks are forgotten too. Otherwise the same state, sent again on the next connection, would count
    // as old, and everybody would stay invisible until their next renewal, up to 15 s.
    for (const id of [...this.#awareness.meta.keys()]) {
      if (id !== this.#awareness.clientID) this.#awareness.meta.delete(id)
    }
  }

  readonly #onUpdate = ({ added, updated, removed }: Changes, origin: unknown): void => {
    const own = this.#awareness.clientID
    const fromServer = origin === this
    if (removed.includes(own)) {
      // From the server: the end of this client's last connection. Awareness keeps the state and raises its
      // clock, and the others must hear of it.
      if (!fromServer || this.#awareness.getLocalState() !== null) this.announce()
    } else if (!fromServer && (added.includes(own) || updated.includes(own))) {
      this.announce()
    }
  }
}
