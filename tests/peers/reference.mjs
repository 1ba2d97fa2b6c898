// The plainest server the Yjs protocols allow: in memory, unchecked. The peers are tried against it, so that
// a failing conformance test speaks about Dojo and not about the peers.
import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import { WebSocketServer } from 'ws'
import * as awarenessProtocol from 'y-protocols/awareness'
import * as syncProtocol from 'y-protocols/sync'
import * as Y from 'yjs'

const SYNC = 0
const AWARENESS = 1
/** Stock clients leave after 30 s without an application message. */
const HEARTBEAT_MS = 15_000

const frame = (type, write) => {
  const encoder = encoding.createEncoder()
  encoding.writeVarUint(encoder, type)
  write(encoder)
  return encoding.toUint8Array(encoder)
}

class Room {
  constructor () {
    this.doc = new Y.Doc()
    this.awareness = new awarenessProtocol.Awareness(this.doc)
    this.awareness.setLocalState(null)
    /** @type {Map<import('ws').WebSocket, Set<number>>} */
    this.members = new Map()
    this.doc.on('update', (update) => this.broadcast(frame(SYNC, e => syncProtocol.writeUpdate(e, update))))
    this.awareness.on('update', ({ added, updated, removed }, origin) => {
      const ids = this.members.get(origin)
      added.concat(updated).forEach(id => ids?.add(id))
      this.broadcast(this.presence(added.concat(updated, removed)))
    })
  }

  presence (ids) {
    return frame(AWARENESS, e => encoding.writeVarUint8Array(e, awarenessProtocol.encodeAwarenessUpdate(this.awareness, ids)))
  }

  broadcast (bytes) {
    for (const member of this.members.keys()) member.send(bytes)
  }

  join (socket) {
    this.members.set(socket, new Set())
    socket.send(frame(SYNC, e => syncProtocol.writeSyncStep1(e, this.doc)))
    if (this.awareness.getStates().size > 0) socket.send(this.presence([...this.awareness.getStates().keys()]))
    const heartbeat = setInterval(() => socket.send(this.presence([...this.awareness.getStates().keys()])), HEARTBEAT_MS)
    socket.on('message', (data) => this.take(socket, new Uint8Array(data)))
    socket.on('close', () => {
      clearInterval(heartbeat)
      const ids = this.members.get(socket)
      this.members.delete(socket)
      awarenessProtocol.removeAwarenessStates(this.awareness, [...ids], null)
    })
  }

  take (socket, bytes) {
    const decoder = decoding.createDecoder(bytes)
    const type = decoding.readVarUint(decoder)
    if (type === SYNC) {
      const reply = frame(SYNC, e => syncProtocol.readSyncMessage(decoder, e, this.doc, socket))
      if (reply.length > 1) socket.send(reply)
    } else if (type === AWARENESS) {
      awarenessProtocol.applyAwarenessUpdate(this.awareness, decoding.readVarUint8Array(decoder), socket)
    }
  }
}

/** @type {Map<string, Room>} */
const rooms = new Map()
const server = new WebSocketServer({ host: '127.0.0.1', port: Number(process.argv[2] ?? 0) })
server.on('connection', (socket, request) => {
  const name = new URL(request.url, 'ws://localhost').pathname
  if (!rooms.has(name)) rooms.set(name, new Room())
  rooms.get(name).join(socket)
})
server.on('listening', () => console.log(`ready ws://127.0.0.1:${server.address().port}`))
process.stdin.on('end', () => process.exit(0)).resume()
