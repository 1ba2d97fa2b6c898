/**
 * What a call does about what happens to it: when it connects, restarts ICE, waits, and gives up. Values in, values out;
 * the browser and the clock are elsewhere.
 */
import { backoffDelay, type Backoff } from '../provider/backoff.ts'

/**
 * - `off`: not in.
 * - `connecting`: an offer is on its way, or its answer has no media yet.
 * - `connected`: media flows.
 * - `interrupted`: media stopped; ICE looks for another way.
 * - `waiting`: for the next try.
 * - `dropped`: the server has ended it, and it is not for this window to come back.
 */
export type CallPhase = 'off' | 'connecting' | 'connected' | 'interrupted' | 'waiting' | 'dropped'

export interface CallState {
  readonly phase: CallPhase
  /** Tries in a row that came to nothing. */
  readonly failures: number
  /** Whether media has ever flowed since one joined. */
  readonly wasConnected: boolean
  /** Why it is off: a stable code for people's words; null if by their own wish. */
  readonly refusal: string | null
}

export const OFF: CallState = { phase: 'off', failures: 0, wasConnected: false, refusal: null }

export type CallEvent =
  | { readonly type: 'join' }
  | { readonly type: 'leave' }
  /** The server does not want it, or could not be asked. `again`: the same may do later; `after`: not before, ms. */
  | { readonly type: 'refused'; readonly code: string; readonly again: boolean; readonly after: number }
  /** Media flows. */
  | { readonly type: 'connected' }
  /** Nothing has come for some seconds. */
  | { readonly type: 'disconnected' }
  /** ICE or DTLS has given up. */
  | { readonly type: 'failed' }
  /** The server has said goodbye (DTLS): another window has taken over, one was taken out, or it stops. */
  | { readonly type: 'goodbye' }
  /** The server does not know the connection any more, or its restart. */
  | { readonly type: 'restart_refused' }
  /** This machine's network is another one, or is back. */
  | { readonly type: 'network' }
  /** The live socket said that the server of this call is gone; come again after so many ms. */
  | { readonly type: 'lost'; readonly after: number }
  /** The wait that was asked for is over. */
  | { readonly type: 'waited' }

/** What is to be done, in this order. A wait lasts until another one, or another phase. */
export type CallAction =
  | { readonly do: 'connect' | 'restart' | 'close' }
  /** ms until `waited`. */
  | { readonly do: 'wait'; readonly ms: number }

export interface CallStep {
  readonly state: CallState
  readonly actions: readonly CallAction[]
}

/** From an offer to media, ms: the server ends what takes longer. */
const CONNECT_WITHIN = 15_000
/** For a restart to bring media back before a new connection is made, ms; browsers give up themselves after some 12 s. */
const RESTART_WITHIN = 8_000
const RETRY: Backoff = { base: 1_000, cap: 20_000 }
/** So often who was never in is told that it is of no use. */
const MOST_FIRST_TRIES = 4

/** @param dice - in [0, 1): spreads out what many windows would do at once. */
export function step(state: CallState, event: CallEvent, dice: number): CallStep {
  const { phase } = state
  if (event.type === 'join') {
    return phase === 'off' || phase === 'dropped' ? connect({ ...OFF, phase: 'connecting' }) : stay(state)
  }
  if (event.type === 'leave') return phase === 'off' ? stay(OFF) : { state: OFF, actions: [{ do: 'close' }] }
  if (phase === 'off') return stay(state)
  if (event.type === 'lost') {
    const waiting: CallState = { ...state, phase: 'waiting', failures: 0 }
    return { state: waiting, actions: [{ do: 'close' }, { do: 'wait', ms: event.after }] }
  }
  if (phase === 'dropped') return stay(state)
  switch (event.type) {
    case 'connected':
      return { state: { ...state, phase: 'connected', failures: 0, wasConnected: true }, actions: [] }
    case 'disconnected':
      return phase === 'connected' ? restart({ ...state, phase: 'interrupted' }) : stay(state)
    case 'network':
      if (phase === 'waiting') return connect({ ...state, phase: 'connecting' })
      // While it still works nothing is to be seen of it, and nothing to be heard.
      return phase === 'connected' || phase === 'interrupted' ? restart(state) : stay(state)
    case 'goodbye':
      return { state: { ...state, phase: 'dropped' }, actions: [{ do: 'close' }] }
    case 'failed':
    case 'restart_refused':
      return again(state, dice, 0)
    case 'refused': {
      const hopeless = !state.wasConnected && state.failures + 1 >= MOST_FIRST_TRIES
      if (event.again && !hopeless) return again(state, dice, event.after)
      return { state: { ...OFF, refusal: event.code }, actions: [{ do: 'close' }] }
    }
    case 'waited':
      if (phase === 'waiting') return connect({ ...state, phase: 'connecting' })
      return again(state, dice, 0)
  }
}

function again(state: CallState, dice: number, atLeast: number): CallStep {
  const failures = state.failures + 1
  const ms = Math.max(atLeast, backoffDelay(RETRY, failures, dice))
  return { state: { ...state, phase: 'waiting', failures }, actions: [{ do: 'close' }, { do: 'wait', ms }] }
}

function connect(state: CallState): CallStep {
  return { state, actions: [{ do: 'close' }, { do: 'connect' }, { do: 'wait', ms: CONNECT_WITHIN }] }
}

function restart(state: CallState): CallStep {
  const deadline: readonly CallAction[] = state.phase === 'interrupted' ? [{ do: 'wait', ms: RESTART_WITHIN }] : []
  return { state, actions: [{ do: 'restart' }, ...deadline] }
}

function stay(state: CallState): CallStep {
  return { state, actions: [] }
}
