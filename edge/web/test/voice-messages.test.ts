import assert from 'node:assert/strict'
import { test } from 'node:test'
import { heard, iceServersIn, readVoice, SILENCE, type VoiceScene, type VoiceState } from '../src/voice/voice-messages.ts'

const ANA = { userId: 'a', number: 7, muted: false, mutedByHost: false, maySpeak: true, connected: true }
const BO = { userId: 'b', number: 9, muted: true, mutedByHost: true, maySpeak: false, connected: true }
const WHOLE = { type: 'VOICE_STATE', recording: true, speaking: [7, 99], slots: [7, null, null], people: [ANA, BO] }

function after(...messages: readonly Readonly<Record<string, unknown>>[]): VoiceScene {
  return messages.reduce((scene: VoiceScene, fields) => {
    const message = readVoice(fields)
    assert(message !== null && (message.type === 'VOICE_STATE' || message.type === 'VOICE_LOST'))
    return heard(scene, message)
  }, SILENCE)
}

test('who is in, who speaks, and whether it is recorded', () => {
  const scene = after(WHOLE)
  assert.deepEqual([...scene.people.keys()], ['a', 'b'])
  assert.deepEqual([...scene.speaking], ['a'])
  assert.equal(scene.recording, true)
})

test('whom the host has muted is told apart from who muted themselves', () => {
  const scene = after({ ...WHOLE, people: [{ ...ANA, muted: true }, BO] })
  assert.deepEqual([...scene.people.values()].map(({ muted, mutedByHost }) => [muted, mutedByHost]), [
    [true, false],
    [true, true],
  ])
})

test('what is wrong with a recording is known until nothing is', () => {
  const { people: _, ...brief } = WHOLE
  const troubled = { ...brief, recording: false, recordingTrouble: 'the disk is full' }
  assert.equal(after(WHOLE, troubled).recordingTrouble, 'the disk is full')
  assert.equal(after(WHOLE, troubled, brief).recordingTrouble, '')
  assert.equal(after(WHOLE, { ...brief, recordingTrouble: 5 }).recordingTrouble, '')
  assert.equal(after(WHOLE, troubled, { type: 'VOICE_LOST', retryAfterMs: 1 }).recordingTrouble, '')
})

test('a message without people is about the same ones', () => {
  const { people: _, ...brief } = WHOLE
  const scene = after(WHOLE, { ...brief, speaking: [9], recording: false })
  assert.deepEqual([[...scene.people.keys()], [...scene.speaking], scene.recording], [['a', 'b'], ['b'], false])
})

test('of a server that is gone nothing is known', () => {
  assert.equal(after(WHOLE, { type: 'VOICE_LOST', retryAfterMs: 300 }), SILENCE)
  assert.deepEqual(readVoice({ type: 'VOICE_LOST', retryAfterMs: -4 }), { type: 'VOICE_LOST', retryAfter: 0 })
})

test('what has another shape is not believed', () => {
  assert.equal(readVoice({ type: 'CHAT_MESSAGE' }), null)
  assert.equal(readVoice({ type: 'VOICE_ANSWER', sdp: 'v=0' }), null)
  const odd = readVoice({ type: 'VOICE_STATE', speaking: 'x', slots: ['1', 2], people: [{ userId: 1 }, 5, ANA] }) as VoiceState
  assert.deepEqual([odd.recording, odd.speaking, odd.slots, odd.people], [false, [], [null, 2], [ANA]])
})

test('ICE servers are taken as browsers take them', () => {
  const turn = { urls: ['turn:x', 5], username: 'u', credential: 'c', more: 1 }
  const taken = [{ urls: ['turn:x'], username: 'u', credential: 'c' }, { urls: [] }]
  assert.deepEqual(iceServersIn({ iceServers: [turn, {}, 'x'] }), taken)
})
