// One Yjs client: a document, an unmodified y-websocket provider, and what was seen on its connections.
import { createHash } from 'node:crypto'
import * as buffer from 'lib0/buffer'
import { WebsocketProvider } from 'y-websocket'
import * as Y from 'yjs'
import { Traffic, countingSocket } from './socket.mjs'
import { decodeValue, encodeValue, rootType, typeAt } from './values.mjs'

/** Methods of shared types that a script may call. */
const METHODS = new Set(['insert', 'delete', 'push', 'unshift', 'set', 'clear', 'format', 'insertEmbed', 'applyDelta',
  'setAttribute', 'removeAttribute', 'get', 'toString', 'toJSON', 'toDelta', 'toArray', 'length'])

/** A document's delete set as `client: [[clock, length], ...]`, sorted, so that equal sets are equal text. */
const deleteSetOf = (doc) => {
  const set = Y.createDeleteSetFromStructStore(doc.store)
  return [...set.clients.entries()]
    .map(([client, ranges]) => [client, ranges.map(({ clock, len }) => [clock, len])])
    .sort(([a], [b]) => a - b)
}

export class Client {
  /** @param {typeof WebsocketProvider} Provider the class, a tab's own one for `bc: true` */
  constructor (options, Provider = WebsocketProvider) {
    const { url, room, params = {}, protocols = [], bc = false, connect = true, clientID, gc = true, headers = {},
      awareness = null, resyncInterval = -1 } = options
    this.listeners = new Set()
    this.closes = []
    this.refused = null
    this.traffic = new Traffic()
    this.undoManager = null
    this.doc = new Y.Doc({ gc })
    if (clientID !== undefined) this.doc.clientID = clientID
    const changed = () => this.changed()
    this.provider = new Provider(url, room, this.doc, {
      params,
      protocols,
      connect: false,
      disableBc: !bc,
      resyncInterval,
      WebSocketPolyfill: countingSocket(this.traffic, () => Y.getState(this.doc.store, this.doc.clientID), changed, headers)
    })
    this.awareness = this.provider.awareness
    this.awareness.setLocalState(awareness)
    this.provider.on('connection-error', changed)
    this.provider.on('connection-close', (event) => {
      this.closes.push({ code: event?.code ?? 0, reason: event?.reason ?? '', at: Date.now() })
      queueMicrotask(changed)
    })
    this.provider.on('closed', (event) => {
      this.refused = event.code
      changed()
    })
    this.provider.on('status', changed)
    this.provider.on('sync', changed)
    this.doc.on('update', changed)
    this.awareness.on('change', changed)
    if (connect) this.provider.connect()
  }

  changed () {
    for (const listener of [...this.listeners]) listener()
  }

  /** Run one operation on a shared type: `{kind, root, path?, method, args}`. */
  call (operation) {
    const { method, args = [] } = operation
    if (!METHODS.has(method)) throw new Error(`no such method: ${method}`)
    const type = typeAt(this.doc, operation)
    const member = type[method]
    return encodeValue(typeof member === 'function' ? member.apply(type, args.map(decodeValue)) : member)
  }

  /** Operations in one transaction, so that Yjs makes one update of them. `origin` is what the undo manager tracks. */
  transact (operations) {
    return this.doc.transact(() => operations.map(operation => this.call(operation)), 'script')
  }

  /** Type text one character per transaction, as a person does: one update each. */
  type (root, index, text) {
    let at = index
    for (const character of text) {
      this.doc.getText(root).insert(at, character)
      at += character.length
    }
  }

  undo (method, kind, root) {
    if (method === 'start') {
      this.undoManager = new Y.UndoManager(rootType(this.doc, kind, root), { captureTimeout: 0, trackedOrigins: new Set([null, 'script']) })
      return null
    }
    if (this.undoManager === null) throw new Error('undo: start first')
    if (method === 'stopCapturing') return this.undoManager.stopCapturing()
    return this.undoManager[method]() !== null
  }

  stateVector () {
    return Y.decodeStateVector(Y.encodeStateVector(this.doc))
  }

  /** What two equal documents have in common; state vectors are maps without order, deletions are not in them. */
  fingerprint () {
    const vector = [...this.stateVector().entries()].sort(([a], [b]) => a - b)
    return JSON.stringify([vector, deleteSetOf(this.doc)])
  }

  state () {
    const deletes = deleteSetOf(this.doc)
    const store = this.doc.store
    return {
      clientId: this.doc.clientID,
      stateVector: Object.fromEntries(this.stateVector()),
      deleteSet: createHash('sha256').update(JSON.stringify(deletes)).digest('hex'),
      pending: store.pendingStructs !== null || store.pendingDs !== null,
      connected: this.provider.wsconnected,
      synced: this.provider.synced,
      closes: this.closes,
      refused: this.refused,
      opens: this.traffic.opens,
      received: this.traffic.received,
      sent: this.traffic.sent,
      receivedBytes: this.traffic.receivedBytes,
      sentBytes: this.traffic.sentBytes,
      lastReceivedAt: this.traffic.lastReceivedAt,
      savedClock: this.traffic.savedClock,
      allSaved: this.traffic.allSaved
    }
  }

  read (kind, root) {
    return encodeValue(rootType(this.doc, kind, root))
  }

  encoded (against) {
    return buffer.toBase64(Y.encodeStateAsUpdate(this.doc, against === undefined ? undefined : buffer.fromBase64(against)))
  }

  /** Everyone's presence as this client sees it: `[{client, clock, state}]`. */
  presence () {
    return [...this.awareness.getStates().entries()]
      .map(([client, state]) => ({ client, clock: this.awareness.meta.get(client).clock, state }))
      .sort((a, b) => a.client - b.client)
  }

  sendRaw (base64) {
    const socket = this.provider.ws
    if (socket === null || socket.readyState !== socket.OPEN) throw new Error('not connected')
    socket.send(buffer.fromBase64(base64))
  }

  sendText (text) {
    const socket = this.provider.ws
    if (socket === null || socket.readyState !== socket.OPEN) throw new Error('not connected')
    // The class's own send counts binary frames only.
    Object.getPrototypeOf(Object.getPrototypeOf(socket)).send.call(socket, text)
  }

  /** Lose the connection as a network does: no close frame. The provider comes back by itself. */
  drop () {
    this.provider.ws?.terminate()
  }

  destroy () {
    this.undoManager?.destroy()
    this.provider.destroy()
    this.awareness.destroy()
    this.doc.destroy()
    this.listeners.clear()
  }
}
