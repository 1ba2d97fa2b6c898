/** What a sign-in or a refresh gives: an access token, for whom it is and how long it lasts. */
import { isRecord, textIn } from './api.ts'

export interface Grant {
  readonly accessToken: string
  /** Who this is, in which company. One string, the same wherever it comes from; no secret. */
  readonly identity: string
  /** Unix ms, by this machine's clock. */
  readonly givenAt: number
  readonly expiresAt: number
}

/** Part of its life after which a token is exchanged, at the earliest and at the latest: the tabs must not all come
 * at once, and a room's connection renews itself at 0.8. */
const EARLIEST = 0.65
const LATEST = 0.75
/** However short a life the server names, ms. */
const SOONEST = 5_000

/**
 * The grant in an answer that came at `now` (Unix ms).
 * @throws Error if the answer is none.
 */
export function grantIn(answer: unknown, now: number): Grant {
  const expiresIn = isRecord(answer) ? answer['expiresIn'] : undefined
  if (typeof expiresIn !== 'number' || !(expiresIn > 0)) throw new Error('the API answered without "expiresIn"')
  return {
    accessToken: textIn(answer, 'accessToken'),
    identity: `${textIn(answer, 'tenantId')}/${textIn(answer, 'userId')}`,
    givenAt: now,
    expiresAt: now + expiresIn * 1000,
  }
}

/** Milliseconds from now until the grant should be exchanged. `random` in [0, 1). */
export function refreshDelay({ givenAt, expiresAt }: Grant, now: number, random: number): number {
  const due = givenAt + (expiresAt - givenAt) * (EARLIEST + (LATEST - EARLIEST) * random)
  return Math.max(SOONEST, due - now)
}

/** Whether at least `part` of the grant's life is left. A clock that was set back makes nothing last longer. */
export function hasLeft({ givenAt, expiresAt }: Grant, now: number, part: number): boolean {
  return now >= givenAt && expiresAt - now >= (expiresAt - givenAt) * part
}
