/** How this window gets into the room: as the person who is signed in, or as a guest where guests are let in. */
import { GuestsNotAllowed, type GuestDesk } from '../page/ticket.ts'
import { say } from '../page/wording.ts'
import { TokenRefused, type Credential } from '../provider/index.ts'
import { ApiProblem } from './api.ts'
import { liveUrlOf } from './live-url.ts'
import { SessionEnded, type AccountSession } from './session.ts'

const GUEST = 'guest'

export class Entrance {
  readonly #session: AccountSession
  readonly #desk: GuestDesk
  readonly #dojo: string | null
  #liveUrl: string | null = null
  /** As whom this window's document was filled. It must never reach the rooms of anybody else. */
  #entered: string | null = null
  #closed = false

  constructor(session: AccountSession, desk: GuestDesk, dojo: string | null = null) {
    this.#session = session
    this.#desk = desk
    this.#dojo = dojo
  }

  get liveUrl(): string {
    return this.#entered === GUEST ? this.#desk.liveUrl : (this.#liveUrl ?? this.#desk.liveUrl)
  }

  /** Nobody gets in here without signing in (again). */
  get needsSignIn(): boolean {
    return this.#session.state.kind === 'ended' || (this.#session.state.kind === 'guest' && this.#closed)
  }

  /** Whether this window's document belongs to somebody else than who is signed in now: only a new page will do. */
  get outgrown(): boolean {
    const { state } = this.#session
    if (this.#entered === null || state.kind === 'unknown') return false
    return this.#entered !== ('identity' in state ? state.identity : GUEST)
  }

  /** For the provider. @throws TokenRefused if only the person can help. */
  async credential(wish: { readonly fresh: boolean }): Promise<Credential> {
    return this.#explained(async () => {
      const identity = await this.#session.resume()
      if (identity !== null) {
        const [ticket, liveUrl] = await Promise.all([this.#session.ticket(), liveUrlOf(this.#dojo)])
        this.#liveUrl = liveUrl
        this.#enter(identity)
        return { ticket }
      }
      try {
        const credential = await this.#desk.credential(wish.fresh)
        this.#enter(GUEST)
        return credential
      } catch (error) {
        this.#closed = error instanceof GuestsNotAllowed
        throw error
      }
    })
  }

  /** For the provider: renews its open connection. */
  async renew(): Promise<string> {
    return this.#explained(() => (this.#entered === GUEST ? this.#desk.token(true) : this.#session.freshToken()))
  }

  #enter(identity: string): void {
    const { state } = this.#session
    const now = 'identity' in state ? state.identity : GUEST
    // Somebody else signed in while this one was on the way in.
    if (identity !== now || (this.#entered ?? identity) !== identity) throw new Error('somebody else is signed in now')
    this.#entered = identity
  }

  async #explained<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      if (error instanceof SessionEnded) throw new TokenRefused(4401, ENDED)
      if (error instanceof ApiProblem && !error.passing) throw new TokenRefused(4000 + error.status, error.message)
      throw error
    }
  }
}

const ENDED = say(
  'You are no longer signed in. Sign in again to go on; your text stays in this window until then.',
  'Sua sessão terminou. Entre de novo para continuar; até lá seu texto fica nesta janela.',
)
