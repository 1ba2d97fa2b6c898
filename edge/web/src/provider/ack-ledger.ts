/**
 * What one connection has sent and what the server has acknowledged: the truth behind the word "saved".
 *
 * The server counts the SyncStep2 and Update messages it receives on a connection and acknowledges them by
 * number. An acknowledgement of n covers everything those n messages bring and all it depends on. A new
 * connection starts at nothing: whatever the document holds counts as unsaved until the answer to the server's
 * SyncStep1, which carries all the server lacks, has been acknowledged.
 */

/** The server acknowledged more than was sent: the counts of the two sides do not agree. */
export class LedgerMismatch extends Error {
  override name = 'LedgerMismatch'
}

export class AckLedger {
  #sent = 0
  #acknowledged = 0
  #offered: boolean
  #withheld = false

  /** @param offered - true if the document has nothing the server could lack: a new, empty one. */
  constructor(offered = false) {
    this.#offered = offered
  }

  /** Messages sent so far that the server counts. */
  get sent(): number {
    return this.#sent
  }

  /** Whether everything in the document was sent on this connection and is committed. */
  get saved(): boolean {
    return this.#offered && !this.#withheld && this.#acknowledged >= this.#sent
  }

  /** Whether edits may go out one by one: the server has been offered all that came before them. */
  get offered(): boolean {
    return this.#offered
  }

  /** A SyncStep2 is on its way: it carries the whole difference, so also what was withheld. */
  sentDifference(): void {
    this.#sent += 1
    this.#offered = true
    this.#withheld = false
  }

  /** One edit is on its way. */
  sentUpdate(): void {
    this.#sent += 1
  }

  /** An edit was made and not sent: the next SyncStep2 will bring it. */
  withhold(): void {
    this.#withheld = true
  }

  /** The server takes no edits at the moment: nothing more goes out before the next SyncStep2. */
  suspend(): void {
    this.#offered = false
    // In flight are edits the server may have passed over; only the next difference settles them.
    if (this.#acknowledged < this.#sent) this.#withheld = true
  }

  /**
   * The first `upTo` messages are committed.
   * @throws LedgerMismatch if that many were never sent.
   */
  acknowledge(upTo: number): void {
    if (upTo > this.#sent) throw new LedgerMismatch(`${upTo} messages acknowledged, ${this.#sent} sent`)
    this.#acknowledged = Math.max(this.#acknowledged, upTo)
  }
}
