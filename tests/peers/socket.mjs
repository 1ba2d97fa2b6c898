// The WebSocket a stock provider is given: a real `ws` socket that counts what passes and, on `dojo.v1`
// connections, keeps the JSON text frames away from the provider, which can read binary frames only.
import * as decoding from 'lib0/decoding'
import { WebSocket } from 'ws'

const MESSAGE_NAMES = ['sync', 'awareness', 'auth', 'queryAwareness']
const SYNC_NAMES = ['step1', 'step2', 'update']
/** Control messages kept per client; the oldest go first. */
const CONTROL_KEPT = 1000

/** What a frame is, by its first two varints: `step1`, `step2`, `update`, `awareness`, ... */
export const frameName = (bytes) => {
  try {
    const decoder = decoding.createDecoder(bytes)
    const message = decoding.readVarUint(decoder)
    if (message === 0) return SYNC_NAMES[decoding.readVarUint(decoder)] ?? 'unknown'
    return MESSAGE_NAMES[message] ?? 'unknown'
  } catch {
    return 'unknown'
  }
}

/** Counts over all connections of one client, and what the server has acknowledged as saved. */
export class Traffic {
  constructor () {
    this.received = {}
    this.sent = {}
    this.receivedBytes = 0
    this.sentBytes = 0
    this.lastReceivedAt = 0
    this.opens = 0
    /** The connection the counts below belong to. */
    this.socket = null
    this.control = []
    /** Own clock (of the doc's client id) known to be committed, over all connections. */
    this.savedClock = 0
    /** Sync messages sent on the current connection, and the own clock each of them carried the doc up to. */
    this.sentClocks = []
    this.savedUpTo = 0
  }

  startConnection (socket) {
    this.socket = socket
    this.sentClocks = []
    this.savedUpTo = 0
  }

  countReceived (bytes) {
    const name = frameName(bytes)
    this.received[name] = (this.received[name] ?? 0) + 1
    this.receivedBytes += bytes.length
    this.lastReceivedAt = Date.now()
  }

  countSent (bytes, ownClock) {
    const name = frameName(bytes)
    this.sent[name] = (this.sent[name] ?? 0) + 1
    this.sentBytes += bytes.length
    if (name === 'step2' || name === 'update') this.sentClocks.push(ownClock)
  }

  takeControl (message) {
    this.control.push(message)
    if (this.control.length > CONTROL_KEPT) this.control.shift()
    if (message.type === 'saved') {
      this.savedUpTo = message.upTo
      if (message.upTo > 0) {
        this.savedClock = Math.max(this.savedClock, this.sentClocks[message.upTo - 1] ?? 0)
      }
    } else if (message.type === 'reset') {
      this.startConnection(this.socket)
    }
  }

  /** Everything sent on this connection is acknowledged. */
  get allSaved () {
    return this.sentClocks.length > 0 && this.savedUpTo === this.sentClocks.length
  }
}

/**
 * A `ws` class bound to one client, to be handed over as the provider's `WebSocketPolyfill`.
 * @param {Traffic} traffic
 * @param {() => number} ownClock
 * @param {() => void} changed called after each frame has been handled, and on open
 * @param {Record<string, string>} headers extra headers of the upgrade, `Origin` for instance
 */
export const countingSocket = (traffic, ownClock, changed, headers) =>
  class extends WebSocket {
    constructor (url, protocols) {
      super(url, protocols, { headers, perMessageDeflate: false, maxPayload: 256 * 1024 * 1024 })
      traffic.startConnection(this)
    }

    emit (event, ...args) {
      if (event === 'open') traffic.opens++
      if (event !== 'message') {
        const handled = super.emit(event, ...args)
        if (event === 'open') changed()
        return handled
      }
      const [data, isBinary] = args
      if (!isBinary) {
        if (traffic.socket !== this) return true
        traffic.lastReceivedAt = Date.now()
        traffic.takeControl(JSON.parse(Buffer.from(data).toString('utf8')))
        changed()
        return true
      }
      traffic.countReceived(new Uint8Array(data))
      const handled = super.emit(event, ...args)
      changed()
      return handled
    }

    send (data, ...rest) {
      traffic.countSent(new Uint8Array(data), ownClock())
      return super.send(data, ...rest)
    }
  }
