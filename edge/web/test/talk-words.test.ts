import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OFF, type CallState } from '../src/voice/call-plan.ts'
import { explainCall, explainRecordingTrouble, explainRecordingWish, type OwnVoice } from '../src/voice/talk-words.ts'

const CONNECTED: CallState = { ...OFF, phase: 'connected' }
const HEARD: OwnVoice = { without: null, muted: false, mutedByHost: false, maySpeak: true }

test('one knows why one is not heard, the nearest reason first', () => {
  const told = (change: Partial<OwnVoice>) => explainCall(CONNECTED, { ...HEARD, ...change })
  assert.equal(told({}), 'You can be heard.')
  assert.equal(told({ maySpeak: false }), 'Only those at the keyboard talk now.')
  assert.equal(told({ maySpeak: false, mutedByHost: true }), 'The host has muted you.')
  assert.equal(told({ mutedByHost: true, muted: true }), 'You are muted.')
  assert.match(told({ muted: true, without: 'missing' }), /^You only listen. No microphone/)
})

test('who is not connected is told how far it is, and nothing of mutes', () => {
  assert.equal(explainCall(OFF, HEARD), '')
  assert.equal(explainCall({ ...OFF, phase: 'connecting' }, { ...HEARD, muted: true }), 'Connecting…')
})

test('the host knows whether a recording that is wanted is under way', () => {
  assert.match(explainRecordingWish(false, false), /is told/)
  assert.match(explainRecordingWish(true, false), /as soon as somebody talks/)
  assert.match(explainRecordingWish(true, true), /is being recorded/)
  assert.equal(explainRecordingTrouble(''), '')
  assert.equal(explainRecordingTrouble('the disk is full'), 'Recording: the disk is full')
})
