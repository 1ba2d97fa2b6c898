/** Voice over HTTP, as WHIP has it (RFC 9725). It works also while the live socket does not. */
import { ApiAway, ApiProblem, isRecord } from '../account/api.ts'
import { SessionEnded, type AccountSession } from '../account/session.ts'
import { iceServersIn } from './voice-messages.ts'
import { VoiceRefused, type Answered, type VoiceWire } from './voice-wire.ts'

export class HttpWire implements VoiceWire {
  readonly #session: AccountSession
  readonly #path: string
  readonly #room: () => string | null

  /** @param room - where to talk; null: the dojo's first one. */
  constructor(session: AccountSession, dojo: string, room: () => string | null) {
    this.#session = session
    this.#path = `/api/v1/dojos/${encodeURIComponent(dojo)}/voice`
    this.#room = room
  }

  async iceServers(): Promise<readonly RTCIceServer[]> {
    const answer = await explained(this.#session.ask(`${this.#path}/ice-servers`, { method: 'GET' }))
    return isRecord(answer) ? iceServersIn(answer) : []
  }

  async offer(sdp: string): Promise<Answered> {
    const room = this.#room()
    const query = room === null ? '' : `?room=${encodeURIComponent(room)}`
    const asked = { method: 'POST', type: 'application/sdp', body: sdp } as const
    const { text, headers } = await explained(this.#session.askText(`${this.#path}${query}`, asked))
    const peer = headers.get('Location')?.split('/').at(-1) ?? ''
    return { sdp: text, peer, etag: headers.get('ETag') ?? '*' }
  }

  async restart(peer: string, etag: string, fragment: string): Promise<Pick<Answered, 'sdp' | 'etag'>> {
    const type = 'application/trickle-ice-sdpfrag'
    const asked = { method: 'PATCH', type, body: fragment, ifMatch: etag } as const
    const { text, headers } = await explained(this.#session.askText(`${this.#path}/${peer}`, asked))
    return { sdp: text, etag: headers.get('ETag') ?? '*' }
  }

  async leave(peer: string): Promise<void> {
    await explained(this.#session.ask(`${this.#path}/${peer}`, { method: 'DELETE' }))
  }
}

async function explained<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (error) {
    if (error instanceof ApiProblem) {
      throw new VoiceRefused(error.code, error.message, error.passing, (error.retryAfter ?? 0) * 1000)
    }
    if (error instanceof ApiAway) throw new VoiceRefused('away', error.message, true)
    if (error instanceof SessionEnded) throw new VoiceRefused('session_ended', error.message, false)
    throw error
  }
}
