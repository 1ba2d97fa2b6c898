/** When to fetch the next token for a connection that stays open. */

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
