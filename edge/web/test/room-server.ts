/**
 * A small room server for the provider's tests: real sockets, real Yjs, one document, the `dojo.v1` frames of
 * the contract. Commits can be held back, edits refused and connections cut, each by one call.
 */
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { WebSocketServer, type WebSocket as Socket } from 'ws'
import { applyAwarenessUpdate, Awareness, encodeAwarenessUpdate } from 'y-protocols/awareness'
import * as Y from 'yjs'
import { decodeFrame, encodeFrame, type Frame } from '../src/provider/frames.ts'

interface Member {
  readonly socket: Socket
  readonly token: string
  /** SyncStep2 and Update messages since the last reset. */
  count: number
  /** Ignores sync updates until the member's next SyncStep1. */
  resetting: boolean
  readonly frames: Frame[]
  readonly texts: string[]
}

export class RoomServer {
  readonly doc = new Y.Doc()
  readonly presence = new Awareness(new Y.Doc())
  readonly members = new Set<Member>()
  /** Every member there ever was, in order of arrival. */
  readonly history: Member[] = []
  readonly paths: string[] = []
  canWrite = true
  expiresIn = 3_600_000
  /** Commits get through: edits are acknowledged at once. */
  committing = true
  writable = true
  /** Close newcomers with this code. */
  refuseWith: number | null = null
  /** Accept and say nothing. */
  mute = false
  /** Called with each edit; true makes the server answer it with `reset`. */
  refuses: (update: Uint8Array) => boolean = () => false
  #wss: WebSocketServer | null = null
  #port = 0

  private constructor() {
    this.presence.setLocalState(null)
  }

  static async start(): Promise<RoomServer> {
    const server = new RoomServer()
    await server.listen()
    return server
  }

  get url(): string {
    return `ws://127.0.0.1:${this.#port}`
  }

  get text(): string {
    return this.doc.getText('t').toString()
  }

  async listen(): Promise<void> {
    const wss = new WebSocketServer({
      host: '127.0.0.1',
      port: this.#port,
      handleProtocols: (protocols) => (protocols.has('dojo.v1') ? 'dojo.v1' : false),
    })
    wss.on('connection', (socket, request) => this.#onMember(socket, request.url ?? ''))
    await once(wss, 'listening')
    this.#port = (wss.address() as AddressInfo).port
    this.#wss = wss
  }

  /** Cut every connection and stop listening; `listen()` comes back on the same port. */
  async stop(): Promise<void> {
    const wss = this.#wss
    this.#wss = null
    for (const { socket } of this.members) socket.terminate()
    if (wss !== null) await new Promise((resolve) => wss.close(resolve))
  }

  async destroy(): Promise<void> {
    await this.stop()
    this.presence.destroy()
  }

  say(message: object): void {
    for (const { socket } of this.members) socket.send(JSON.stringify(message))
  }

  raw(data: Uint8Array | string): void {
    for (const { socket } of this.members) socket.send(data)
  }

  closeAll(code: number): void {
    for (const { socket } of this.members) socket.close(code)
  }

  /** Acknowledge all that was received so far. */
  commit(): void {
    for (const member of this.members) member.socket.send(JSON.stringify({ type: 'saved', upTo: member.count }))
  }

  askAll(): void {
    for (const { socket } of this.members) this.#ask(socket)
  }

  /** An edit by somebody else. */
  edit(change: (text: Y.Text) => void): void {
    const before = Y.encodeStateVector(this.doc)
    change(this.doc.getText('t'))
    this.#broadcast({ kind: 'update', update: Y.encodeStateAsUpdate(this.doc, before) })
  }

  reset(member: Member, reason: string): void {
    member.resetting = true
    member.count = 0
    member.socket.send(JSON.stringify({ type: 'reset', reason }))
  }

  only(): Member {
    const [member] = this.members
    if (member === undefined || this.members.size !== 1) throw new Error(`${this.members.size} members, not one`)
    return member
  }

  #ask(socket: Socket): void {
    socket.send(encodeFrame({ kind: 'step1', stateVector: Y.encodeStateVector(this.doc) }))
  }

  #broadcast(frame: Frame, except?: Member): void {
    const bytes = encodeFrame(frame)
    for (const member of this.members) if (member !== except) member.socket.send(bytes)
  }

  #onMember(socket: Socket, path: string): void {
    this.paths.push(path)
    if (this.refuseWith !== null) {
      socket.close(this.refuseWith, 'refused')
      return
    }
    const token = new URL(path, 'ws://room').searchParams.get('token') ?? ''
    const member: Member = { socket, token, count: 0, resetting: false, frames: [], texts: [] }
    this.members.add(member)
    this.history.push(member)
    socket.on('close', () => this.members.delete(member))
    if (this.mute) return
    socket.on('message', (data: Buffer, binary) => this.#onMessage(member, data, binary))
    const expiresAt = Date.now() + this.expiresIn
    socket.send(JSON.stringify({ type: 'joined', userId: 'u-1', canWrite: this.canWrite, expiresAt }))
    if (!this.writable) socket.send(JSON.stringify({ type: 'writable', value: false, reason: 'backlog_full' }))
    this.#ask(socket)
    const ids = [...this.presence.states.keys()]
    socket.send(encodeFrame({ kind: 'awareness', states: encodeAwarenessUpdate(this.presence, ids) }))
  }

  #onMessage(member: Member, data: Buffer, binary: boolean): void {
    if (!binary) {
      member.texts.push(data.toString())
      member.socket.send(JSON.stringify({ type: 'renewed', expiresAt: Date.now() + this.expiresIn, canWrite: true }))
      return
    }
    const frame = decodeFrame(new Uint8Array(data))
    member.frames.push(frame)
    switch (frame.kind) {
      case 'step1': {
        member.resetting = false
        const update = Y.encodeStateAsUpdate(this.doc, frame.stateVector)
        member.socket.send(encodeFrame({ kind: 'step2', update }))
        break
      }
      case 'step2':
      case 'update':
        this.#onEdit(member, frame.update)
        break
      case 'awareness':
        applyAwarenessUpdate(this.presence, frame.states, member)
        this.#broadcast(frame, member)
        break
      case 'query-awareness':
        break
    }
  }

  #onEdit(member: Member, update: Uint8Array): void {
    if (member.resetting) return
    member.count += 1
    if (!this.writable) return
    if (this.refuses(update)) {
      this.reset(member, 'read_only')
      return
    }
    Y.applyUpdate(this.doc, update, member)
    this.#broadcast({ kind: 'update', update }, member)
    if (this.committing) member.socket.send(JSON.stringify({ type: 'saved', upTo: member.count }))
  }
}
