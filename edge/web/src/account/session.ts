/**
 * Who is signed in, in this window. The access token lives in this object and nowhere else; the refresh token is in a
 * cookie that no script can read.
 */
import { ObservableV2 } from 'lib0/observable'
import { backoffDelay, type Backoff } from '../provider/backoff.ts'
import { ApiProblem, ask, askLines, askText, isRecord, textIn, type Ask, type AskText, type TextAnswer } from './api.ts'
import { grantIn, hasLeft, refreshDelay, type Grant } from './grant.ts'
import { inTurn, Windows } from './windows.ts'

export type SessionState =
  /** Left signed in, and not asked yet whether that still holds. */
  | { readonly kind: 'unknown' }
  /** Nobody. */
  | { readonly kind: 'guest' }
  | { readonly kind: 'signed-in'; readonly identity: string }
  /** The server ended it while this window was open. */
  | { readonly kind: 'ended'; readonly identity: string }

export interface Profile {
  readonly name: string
  readonly email: string
  readonly company: string
  /** In the company: `admin`, `host`, `member` or `guest`. */
  readonly role: string
}

export interface SignUp {
  readonly fullName: string
  readonly email: string
  readonly password: string
  /** One of these two: a new company, or the one that invites. */
  readonly companyName?: string
  readonly invitationToken?: string
}

/** The session ended on the server's side; only signing in again helps. */
export class SessionEnded extends Error {
  override name = 'SessionEnded'
}

/** Between tries to refresh ahead of time, ms. */
const RETRY: Backoff = { base: 1_000, cap: 30_000 }
/** Part of its life that a token lent to a room's connection has left: else the next renewal is too near. */
const WORTH_LENDING = 0.5
/** A token with less left may run out on its way: part of its life. */
const USABLE = 0.05

/** An end that the server told and a sign-out in another window this near to it are one and the same, ms. */
const SAME_END = 3_000

export class AccountSession extends ObservableV2<{ change: (state: SessionState) => void; profile: () => void }> {
  readonly #windows = new Windows((identity) => this.#onElsewhere(identity))
  #state: SessionState
  #grant: Grant | null = null
  #profile: Profile | null = null
  #refreshing: Promise<Grant> | null = null
  #timer: ReturnType<typeof setTimeout> | undefined
  /** Raised at every sign-in and sign-out: what was asked before it counts for nothing. */
  #era = 0
  #endedAt = Number.NEGATIVE_INFINITY

  constructor() {
    super()
    this.#state = { kind: this.#windows.leftSignedIn ? 'unknown' : 'guest' }
  }

  get state(): SessionState {
    return this.#state
  }

  get profile(): Profile | null {
    return this.#profile
  }

  /**
   * Whom this browser is signed in as; null for nobody. Asks the server only if it was left signed in.
   * @throws SessionEnded, ApiAway, ApiProblem
   */
  async resume(): Promise<string | null> {
    if (this.#state.kind === 'unknown') await this.#refresh().catch((error: unknown) => this.#unlessOver(error))
    const { state } = this
    if (state.kind === 'ended') throw new SessionEnded('the session has ended')
    return state.kind === 'signed-in' ? state.identity : null
  }

  /** @throws ApiProblem `invalid_credentials`, `email_not_verified`, `choose_tenant`, …; ApiAway */
  async login(email: string, password: string, tenantId?: string): Promise<void> {
    const body = { email, password, client: 'browser', ...(tenantId === undefined ? {} : { tenantId }) }
    const grant = await inTurn(async () => grantIn(await ask('/api/v1/auth/login', { body }), Date.now()))
    this.#era += 1
    this.#refreshing = null
    this.#profile = null
    this.#accept(grant)
    this.#windows.announce(grant.identity)
  }

  /** Make an account; answers its tenant, to sign in to. */
  async signUp(form: SignUp): Promise<string> {
    return textIn(await ask('/api/v1/users', { body: form }), 'tenantId')
  }

  /** End the session on the server. @throws ApiAway, ApiProblem: then it goes on, and so does the cookie. */
  async signOut(): Promise<void> {
    try {
      await this.ask('/api/v1/auth/logout', { body: {} })
    } catch (error) {
      if (!(error instanceof SessionEnded)) throw error
    }
    this.#end({ kind: 'guest' })
    this.#windows.announce(null)
  }

  /** A ticket that opens one socket, once. */
  async ticket(): Promise<string> {
    const [answer] = await Promise.all([this.ask('/api/v1/auth/tickets', {}), this.#fetchProfile()])
    return textIn(answer, 'ticket')
  }

  /** Learn the name and the company of whoever is signed in, if that is not known yet. @throws as `ask` */
  async meet(): Promise<void> {
    await this.#fetchProfile()
  }

  /** A token with much of its life left, to renew an open connection with. */
  async freshToken(): Promise<string> {
    return (await this.#grantWith(WORTH_LENDING)).accessToken
  }

  /** Join another company, as the person who is signed in. */
  async acceptInvitation(token: string): Promise<void> {
    await this.ask('/api/v1/invitations/accept', { body: { token } })
  }

  // ---- tokens ------------------------------------------------------------------------------------------------

  async #grantWith(part: number): Promise<Grant> {
    if (this.#grant !== null && hasLeft(this.#grant, Date.now(), part)) return this.#grant
    return this.#refresh()
  }

  /**
   * Ask with the access token; once more with a new one if it is no longer good (a changed role, another clock).
   * @throws SessionEnded, ApiProblem, ApiAway
   */
  async ask(path: string, asked: Ask): Promise<unknown> {
    return this.#withToken((token) => ask(path, { ...asked, token }))
  }

  /** Ask for an answer of JSON lines. @throws as `ask` */
  async askLines(path: string): Promise<readonly string[]> {
    return this.#withToken((token) => askLines(path, token))
  }

  /** Ask with, and for, something else than JSON. @throws as `ask` */
  async askText(path: string, asked: AskText): Promise<TextAnswer> {
    return this.#withToken((token) => askText(path, asked, token))
  }

  async #withToken<T>(work: (token: string) => Promise<T>): Promise<T> {
    const { accessToken } = await this.#grantWith(USABLE)
    try {
      return await work(accessToken)
    } catch (error) {
      if (!(error instanceof ApiProblem) || error.status !== 401) throw error
    }
    return work((await this.#refresh()).accessToken)
  }

  /** A new grant for the cookie; one request, however many wait for it. */
  #refresh(): Promise<Grant> {
    if (this.#refreshing !== null) return this.#refreshing
    if (this.#state.kind === 'guest' || this.#state.kind === 'ended') {
      return Promise.reject(new SessionEnded('nobody is signed in'))
    }
    const era = this.#era
    const request = async () => grantIn(await ask('/api/v1/auth/refresh', { body: {} }), Date.now())
    const refreshing = inTurn(request).then(
      (grant) => {
        if (era !== this.#era) throw new SessionEnded('somebody else signed in meanwhile')
        this.#accept(grant)
        return grant
      },
      (error: unknown) => {
        if (era !== this.#era) throw new SessionEnded('somebody else signed in meanwhile')
        if (!(error instanceof ApiProblem) || error.passing) throw error
        this.#onRefused()
        throw new SessionEnded('the session has ended', { cause: error })
      },
    )
    this.#refreshing = refreshing
    const done = () => {
      if (this.#refreshing === refreshing) this.#refreshing = null
    }
    refreshing.then(done, done)
    return refreshing
  }

  #accept(grant: Grant): void {
    this.#grant = grant
    this.#windows.remember(grant.identity)
    this.#refreshLater(refreshDelay(grant, Date.now(), Math.random()), 0)
    this.#set({ kind: 'signed-in', identity: grant.identity })
  }

  #refreshLater(delay: number, failures: number): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      this.#refresh().catch((error: unknown) => {
        if (error instanceof SessionEnded) return
        const asked = error instanceof ApiProblem ? (error.retryAfter ?? 0) * 1000 : 0
        this.#refreshLater(asked + backoffDelay(RETRY, failures + 1, Math.random()), failures + 1)
      })
    }, delay)
  }

  // ---- the end of it -----------------------------------------------------------------------------------------

  /** The server takes the cookie no more. */
  #onRefused(): void {
    const { state } = this
    // Kept for a window that was open: the next one asks once and finds out.
    if (state.kind === 'signed-in') {
      this.#endedAt = performance.now()
      this.#end({ kind: 'ended', identity: state.identity })
    } else {
      this.#windows.remember(null)
      this.#end({ kind: 'guest' })
    }
  }

  #unlessOver(error: unknown): void {
    if (!(error instanceof SessionEnded)) throw error
  }

  #end(state: SessionState): void {
    clearTimeout(this.#timer)
    this.#era += 1
    this.#grant = null
    this.#refreshing = null
    this.#profile = null
    this.#set(state)
  }

  #onElsewhere(identity: string | null): void {
    if (identity === null) {
      // What an ended session's window shows may hold edits that are nowhere else. But the server's word that it is
      // over may be here before the word of the window in which the person signed out.
      const justEnded = performance.now() - this.#endedAt < SAME_END
      if (this.#state.kind !== 'ended' || justEnded) this.#end({ kind: 'guest' })
      return
    }
    const { state } = this
    if (state.kind === 'signed-in' && state.identity === identity) return
    // The cookie is another one now, and what this window was is over.
    this.#end({ kind: 'unknown' })
    this.#refreshLater(0, 0)
  }

  async #fetchProfile(): Promise<void> {
    if (this.#profile !== null) return
    const era = this.#era
    const answer = await this.ask('/api/v1/users/me', { method: 'GET' })
    if (era !== this.#era || !isRecord(answer)) return
    const text = (field: string) => (typeof answer[field] === 'string' ? answer[field] : '')
    this.#profile = { name: text('fullName'), email: text('email'), company: text('companyName'), role: text('role') }
    this.emit('profile', [])
  }

  #set(state: SessionState): void {
    const { state: old } = this
    this.#state = state
    const same = 'identity' in state && 'identity' in old && state.identity === old.identity
    if (state.kind !== old.kind || ('identity' in state && !same)) this.emit('change', [state])
  }
}
