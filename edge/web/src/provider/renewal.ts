/** Fetching the next token for a connection that stays open, in time. */
import { backoffDelay, type Backoff } from './backoff.ts'

/** Renew after this part of the remaining life: late enough to be rare, early enough for several tries. */
const LIFE_USED = 0.8
/** A clock far ahead of the server's must not turn renewal into a storm, ms. */
const SOONEST = 5_000
/** `setTimeout` fires at once past 2^31-1 ms. */
const LATEST = 2 ** 31 - 1

/** Milliseconds from `now` until the token that ends at `expiresAt` should be renewed. Both Unix ms. */
export function renewalDelay(now: number, expiresAt: number): number {
  return Math.min(LATEST, Math.max(SOONEST, (expiresAt - now) * LIFE_USED))
}

export interface RenewalHost {
  /** Fetch a fresh token. */
  renew(): Promise<string>
  renewed(token: string): void
  /** It is tried again. */
  failed(error: unknown): void
}

export class Renewal {
  readonly #backoff: Backoff
  readonly #host: RenewalHost
  #timer: ReturnType<typeof setTimeout> | undefined
  /** Raised to make whatever is still awaited come to nothing. */
  #era = 0

  constructor(backoff: Backoff, host: RenewalHost) {
    this.#backoff = backoff
    this.#host = host
  }

  /** Renew in time before `expiresAt`, Unix ms; instead of whatever was planned. */
  before(expiresAt: number): void {
    this.stop()
    this.#plan(renewalDelay(Date.now(), expiresAt), 0)
  }

  stop(): void {
    this.#era += 1
    clearTimeout(this.#timer)
  }

  #plan(delay: number, failures: number): void {
    const era = this.#era
    this.#timer = setTimeout(() => {
      this.#host.renew().then(
        (token) => {
          if (era === this.#era) this.#host.renewed(token)
        },
        (error: unknown) => {
          if (era !== this.#era) return
          this.#host.failed(error)
          this.#plan(backoffDelay(this.#backoff, failures + 1, Math.random()), failures + 1)
        },
      )
    }, delay)
  }
}
