/** Voice over the live socket, in JSON: for guests, who have no account to ask over HTTP with. */
import type { Complaint } from '../dojo/messages.ts'
import type { SocketRequest } from '../dojo/scene.ts'
import type { VoiceAnswer } from './voice-messages.ts'
import { VoiceRefused, type Answered, type VoiceWire } from './voice-wire.ts'

/** For the server to answer, ms. */
const ANSWER_WITHIN = 10_000
/** Complaints after which the same may do later. */
const PASSING = ['voice_unavailable', 'busy', 'too_many_messages']

interface Waiting {
  readonly answered: (answer: VoiceAnswer) => void
  readonly refused: (reason: VoiceRefused) => void
}

export class SocketWire implements VoiceWire {
  readonly #say: (message: SocketRequest) => boolean
  readonly #waiting = new Map<string, Waiting>()
  #asked = 0

  /** @param say - over the socket; false if there is none at the moment. */
  constructor(say: (message: SocketRequest) => boolean) {
    this.#say = say
  }

  async iceServers(): Promise<readonly RTCIceServer[]> {
    return (await this.#ask({ type: 'VOICE_SERVERS' })).iceServers
  }

  offer(sdp: string): Promise<Answered> {
    return this.#ask({ type: 'VOICE_OFFER', sdp })
  }

  restart(peer: string, etag: string, fragment: string): Promise<Answered> {
    return this.#ask({ type: 'VOICE_CANDIDATE', peer, etag, sdp: fragment })
  }

  leave(peer: string): Promise<void> {
    this.#say({ type: 'VOICE_LEAVE', peer })
    return Promise.resolve()
  }

  take(answer: VoiceAnswer): void {
    this.#waiting.get(answer.ref)?.answered(answer)
  }

  /** Whether the complaint is about something this wire asked. */
  fail({ ref, code, message }: Complaint): boolean {
    const waiting = this.#waiting.get(ref ?? '')
    waiting?.refused(new VoiceRefused(code, message, PASSING.includes(code)))
    return waiting !== undefined
  }

  /** The socket is gone, and all answers with it. */
  interrupted(): void {
    for (const { refused } of this.#waiting.values()) refused(new VoiceRefused('away', 'the connection is gone', true))
  }

  async #ask(message: SocketRequest): Promise<VoiceAnswer> {
    const ref = `voice-${(this.#asked += 1)}`
    let timer: ReturnType<typeof setTimeout> | undefined
    try {
      return await new Promise((answered, refused) => {
        const away = () => refused(new VoiceRefused('away', 'the server did not answer', true))
        timer = setTimeout(away, ANSWER_WITHIN)
        this.#waiting.set(ref, { answered, refused })
        if (!this.#say({ ...message, ref })) away()
      })
    } finally {
      clearTimeout(timer)
      this.#waiting.delete(ref)
    }
  }
}
