/** The HTTP API of a dojo's rooms: making and closing them, and how they take turns. */
import type { AccountSession } from '../account/session.ts'
import type { TurnTerms } from './turn-terms.ts'

/** `order`: who is next, first come first. */
export type FormatChange = Partial<TurnTerms> & { readonly order?: readonly string[] }

export class RoomsApi {
  readonly #session: AccountSession

  constructor(session: AccountSession) {
    this.#session = session
  }

  /** @throws as all of these: SessionEnded, ApiProblem, ApiAway */
  async create(dojo: string, name: string): Promise<void> {
    await this.#session.ask(`/api/v1/dojos/${dojo}/rooms`, { body: { name } })
  }

  async complete(dojo: string, room: string, outcome: 'FINISHED' | 'FAILED'): Promise<void> {
    await this.#session.ask(`/api/v1/dojos/${dojo}/rooms/${room}/complete?outcome=${outcome}`, { method: 'PUT' })
  }

  /** Say how turns are taken; what is left out stays as it is. */
  async format(dojo: string, room: string, change: FormatChange): Promise<void> {
    await this.#session.ask(`/api/v1/dojos/${dojo}/rooms/${room}/format`, { method: 'PUT', body: change })
  }

  /** Let somebody write besides the pilot, or no longer. */
  async allow(dojo: string, room: string, userId: string, may: boolean): Promise<void> {
    const body = { action: may ? 'allow' : 'disallow', userId }
    await this.#session.ask(`/api/v1/dojos/${dojo}/rooms/${room}/turns`, { body })
  }
}
