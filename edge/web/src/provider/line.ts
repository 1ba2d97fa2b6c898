/** One WebSocket from open to close: connect deadline, silence deadline, a bound on unsent bytes, one ending. */

/** Name of the subprotocol. */
export const SUBPROTOCOL = 'dojo.v1'

/** Unsent bytes past which the line counts as dead: a new connection sends one merged difference instead. */
const UNSENT_BOUND = 20 * 1024 * 1024

/** Deadlines of one connection, ms. */
export interface LineTimeouts {
  /** From the start of an attempt to the open socket. */
  readonly connect: number
  /** Without a message from the server, which speaks at least every 15 s. */
  readonly silence: number
}

/** How a connection ended. `opened` tells whether it ever stood. */
export interface LineEnd {
  readonly code: number
  readonly reason: string
  readonly opened: boolean
}

export interface LineListener {
  opened(): void
  bytes(bytes: Uint8Array): void
  text(text: string): void
  /** Called once, also when the line is closed from this side. Nothing is called after it. */
  ended(end: LineEnd): void
}

/** Code reported when this side gave up on the connection; it never travels. */
const ABANDONED = 1006

/** The server says something at least every 10 s; longer than this and the connection is dead, ms. */
export const QUIET = 12_000

export class Line {
  readonly #socket: WebSocket
  readonly #listener: LineListener
  readonly #timeouts: LineTimeouts
  #opened = false
  #ended = false
  #heard = 0
  #timer: ReturnType<typeof setTimeout>

  /** @throws SyntaxError if `url` is no WebSocket address. */
  constructor(url: string, listener: LineListener, timeouts: LineTimeouts) {
    this.#listener = listener
    this.#timeouts = timeouts
    this.#socket = new WebSocket(url, SUBPROTOCOL)
    this.#socket.binaryType = 'arraybuffer'
    this.#socket.onopen = () => this.#open()
    this.#socket.onmessage = (event: MessageEvent<unknown>) => this.#message(event.data)
    this.#socket.onclose = (event) => this.#end(event.code, event.reason)
    this.#timer = setTimeout(() => this.abandon('no connection in time'), timeouts.connect)
  }

  /** Send a frame; one that comes before the line stands or after its end is dropped. */
  send(frame: Uint8Array<ArrayBuffer> | string): void {
    if (this.#socket.readyState !== WebSocket.OPEN) return
    this.#socket.send(frame)
    if (this.#socket.bufferedAmount > UNSENT_BOUND) this.abandon('the connection does not drain')
  }

  /** Milliseconds since the server was last heard; none before the line stands. */
  get quiet(): number {
    return this.#opened && !this.#ended ? performance.now() - this.#heard : 0
  }

  /** End the line in good order. */
  close(): void {
    this.#socket.close(1000)
    this.#end(1000, 'closed here')
  }

  /** Give the line up without waiting for the other side. */
  abandon(reason: string): void {
    this.#socket.close()
    this.#end(ABANDONED, reason)
  }

  #open(): void {
    if (this.#ended) return
    this.#opened = true
    this.#heard = performance.now()
    clearTimeout(this.#timer)
    this.#listen(this.#timeouts.silence)
    this.#listener.opened()
  }

  #message(data: unknown): void {
    if (this.#ended) return
    this.#heard = performance.now()
    if (typeof data === 'string') this.#listener.text(data)
    else if (data instanceof ArrayBuffer) this.#listener.bytes(new Uint8Array(data))
  }

  /** One timer that moves on when something was heard meanwhile, rather than a new one per message. */
  #listen(after: number): void {
    this.#timer = setTimeout(() => {
      const left = this.#timeouts.silence - (performance.now() - this.#heard)
      if (left <= 0) this.abandon('nothing heard from the server')
      else this.#listen(left)
    }, after)
  }

  #end(code: number, reason: string): void {
    if (this.#ended) return
    this.#ended = true
    clearTimeout(this.#timer)
    this.#listener.ended({ code, reason, opened: this.#opened })
  }
}
