/** What the windows of one browser share of a sign-in: that there is one, and turns at the cookie. Never a token. */

const KEY = 'dojo.signed-in'
const CHANNEL = 'dojo.account'
const LOCK = 'dojo.account'
/** For another window to be done with the cookie, ms. Its request takes 10 s at most. */
const TURN_TIMEOUT = 12_000

/** An identity signed in, or (null) out, in another window. */
export type Elsewhere = (identity: string | null) => void

export class Windows {
  readonly #channel = new BroadcastChannel(CHANNEL)

  constructor(onElsewhere: Elsewhere) {
    this.#channel.onmessage = ({ data }: MessageEvent<unknown>) => {
      if (typeof data === 'string' || data === null) onElsewhere(data)
    }
  }

  /** Whether this browser was left signed in. The session may have ended since. */
  get leftSignedIn(): boolean {
    return localStorage.getItem(KEY) !== null
  }

  /** Tell the other windows, and the next one to be opened. */
  announce(identity: string | null): void {
    this.remember(identity)
    this.#channel.postMessage(identity)
  }

  /** Keep it for the next window only. */
  remember(identity: string | null): void {
    if (identity === null) localStorage.removeItem(KEY)
    else localStorage.setItem(KEY, identity)
  }
}

/**
 * Do `work` while no other window does: a refresh uses up the cookie it sends, and its answer must not overwrite the
 * one of a later sign-in. Without locks (plain http) the server's patience with a repeated refresh has to do.
 */
export async function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const locks = navigator.locks as LockManager | undefined
  if (locks === undefined) return work()
  return locks.request(LOCK, { signal: AbortSignal.timeout(TURN_TIMEOUT) }, work)
}
