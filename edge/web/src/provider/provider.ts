/** The provider for the WebSocket subprotocol `dojo.v1`: keeps one Y.Doc in step with a room of the server. */
import { ObservableV2 } from 'lib0/observable'
import { Awareness, removeAwarenessStates } from 'y-protocols/awareness'
import * as Y from 'yjs'
import { backoffDelay } from './backoff.ts'
import { explainClose, isPermanent, UNAUTHENTICATED, WAITING } from './closes.ts'
import { authMessage, parseControl, type ControlMessage } from './control.ts'
import { draftOf } from './draft.ts'
import { Line, QUIET, type LineEnd } from './line.ts'
import { TIMINGS, TokenRefused, type Credential, type ProviderOptions, type Timings } from './options.ts'
import { OTHER_TAB, OtherTabs, type VoidNotice } from './other-tabs.ts'
import { Renewal } from './renewal.ts'
import { Session } from './session.ts'
import { INITIAL_STATUS, type ProviderEvents, type ProviderStatus } from './status.ts'
import { Surroundings } from './surroundings.ts'

/** The refused document, kept until the server's version is there to compare it with. */
interface StartingOver {
  readonly reason: string
  readonly refused: Y.Doc
  readonly refusedAwareness: Awareness
}

export class DojoProvider extends ObservableV2<ProviderEvents> {
  readonly room: string
  readonly #options: ProviderOptions
  readonly #timings: Timings
  readonly #tabs: OtherTabs
  readonly #around: Surroundings
  readonly #renewal: Renewal
  #doc: Y.Doc
  #awareness: Awareness
  #status: ProviderStatus = INITIAL_STATUS
  #wanted = false
  #destroyed = false
  #line: Line | null = null
  #session: Session | null = null
  /** Raised to make whatever an earlier attempt still awaits come to nothing. */
  #attempt = 0
  #retry: ReturnType<typeof setTimeout> | undefined
  #freshToken = false
  /** A refused token is exchanged once; the second refusal in a row is final. */
  #tokenExchanged = false
  #startingOver: StartingOver | null = null
  #leftState: Record<string, unknown> | null = null

  constructor(options: ProviderOptions) {
    super()
    this.#options = options
    this.#timings = { ...TIMINGS, ...options.timings }
    this.room = options.room
    this.#doc = options.doc
    this.#awareness = options.awareness ?? new Awareness(options.doc)
    this.#tabs = new OtherTabs(options.room, (notice) => this.#onVoid(notice))
    this.#renewal = new Renewal(this.#timings, {
      renew: () => this.#inTime(options.renew()),
      renewed: (token) => this.#line?.send(authMessage(token)),
      failed: (error) => this.#report(error),
    })
    this.#around = new Surroundings({
      back: () => this.#onBack(),
      hidden: () => this.#onHidden(),
      shown: () => this.#onShown(),
    })
  }

  /** In step with the room. Another one after `reset`. */
  get doc(): Y.Doc {
    return this.#startingOver?.refused ?? this.#doc
  }

  get awareness(): Awareness {
    return this.#startingOver?.refusedAwareness ?? this.#awareness
  }

  get status(): ProviderStatus {
    return this.#status
  }

  /** Connect and stay connected. Does nothing if that is so already; after a refusal it tries anew. */
  connect(): void {
    if (this.#destroyed || (this.#wanted && this.#status.connection !== 'refused')) return
    this.#wanted = true
    this.#tokenExchanged = false
    this.#set({ refusal: null, failures: 0 })
    void this.#open()
  }

  /** Try at once what would be tried after a wait. */
  hurry(): void {
    if (this.#wanted && this.#status.connection === 'waiting') void this.#open()
  }

  /** Close the connection and stay away. Edits stay in the document and travel with the next `connect()`. */
  disconnect(): void {
    this.#wanted = false
    this.#cancel()
    if (this.#line !== null) this.#line.close()
    this.#set({ connection: 'idle' })
  }

  /** Say something to the application behind the room, in JSON; false if there is no connection to say it on. */
  send(message: Readonly<Record<string, unknown>> & { readonly type: string }): boolean {
    if (this.#line === null || this.#status.connection !== 'open') return false
    this.#line.send(JSON.stringify(message))
    return true
  }

  /** The application was told that its right to edit is another one now. */
  allow(canWrite: boolean): void {
    this.#set({ canWrite })
  }

  /** Leave the room for good. The document is not destroyed: it is the application's. */
  override destroy(): void {
    if (this.#destroyed) return
    this.#destroyed = true
    this.#leave()
    this.disconnect()
    this.#tabs.close()
    this.#awareness.destroy()
    this.#startingOver?.refusedAwareness.destroy()
    this.#around.end()
    super.destroy()
  }

  /** A listener that throws must not take the connection with it. */
  override emit<NAME extends keyof ProviderEvents & string>(name: NAME, args: Parameters<ProviderEvents[NAME]>): void {
    try {
      super.emit(name, args)
    } catch (error) {
      console.error(`a listener of "${name}" failed`, error)
    }
  }

  // ---- one attempt -------------------------------------------------------------------------------------------

  #cancel(): void {
    this.#attempt += 1
    clearTimeout(this.#retry)
    this.#renewal.stop()
  }

  async #open(): Promise<void> {
    this.#cancel()
    const attempt = this.#attempt
    this.#set({ connection: 'connecting' })
    let line: Line
    try {
      const credential = await this.#inTime(this.#options.credential({ fresh: this.#freshToken }))
      if (attempt !== this.#attempt) return
      line = new Line(this.#url(credential), this.#listener(() => line), this.#timings)
    } catch (error) {
      if (attempt !== this.#attempt) return
      this.#report(error)
      this.#freshToken = true
      if (error instanceof TokenRefused) this.#refuse(error.code, 'no_token', error.message)
      else this.#wait()
      return
    }
    this.#line = line
  }

  #url(credential: Credential): string {
    const { liveUrl } = this.#options
    const origin = typeof liveUrl === 'string' ? liveUrl : liveUrl()
    const path = this.#options.path?.() ?? `/api/v1/rooms/${encodeURIComponent(this.room)}/sync`
    return `${origin}${path}${path.includes('?') ? '&' : '?'}${new URLSearchParams({ ...credential })}`
  }

  async #inTime<T>(answer: Promise<T>): Promise<T> {
    let deadline: ReturnType<typeof setTimeout> | undefined
    const late = new Promise<never>((_, reject) => {
      deadline = setTimeout(() => reject(new Error('no token in time')), this.#timings.token)
    })
    return Promise.race([answer, late]).finally(() => clearTimeout(deadline))
  }

  #listener(line: () => Line) {
    return {
      opened: () => this.#begin(new Session(this.#doc, this.#awareness, this.#host())),
      bytes: (bytes: Uint8Array) => {
        try {
          this.#session?.receive(bytes)
        } catch (error) {
          this.#report(error)
          // What the frame should have brought is missing now; only a new connection's first sync is sure to fill it.
          line().abandon('the server sent a malformed frame')
        }
      },
      text: (text: string) => {
        try {
          this.#obey(parseControl(text))
        } catch (error) {
          this.#report(error)
        }
      },
      ended: (end: LineEnd) => this.#onEnd(end),
    }
  }

  #host() {
    return {
      send: (frame: Uint8Array<ArrayBuffer>) => this.#line?.send(frame),
      synced: () => this.#onSynced(),
      ledgerChanged: () => this.#showLedger('edited'),
      largeEdit: () => queueMicrotask(() => this.#line?.abandon('a large edit goes with the next first sync')),
      listenerFailed: (error: unknown) => this.#report(error),
    }
  }

  #begin(session: Session): void {
    this.#session = session
    session.start()
  }

  #onEnd({ code, reason }: LineEnd): void {
    const admitted = this.#status.connection === 'open'
    this.#cancel()
    this.#line = null
    this.#session?.end()
    this.#session = null
    this.#set({ synced: false, writable: true, writableReason: null, unsavedReason: null, lastReason: reason })
    this.#showLedger('disconnected')
    if (!this.#wanted) return
    if (code === UNAUTHENTICATED && (admitted || !this.#tokenExchanged)) {
      // The token ran out, or the server has new keys. A fresh one is a changed request, not the same again.
      this.#tokenExchanged = true
      this.#freshToken = true
      this.#wait()
    } else if (isPermanent(code)) {
      this.#refuse(code, reason, explainClose(code, reason))
    } else {
      this.#freshToken = !admitted
      // Nothing is wrong, so there is nothing to back off from.
      if (WAITING.has(reason)) this.#retryIn(backoffDelay(this.#timings, 1, Math.random()))
      else this.#wait()
    }
  }

  #refuse(code: number, reason: string, explanation: string): void {
    const refusal = { code, reason, explanation }
    this.#freshToken = true
    this.#set({ connection: 'refused', refusal })
    this.emit('refused', [refusal])
  }

  #wait(): void {
    const failures = this.#status.failures + 1
    this.#set({ failures })
    this.#retryIn(backoffDelay(this.#timings, failures, Math.random()))
  }

  #retryIn(delay: number): void {
    this.#set({ connection: 'waiting' })
    clearTimeout(this.#retry)
    this.#retry = setTimeout(() => void this.#open(), delay)
  }

  // ---- what the server says ----------------------------------------------------------------------------------

  #obey(message: ControlMessage): void {
    switch (message.type) {
      case 'joined': {
        const { userId, canWrite, expiresAt } = message
        this.#freshToken = false
        this.#tokenExchanged = false
        this.#renewal.before(expiresAt)
        this.#set({ connection: 'open', userId, canWrite, lastReason: null })
        this.emit('joined', [{ userId, canWrite, expiresAt }])
        break
      }
      case 'saved':
        this.#set({ unsavedReason: null })
        this.#session?.acknowledge(message.upTo)
        break
      case 'unsaved':
        this.#set({ unsavedReason: message.reason })
        this.emit('unsaved', [message.reason])
        break
      case 'writable': {
        const { value, reason } = message
        this.#session?.setWritable(value)
        this.#set({ writable: value, writableReason: value ? null : reason })
        this.emit('writable', [{ value, reason }])
        break
      }
      case 'reset':
        this.#startOver(message.reason)
        break
      case 'renewed':
        this.#set({ canWrite: message.canWrite })
        this.#renewal.before(message.expiresAt)
        break
      case 'error':
        this.#report(new Error(`${message.code}: ${message.message}`))
        break
      case 'other':
        this.emit('message', [message.fields])
        break
    }
  }

  #onSynced(): void {
    this.#set({ synced: true, failures: 0 })
    if (this.#startingOver !== null) void this.#finishStartingOver(this.#startingOver)
    this.emit('synced', [])
  }

  #showLedger(reason: string): void {
    const saved = this.#session?.ledger.saved ?? false
    if (saved === this.#status.saved) return
    this.#set({ saved })
    if (saved) this.emit('saved', [])
    else this.emit('unsaved', [reason])
  }

  // ---- a refused document ------------------------------------------------------------------------------------

  /** Replace the document. The application keeps the refused one until the server's version can be compared. */
  #startOver(reason: string): void {
    this.#startingOver ??= { reason, refused: this.#doc, refusedAwareness: this.#awareness }
    const old = this.#awareness
    this.#doc = new Y.Doc({ gc: this.#doc.gc })
    this.#awareness = new Awareness(this.#doc)
    if (old !== this.#startingOver.refusedAwareness) old.destroy()
    if (this.#session === null) return
    removeAwarenessStates(old, [old.clientID], 'reset')
    this.#session.handOverPresence(this.#awareness)
    this.#session.end()
    this.#begin(new Session(this.#doc, this.#awareness, this.#host(), true))
    this.#set({ synced: false })
    this.#showLedger('edited')
  }

  async #finishStartingOver(over: StartingOver): Promise<void> {
    try {
      await this.#options.persistence?.clear()
    } catch (error) {
      this.#report(error)
    }
    // A second reset, or the end of this provider, may have come while the local copy was cleared.
    if (this.#startingOver !== over || this.#session?.synced !== true || this.#destroyed) return
    this.#startingOver = null
    const { refused, refusedAwareness, reason } = over
    if (reason !== OTHER_TAB) {
      const known = Y.decodeStateVector(Y.encodeStateVector(this.#doc)).get(refused.clientID) ?? 0
      this.#tabs.announce({ clientId: refused.clientID, known })
    }
    const draft = draftOf(refused, this.#doc)
    this.emit('reset', [{ reason, draft, doc: this.#doc, awareness: this.#awareness }])
    refusedAwareness.destroy()
  }

  #onVoid({ clientId, known }: VoidNotice): void {
    if (this.#startingOver !== null) return
    const held = Y.decodeStateVector(Y.encodeStateVector(this.#doc)).get(clientId) ?? 0
    // A shared store may have brought the other tab's deletions too, and those leave no trace in the clocks.
    if (held <= known && this.#options.persistence === undefined) return
    this.#startOver(OTHER_TAB)
    // The server does not know that this document is void: the numbers of this connection belong to the old one.
    this.#line?.abandon('another tab was told to start over')
  }

  /** Tell the others that this client leaves. Its clock goes up, so nothing older can bring it back. */
  #leave(): void {
    removeAwarenessStates(this.#awareness, [this.#awareness.clientID], 'leave')
  }

  /** The network or the person is back: a phone may have lost its connection without being told. */
  #onBack(): void {
    this.hurry()
    if ((this.#line?.quiet ?? 0) > QUIET) this.#line?.abandon('nothing heard while in the background')
  }

  #onHidden(): void {
    this.#leftState = this.#awareness.getLocalState()
    this.#leave()
  }

  /** Back from the browser's page cache: the page lives on where it was. */
  #onShown(): void {
    if (this.#leftState === null) return
    this.#awareness.setLocalState(this.#leftState)
    this.#leftState = null
    this.#onBack()
  }

  #set(change: Partial<ProviderStatus>): void {
    const keys = Object.keys(change) as (keyof ProviderStatus)[]
    if (keys.every((key) => this.#status[key] === change[key])) return
    this.#status = { ...this.#status, ...change }
    this.emit('status', [this.#status])
  }

  #report(error: unknown): void {
    this.emit('error', [error instanceof Error ? error : new Error(String(error))])
  }
}
