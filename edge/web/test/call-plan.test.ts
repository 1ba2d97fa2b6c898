import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OFF, step, type CallAction, type CallEvent, type CallState } from '../src/voice/call-plan.ts'

const DICE = 0.5

/** The state after these events, and all that was done meanwhile. */
function run(...events: readonly CallEvent[]): { state: CallState; done: CallAction[] } {
  return from(OFF, ...events)
}

function from(state: CallState, ...events: readonly CallEvent[]): { state: CallState; done: CallAction[] } {
  const done: CallAction[] = []
  for (const event of events) {
    const next = step(state, event, DICE)
    state = next.state
    done.push(...next.actions)
  }
  return { state, done }
}

const names = (actions: readonly CallAction[]) => actions.map((action) => action.do).join(' ')
const waits = (actions: readonly CallAction[]) => actions.flatMap((action) => (action.do === 'wait' ? [action.ms] : []))
const IN = run({ type: 'join' }, { type: 'connected' }).state
const AWAY: CallEvent = { type: 'refused', code: 'away', again: true, after: 0 }

test('who joins is connected, and joins once', () => {
  const { state, done } = run({ type: 'join' }, { type: 'join' }, { type: 'connected' })
  assert.equal(names(done), 'close connect wait')
  assert.deepEqual(state, { phase: 'connected', failures: 0, wasConnected: true, refusal: null })
})

test('nothing happens to who is not in', () => {
  for (const type of ['connected', 'disconnected', 'failed', 'goodbye', 'network', 'waited', 'leave'] as const) {
    const { state, done } = run({ type })
    assert.deepEqual([state, done], [OFF, []], type)
  }
  assert.deepEqual(run({ type: 'lost', after: 5 }).done, [])
})

test('who leaves is off, whatever was going on', () => {
  for (const before of [run({ type: 'join' }).state, IN, from(IN, { type: 'failed' }).state, from(IN, { type: 'disconnected' }).state]) {
    const { state, done } = from(before, { type: 'leave' })
    assert.equal(names(done), 'close')
    assert.deepEqual(state, OFF)
  }
})

test('a silence restarts ICE, and a new connection follows if that does not help', () => {
  const interrupted = from(IN, { type: 'disconnected' })
  assert.equal(names(interrupted.done), 'restart wait')
  assert.equal(interrupted.state.phase, 'interrupted')
  assert.equal(from(interrupted.state, { type: 'connected' }).state.phase, 'connected')
  const late = from(interrupted.state, { type: 'waited' })
  assert.equal(names(late.done), 'close wait')
  assert.equal(late.state.phase, 'waiting')
  assert.equal(names(from(late.state, { type: 'waited' }).done), 'close connect wait')
})

test('a restart that the server does not know is a new connection', () => {
  const { state, done } = from(IN, { type: 'disconnected' }, { type: 'restart_refused' })
  assert.equal(state.phase, 'waiting')
  assert.equal(names(done), 'restart wait close wait')
})

test('another network restarts what works, unseen, and hurries what waits', () => {
  const working = from(IN, { type: 'network' })
  assert.equal(working.state, IN)
  assert.equal(names(working.done), 'restart')
  const waiting = from(IN, { type: 'failed' }).state
  assert.equal(names(from(waiting, { type: 'network' }).done), 'close connect wait')
})

test('what fails comes again after longer and longer waits, which a connection ends', () => {
  let state = IN
  const waited: number[] = []
  for (let failures = 0; failures < 8; failures += 1) {
    const next = from(state, { type: 'failed' })
    waited.push(...waits(next.done))
    state = from(next.state, { type: 'waited' }).state
  }
  assert.deepEqual(waited, [500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000, 10_000])
  assert.equal(from(state, { type: 'connected' }).state.failures, 0)
})

test('a busy server is not asked before it wants to be', () => {
  const { done } = run({ type: 'join' }, { type: 'refused', code: '', again: true, after: 7_000 })
  assert.equal(waits(done).at(-1), 7_000)
})

test('who never was in is told after some tries; who was tries on', () => {
  const tries = [AWAY, { type: 'waited' }, AWAY, { type: 'waited' }, AWAY, { type: 'waited' }, AWAY] as const
  const { state } = run({ type: 'join' }, ...tries)
  assert.deepEqual([state.phase, state.refusal], ['off', 'away'])
  assert.equal(from(IN, { type: 'failed' }, { type: 'waited' }, ...tries).state.phase, 'waiting')
})

test('a no is a no, and joining again begins anew', () => {
  const { state } = from(IN, { type: 'failed' }, { type: 'waited' }, { type: 'refused', code: 'dojo_over', again: false, after: 0 })
  assert.deepEqual([state.phase, state.refusal], ['off', 'dojo_over'])
  assert.equal(from(state, { type: 'join' }).state.refusal, null)
})

test('whom the server bids goodbye stays away: it may be another window that took over', () => {
  const { state, done } = from(IN, { type: 'goodbye' }, { type: 'failed' }, { type: 'waited' }, { type: 'network' })
  assert.equal(state.phase, 'dropped')
  assert.equal(names(done), 'close')
  assert.equal(from(state, { type: 'join' }).state.phase, 'connecting')
})

test('a server that is lost is left, and another one found after the wait it asked for', () => {
  for (const before of [IN, from(IN, { type: 'goodbye' }).state, from(IN, { type: 'disconnected' }).state]) {
    const { state, done } = from(before, { type: 'lost', after: 1_234 })
    assert.equal(state.phase, 'waiting')
    assert.equal(names(done), 'close wait')
    assert.deepEqual(waits(done), [1_234])
  }
})
