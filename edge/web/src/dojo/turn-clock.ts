/**
 * What is left of a turn, as the server says. Its clock and this machine's never meet: what was left when the message
 * came counts down on a clock that only goes forward.
 */
import type { Turn } from './messages.ts'

/**
 * Milliseconds left at `now`; null if there is no end to it.
 * @param heardAt - when the turn was told, on the same clock as `now`.
 */
export function remainingOf(turn: Turn, heardAt: number, now: number): number | null {
  if (turn.endsAt === null) return turn.remainingMs
  return Math.max(0, turn.endsAt - turn.serverTime - (now - heardAt))
}

/** `4:05`; rounded up, so that it shows 0:00 only when it is over. */
export function minutesAndSeconds(ms: number): string {
  const seconds = Math.ceil(ms / 1000)
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`
}
