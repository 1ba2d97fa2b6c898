/** What is set for a room's voice, over HTTP: who runs the dojo may let people talk on green only, and record them. */
import { isRecord } from '../account/api.ts'
import type { AccountSession } from '../account/session.ts'

export interface RoomVoice {
  /** While the code is red only those at the keyboard and the sensei are heard. */
  readonly greenOnly: boolean
  /** Whether it is to be recorded; that it is, the live socket tells. */
  readonly recording: boolean
}

export class RoomVoiceApi {
  readonly #session: AccountSession
  readonly #dojo: string

  constructor(session: AccountSession, dojo: string) {
    this.#session = session
    this.#dojo = dojo
  }

  /** @throws as both of these: SessionEnded, ApiProblem, ApiAway */
  async get(room: string): Promise<RoomVoice> {
    return roomVoiceIn(await this.#session.ask(this.#path(room), { method: 'GET' }))
  }

  /** What is left out stays as it is. @returns what is set now */
  async change(room: string, change: Partial<RoomVoice>): Promise<RoomVoice> {
    return roomVoiceIn(await this.#session.ask(this.#path(room), { method: 'PATCH', body: change }))
  }

  #path(room: string): string {
    return `/api/v1/dojos/${encodeURIComponent(this.#dojo)}/rooms/${encodeURIComponent(room)}/voice`
  }
}

function roomVoiceIn(answer: unknown): RoomVoice {
  const fields = isRecord(answer) ? answer : {}
  return { greenOnly: fields['greenOnly'] === true, recording: fields['recording'] === true }
}
