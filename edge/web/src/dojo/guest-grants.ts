/** A guest's way into one dojo: the grant that its join code gave, kept for this tab so that a reload is the same guest. */
import { ApiProblem, ask, isRecord, textIn } from '../account/api.ts'
import { liveUrlOf } from '../account/live-url.ts'
import { say } from '../page/wording.ts'
import { GuestsNotAllowed, type GuestDesk } from '../page/ticket.ts'
import type { Credential } from '../provider/index.ts'
import { chatPage, type ChatPage } from './dojo-api.ts'

interface Grant {
  readonly token: string
  readonly liveUrl: string
  /** Unix ms. */
  readonly expiresAt: number
}

const key = (dojo: string) => `dojo.guest:${dojo}`

/** Neither signed in nor in by a code. */
class NoWayIn extends GuestsNotAllowed {
  override name = 'NoWayIn'

  constructor() {
    super(say('Sign in to enter this dojo, or join it with its code.', 'Entre na sua conta ou use o código do dojo.'))
  }
}

export class GuestGrants implements GuestDesk {
  readonly #dojo: string
  #liveUrl: string | null = null

  constructor(dojo: string) {
    this.#dojo = dojo
  }

  get liveUrl(): string {
    if (this.#liveUrl === null) throw new Error('no grant was used yet')
    return this.#liveUrl
  }

  /** The token at hand. There is no fresh one but by the code. */
  async token(): Promise<string> {
    const grant = stored(this.#dojo)
    if (grant === null || grant.expiresAt <= Date.now()) throw new NoWayIn()
    this.#liveUrl = grant.liveUrl
    return grant.token
  }

  /** A ticket for one socket: what stands in an address ends up in logs along the way. */
  async credential(): Promise<Credential> {
    const token = await this.token()
    try {
      // The node that was preferred when the guest came may be gone.
      const asked = [ask('/api/v1/dojos/guests/tickets', { token }), liveUrlOf(this.#dojo)] as const
      const [answer, liveUrl] = await Promise.all(asked)
      this.#liveUrl = liveUrl
      return { ticket: textIn(answer, 'ticket') }
    } catch (error) {
      if (error instanceof ApiProblem && error.status === 401) throw new NoWayIn()
      throw error
    }
  }

  /** What was said in the room. @param before - from the page after this one; null for the newest. */
  async chat(room: string, before: string | null): Promise<ChatPage> {
    const query = new URLSearchParams({ roomId: room, ...(before === null ? {} : { before }) })
    return chatPage(await ask(`/api/v1/dojos/guests/chat?${query}`, { method: 'GET', token: await this.token() }))
  }
}

/**
 * Come in without an account; answers the dojo's id.
 * @throws ApiProblem `invalid_join_code`, `dojo_full`, `invalid_name`; ApiAway
 */
export async function joinAsGuest(joinCode: string, name: string): Promise<string> {
  const answer = await ask('/api/v1/dojos/guests', { body: { joinCode, name } })
  const dojo = textIn(answer, 'dojoId')
  const seconds = isRecord(answer) ? Number(answer['expiresIn']) : 0
  const expiresAt = Date.now() + seconds * 1000
  const grant: Grant = { token: textIn(answer, 'token'), liveUrl: textIn(answer, 'liveUrl'), expiresAt }
  sessionStorage.setItem(key(dojo), JSON.stringify(grant))
  return dojo
}


function stored(dojo: string): Grant | null {
  try {
    const grant: unknown = JSON.parse(sessionStorage.getItem(key(dojo)) ?? 'null')
    if (!isRecord(grant) || typeof grant['expiresAt'] !== 'number') return null
    return { token: textIn(grant, 'token'), liveUrl: textIn(grant, 'liveUrl'), expiresAt: grant['expiresAt'] }
  } catch {
    return null
  }
}
