/** A call as it goes on: does what the plan says, and tells the plan what comes of it. */
import { OFF, step, type CallAction, type CallEvent, type CallState } from './call-plan.ts'
import { VoiceConnection } from './voice-connection.ts'
import { VoiceRefused, type VoiceWire } from './voice-wire.ts'

export interface CallHost {
  /** The wire to use for the next connection. */
  wire(): VoiceWire
  /** How things stand has changed. */
  changed(): void
  /** What is heard from now on, slot by slot; none when it is over. */
  hear(tracks: readonly MediaStreamTrack[]): void
}

export class Call {
  readonly #host: CallHost
  #state: CallState = OFF
  #connection: VoiceConnection | null = null
  #track: MediaStreamTrack | null = null
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(host: CallHost) {
    this.#host = host
    addEventListener('online', () => this.#take({ type: 'network' }))
    const network = (navigator as { readonly connection?: NetworkKind }).connection
    let kind = network?.type
    // It also tells of each new estimate of how fast the network is.
    network?.addEventListener('change', () => {
      if (network.type !== kind) this.#take({ type: 'network' })
      kind = network.type
    })
    addEventListener('pagehide', () => this.leave())
  }

  get state(): CallState {
    return this.#state
  }

  join(): void {
    this.#take({ type: 'join' })
  }

  leave(): void {
    this.#take({ type: 'leave' })
  }

  /** The server of this call is gone. */
  lost(after: number): void {
    this.#take({ type: 'lost', after })
  }

  /** Say this, now and after each reconnection. */
  speak(track: MediaStreamTrack | null): void {
    this.#track = track
    void this.#connection?.speak(track)
  }

  #take(event: CallEvent): void {
    const before = this.#state
    const { state, actions } = step(before, event, Math.random())
    this.#state = state
    if (state.phase !== before.phase) clearTimeout(this.#timer)
    for (const action of actions) this.#do(action)
    if (state !== before) this.#host.changed()
  }

  #do(action: CallAction): void {
    switch (action.do) {
      case 'connect':
        void this.#connect()
        break
      case 'restart':
        void this.#restart()
        break
      case 'close':
        this.#connection?.close()
        this.#connection = null
        this.#host.hear([])
        break
      case 'wait':
        clearTimeout(this.#timer)
        this.#timer = setTimeout(() => this.#take({ type: 'waited' }), action.ms)
    }
  }

  async #connect(): Promise<void> {
    const wire = this.#host.wire()
    // Whatever else comes meanwhile makes another state, and mostly another connection.
    const asked = this.#state
    try {
      const servers = await wire.iceServers()
      if (this.#state !== asked) return
      const told = (type: 'connected' | 'disconnected' | 'failed' | 'goodbye') => () => {
        if (this.#connection === connection) this.#take({ type })
      }
      const connection: VoiceConnection = new VoiceConnection(wire, servers, this.#track, {
        connected: told('connected'),
        disconnected: told('disconnected'),
        failed: told('failed'),
        goodbye: told('goodbye'),
      })
      this.#connection = connection
      this.#host.hear(connection.tracks)
      await connection.open()
    } catch (error) {
      if (this.#state === asked) this.#take({ type: 'refused', ...reasonOf(error) })
    }
  }

  async #restart(): Promise<void> {
    const connection = this.#connection
    try {
      await connection?.restart()
    } catch (error) {
      // An answer that does not come leaves the old way as it is: the plan has a deadline for that.
      if (this.#connection === connection && !reasonOf(error).again) this.#take({ type: 'restart_refused' })
    }
  }
}

function reasonOf(error: unknown): { readonly code: string; readonly again: boolean; readonly after: number } {
  if (error instanceof VoiceRefused) return { code: error.code, again: error.again, after: error.after }
  console.warn('dojo:', error)
  return { code: '', again: true, after: 0 }
}

/** https://wicg.github.io/netinfo: where it is there at all, `type` is on phones only. */
interface NetworkKind extends EventTarget {
  readonly type?: string
}
