/** How long to wait before the next attempt: exponential, with full jitter so that a room does not return at once. */
export interface Backoff {
  /** Upper bound of the first wait, ms. */
  readonly base: number
  /** Upper bound of every later wait, ms. */
  readonly cap: number
}

/**
 * Milliseconds to wait, uniformly between 0 and the bound of this attempt.
 * @param attempt - failures in a row so far, from 1.
 * @param random - a number in [0, 1).
 */
export function backoffDelay({ base, cap }: Backoff, attempt: number, random: number): number {
  return random * Math.min(cap, base * 2 ** Math.max(0, attempt - 1))
}
