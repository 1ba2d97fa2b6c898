/** Talking in a dojo's room: the call, the microphone, the buttons, and what is known of everybody's voice. */
import type { AccountSession } from '../account/session.ts'
import { explainComplaint } from '../dojo/dojo-words.ts'
import type { Complaint } from '../dojo/messages.ts'
import { leads, type Scene } from '../dojo/scene.ts'
import { explainError } from '../dojo/dojo-api.ts'
import { element } from '../page/element.ts'
import { say } from '../page/wording.ts'
import type { DojoProvider } from '../provider/index.ts'
import { Call } from './call.ts'
import { HttpWire } from './http-wire.ts'
import { Loudspeakers } from './loudspeakers.ts'
import { microphone, type NoMicrophone } from './microphone.ts'
import { RoomVoiceApi, type RoomVoice } from './room-voice.ts'
import { RoomVoiceMenu } from './room-voice-menu.ts'
import { SocketWire } from './socket-wire.ts'
import { explainCall, explainRecordingTrouble, explainVoiceRefusal } from './talk-words.ts'
import { TalkView } from './talk-view.ts'
import { heard, readVoice, SILENCE, type VoiceScene } from './voice-messages.ts'

/** What can be seen of somebody's voice; `silenced`: the host has muted them; null: they are not in. */
export type VoiceMark = 'speaking' | 'muted' | 'silenced' | 'silent' | null

export interface TalkHost {
  readonly session: AccountSession
  readonly provider: DojoProvider
  readonly dojo: string
  room(): string | null
  scene(): Scene
  /** Whether the window's person is an administrator of the company. */
  administers(): boolean
  /** Whether they may run the dojo over HTTP. */
  runs(): boolean
  /** Somebody's mark is another one. */
  marked(): void
}

/** Begins what the live socket is told of mutes. */
const MUTE_REF = 'voice-mute'

export class Talk {
  readonly #host: TalkHost
  readonly #socket: SocketWire
  readonly #http: HttpWire
  readonly #loudspeakers = new Loudspeakers(element('talk-slots', HTMLElement))
  readonly #view: TalkView
  readonly #menu: RoomVoiceMenu
  readonly #call: Call
  #scene: VoiceScene = SILENCE
  #track: MediaStreamTrack | null = null
  #without: NoMicrophone | 'observer' | null = null
  #asking = false
  #muted = false
  #trouble = ''

  constructor(host: TalkHost) {
    this.#host = host
    this.#socket = new SocketWire((message) => host.provider.send(message))
    this.#http = new HttpWire(host.session, host.dojo, () => host.room())
    this.#call = new Call({
      wire: () => (host.session.state.kind === 'guest' ? this.#socket : this.#http),
      hear: (tracks) => this.#loudspeakers.play(tracks),
      changed: () => this.#changed(),
    })
    this.#view = new TalkView({
      join: () => void this.#join(),
      leave: () => this.#call.leave(),
      mute: () => this.#mute(!this.#muted),
      microphone: () => void this.#listenTo(),
    })
    const api = new RoomVoiceApi(host.session, host.dojo)
    const here = async (ask: (room: string) => Promise<RoomVoice>) => {
      const room = host.room()
      return room === null ? null : await ask(room)
    }
    this.#menu = new RoomVoiceMenu({
      read: () => here((room) => api.get(room)),
      change: (change) => here((room) => api.change(room, change)),
      muteAll: (muted) => this.#say({ all: true, muted }),
      explain: explainError,
    })
    host.provider.on('status', ({ connection }) => {
      if (connection === 'waiting') this.#socket.interrupted()
    })
    // One is no longer in the room, or the room is no more.
    host.provider.on('refused', () => this.#call.leave())
    this.show()
  }

  /** A text frame of the live socket; false if it is not of voice. */
  take(fields: Readonly<Record<string, unknown>>): boolean {
    const message = readVoice(fields)
    if (message === null) return false
    if (message.type === 'VOICE_STATE' || message.type === 'VOICE_LOST') {
      this.#scene = heard(this.#scene, message)
      if (message.type === 'VOICE_LOST') this.#call.lost(message.retryAfter)
      this.show()
      this.#host.marked()
    } else this.#socket.take(message)
    return true
  }

  /** Whether the complaint is about voice. */
  fail(complaint: Complaint): boolean {
    if (complaint.ref !== MUTE_REF) return this.#socket.fail(complaint)
    if (complaint.code === 'muted_by_host') this.#mute(true)
    this.#trouble = explainComplaint(complaint.code) ?? complaint.message
    this.show()
    return true
  }

  markOf(userId: string): VoiceMark {
    const one = this.#scene.people.get(userId)
    if (one === undefined || !one.connected) return null
    // One's own mute holds, or is over, before the server has told of it.
    const own = this.#inCall && userId === this.#host.scene().me?.userId
    if (one.mutedByHost) return 'silenced'
    if ((own ? this.#muted : one.muted) || !one.maySpeak) return 'muted'
    return this.#scene.speaking.has(userId) ? 'speaking' : 'silent'
  }

  /** What one who leads can do about somebody's voice; null if they are not in. */
  muteItem(userId: string): { readonly label: string; readonly run: () => void } | null {
    const one = this.#scene.people.get(userId)
    const { me } = this.#host.scene()
    if (one === undefined || userId === me?.userId || !this.#leads) return null
    // What somebody said themselves the host does not take back.
    const muted = !one.mutedByHost
    const label = muted ? say('Mute', 'Silenciar') : say('Let them talk again', 'Deixar falar de novo')
    return { label, run: () => this.#say({ userId, muted }) }
  }

  show(): void {
    const { me } = this.#host.scene()
    const { state } = this.#call
    const inCall = this.#inCall
    const mine = me === null ? undefined : this.#scene.people.get(me.userId)
    this.#view.offer(inCall || me?.dojoStatus === 'ACTIVE')
    this.#view.show({
      inCall,
      muted: this.#muted,
      hasMicrophone: this.#track !== null,
      mayAsk: this.#track === null && !this.#asking && me?.role !== 'OBSERVER',
      recording: this.#scene.recording,
      recordingTrouble: this.#leads ? explainRecordingTrouble(this.#scene.recordingTrouble) : '',
      standing: explainCall(state, {
        without: this.#without,
        muted: this.#muted,
        mutedByHost: mine?.mutedByHost === true,
        maySpeak: mine?.maySpeak !== false,
      }),
      trouble: state.refusal === null ? this.#trouble : explainVoiceRefusal(state.refusal),
    })
    this.#menu.show({
      leads: this.#leads,
      runs: this.#host.runs(),
      recorded: this.#scene.recording,
      anyMuted: [...this.#scene.people.values()].some((one) => one.mutedByHost),
    })
  }

  get #inCall(): boolean {
    const { phase } = this.#call.state
    return phase !== 'off' && phase !== 'dropped'
  }

  get #leads(): boolean {
    return leads(this.#host.scene(), this.#host.administers())
  }

  async #join(): Promise<void> {
    this.#trouble = ''
    this.#muted = false
    // The connection is made while the browser asks: one hears before one has answered.
    this.#call.join()
    if (this.#host.scene().me?.role === 'OBSERVER') this.#without = 'observer'
    else await this.#listenTo()
  }

  async #listenTo(): Promise<void> {
    if (this.#asking || this.#track !== null) return
    this.#asking = true
    this.#without = null
    this.show()
    const found = await microphone()
    this.#asking = false
    if (typeof found === 'string') this.#without = found
    else if (this.#call.state.phase === 'off') found.stop()
    else {
      this.#track = found
      found.enabled = !this.#muted
      found.addEventListener('ended', () => this.#hangUp(found))
      this.#call.speak(found)
    }
    this.show()
  }

  /** The microphone was unplugged, or taken away. */
  #hangUp(track: MediaStreamTrack): void {
    if (this.#track !== track) return
    this.#track = null
    this.#without = 'missing'
    this.#call.speak(null)
    this.show()
  }

  #mute(muted: boolean): void {
    this.#muted = muted
    // At once, whatever the server says to it.
    if (this.#track !== null) this.#track.enabled = !muted
    this.#trouble = ''
    this.#say({ muted })
    this.show()
    this.#host.marked()
  }

  #say(what: Readonly<Record<string, unknown>>): void {
    if (!this.#host.provider.send({ type: 'VOICE_MUTE', ref: MUTE_REF, ...what })) {
      this.#trouble = say('No connection at the moment.', 'Sem conexão no momento.')
    }
  }

  #changed(): void {
    const { phase } = this.#call.state
    if (!this.#inCall) {
      this.#track?.stop()
      this.#track = null
      this.#call.speak(null)
      this.#without = null
    }
    // A new connection begins unmuted, as far as the server knows.
    if (phase === 'connected' && this.#muted) this.#say({ muted: true })
    this.show()
  }
}
