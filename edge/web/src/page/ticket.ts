/** Guests' room tickets: fetched from the API, kept for this tab so that a reload is the same user. */
import { TokenRefused, type Credential } from '../provider/index.ts'
import { say } from './wording.ts'

/** This server lets nobody in who is not signed in. */
export class GuestsNotAllowed extends TokenRefused {
  override name = 'GuestsNotAllowed'

  constructor(message = say('Sign in to enter this room.', 'Entre na sua conta para abrir esta sala.')) {
    super(4401, message)
  }
}

/** Where guests get what opens a connection. */
export interface GuestDesk {
  /** Origin of the sockets, as the last token's giver named it. */
  readonly liveUrl: string
  /** What opens a connection. @throws TokenRefused if there is nothing however often it is asked. */
  credential(fresh: boolean): Promise<Credential>
  /** What renews an open one. @throws as `credential` */
  token(fresh: boolean): Promise<string>
}

interface Ticket {
  readonly token: string
  readonly userId: string
  readonly name: string
  /** Origin of the sockets. */
  readonly liveUrl: string
  /** Unix ms. */
  readonly expiresAt: number
}

/** A ticket with less left than this is exchanged before it is used, ms. */
const TOO_SHORT = 60_000
/** For the API to answer, ms. */
const REQUEST_TIMEOUT = 10_000

export class TicketDesk implements GuestDesk {
  readonly #room: string
  readonly #name: () => string
  readonly #key: string
  #ticket: Ticket | null

  /** @param name - the display name to put on the next ticket. */
  constructor(room: string, name: () => string) {
    this.#room = room
    this.#name = name
    this.#key = `dojo.ticket:${room}`
    this.#ticket = stored(this.#key)
  }

  /** Origin of the sockets, as the last ticket named it. */
  get liveUrl(): string {
    if (this.#ticket === null) throw new Error('no ticket was fetched yet')
    return this.#ticket.liveUrl
  }

  async credential(fresh: boolean): Promise<Credential> {
    return { token: await this.token(fresh) }
  }

  /**
   * A token for the room: the one at hand, or with `fresh` a new one for the same user.
   * @throws TokenRefused if the API will not give one however often it is asked.
   */
  async token(fresh: boolean): Promise<string> {
    const old = this.#ticket
    const usable = old !== null && old.expiresAt - Date.now() > TOO_SHORT
    if (usable && !fresh) return old.token
    let ticket: Ticket
    try {
      ticket = await this.#request(old?.token)
    } catch (error) {
      // The API may be away while the sockets are not: what is at hand may still do.
      if (usable && !(error instanceof TokenRefused)) return old.token
      throw error
    }
    this.#ticket = ticket
    sessionStorage.setItem(this.#key, JSON.stringify(ticket))
    return ticket.token
  }

  async #request(old: string | undefined): Promise<Ticket> {
    const response = await this.#post(old)
    // A ticket of another time or server proves nothing here; one can still come in as somebody new.
    const answer = response.status === 401 && old !== undefined ? await this.#post(undefined) : response
    if (!answer.ok) throw await refusal(answer)
    const { token, userId, name, expiresIn, liveUrl } = (await answer.json()) as Record<string, unknown>
    if (typeof token !== 'string' || typeof userId !== 'string' || typeof liveUrl !== 'string') {
      throw new Error('the API answered without a ticket')
    }
    const life = typeof expiresIn === 'number' ? expiresIn * 1000 : 0
    return { token, userId, name: String(name), liveUrl, expiresAt: Date.now() + life }
  }

  #post(old: string | undefined): Promise<Response> {
    const headers: Record<string, string> = { 'Content-Type': 'application/json' }
    if (old !== undefined) headers['Authorization'] = `Bearer ${old}`
    return fetch(`/api/v1/rooms/${encodeURIComponent(this.#room)}/tickets`, {
      method: 'POST',
      headers,
      body: JSON.stringify({ name: this.#name() }),
      cache: 'no-store',
      signal: AbortSignal.timeout(REQUEST_TIMEOUT),
    })
  }
}

/** The API's answer as an error: asked again it may do (429, 5xx), or never. */
async function refusal(answer: Response): Promise<Error> {
  const problem = (await answer.json().catch(() => ({}))) as Readonly<Record<'code' | 'detail' | 'title', unknown>>
  // Without guests there is no such route; a room's name that cannot be, or a foreign page, is told as such.
  const absent = answer.status === 404 && problem.code !== 'room_not_found'
  const closed = answer.status === 403 && problem.code !== 'origin_not_allowed'
  if (absent || closed || answer.status === 405 || answer.status === 401) return new GuestsNotAllowed()
  const said = [problem.detail, problem.title].find((text) => typeof text === 'string')
  const message =
    typeof said === 'string'
      ? said
      : say(`No ticket for this room (HTTP ${answer.status}).`, `Sem acesso a esta sala (HTTP ${answer.status}).`)
  const permanent = answer.status >= 400 && answer.status < 500 && ![408, 425, 429].includes(answer.status)
  return permanent ? new TokenRefused(4000 + answer.status, message) : new Error(message)
}

function stored(key: string): Ticket | null {
  try {
    const ticket = JSON.parse(sessionStorage.getItem(key) ?? 'null') as Partial<Ticket> | null
    const { token, userId, name, liveUrl, expiresAt } = ticket ?? {}
    if (token === undefined || userId === undefined || liveUrl === undefined || expiresAt === undefined) return null
    return { token, userId, name: name ?? '', liveUrl, expiresAt }
  } catch {
    return null
  }
}
