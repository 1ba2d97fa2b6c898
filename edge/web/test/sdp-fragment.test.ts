import assert from 'node:assert/strict'
import { test } from 'node:test'
import { answerWith, fragmentOf } from '../src/voice/sdp-fragment.ts'

const sdp = (...lines: readonly string[]) => `${lines.join('\r\n')}\r\n`

const OFFER = sdp(
  'v=0', 'o=- 1 3 IN IP4 127.0.0.1', 's=-', 't=0 0', 'a=group:BUNDLE 0 1',
  'm=audio 9 UDP/TLS/RTP/SAVPF 111', 'a=ice-ufrag:NEW', 'a=ice-pwd:new+secret', 'a=mid:0',
  'm=audio 9 UDP/TLS/RTP/SAVPF 111', 'a=ice-ufrag:NEW', 'a=ice-pwd:new+secret', 'a=mid:1',
)
const BEFORE = sdp(
  'v=0', 'o=- 77 1 IN IP4 127.0.0.1', 's=-', 't=0 0', 'a=group:BUNDLE 0 1', 'a=ice-lite',
  'm=audio 8082 UDP/TLS/RTP/SAVPF 111', 'a=mid:0', 'a=ice-ufrag:OLD', 'a=ice-pwd:old', 'a=candidate:1 1 udp 1 10.0.0.1 8082 typ host',
  'a=end-of-candidates', 'm=audio 8082 UDP/TLS/RTP/SAVPF 111', 'a=mid:1', 'a=ice-ufrag:OLD', 'a=ice-pwd:old',
)

test('a restart asks with the new credentials, once', () => {
  const wanted = ['a=group:BUNDLE 0 1', 'a=ice-ufrag:NEW', 'a=ice-pwd:new+secret', 'm=audio 9 UDP/TLS/RTP/SAVPF 0', 'a=mid:0']
  assert.equal(fragmentOf(OFFER), sdp(...wanted))
  assert.throws(() => fragmentOf('v=0\r\n'), /without ICE/)
})

test('its answer is the one before, with other credentials, candidates and version', () => {
  const fragment = sdp('a=ice-lite', 'm=audio 9 RTP/AVP 0', 'a=mid:0', 'a=ice-ufrag:S', 'a=ice-pwd:p', 'a=candidate:9 1 udp 1 10.0.0.2 9 typ host')
  const answer = answerWith(BEFORE, fragment).split('\r\n')
  assert.equal(answer[1], 'o=- 77 2 IN IP4 127.0.0.1')
  assert.deepEqual(answer.filter((line) => line.startsWith('a=ice-')), ['a=ice-lite', ...['a=ice-ufrag:S', 'a=ice-pwd:p'], ...['a=ice-ufrag:S', 'a=ice-pwd:p']])
  assert.deepEqual(answer.filter((line) => line.includes('candidate')), ['a=candidate:9 1 udp 1 10.0.0.2 9 typ host'])
  assert.equal(answer.filter((line) => line.startsWith('m=')).length, 2)
  assert.equal(answer.at(-1), '')
})

test('a fragment without credentials is no answer', () => {
  assert.throws(() => answerWith(BEFORE, 'a=ice-lite\r\n'), /without credentials/)
})
