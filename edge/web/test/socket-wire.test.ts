import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SocketWire } from '../src/voice/socket-wire.ts'
import { VoiceRefused } from '../src/voice/voice-wire.ts'

type Said = Readonly<Record<string, unknown>> & { readonly ref?: string }

function wire(open = true): { wire: SocketWire; said: Said[] } {
  const said: Said[] = []
  return { said, wire: new SocketWire((message) => (said.push(message), open)) }
}

const answer = (ref: string, sdp: string) => ({ type: 'VOICE_ANSWER', ref, sdp, peer: 'p', etag: 'e', iceServers: [] }) as const

test('each answer goes to who asked', async () => {
  const { wire: socket, said } = wire()
  const [first, second] = [socket.offer('one'), socket.restart('p', 'e', 'two')]
  assert.deepEqual(said.map(({ type }) => type), ['VOICE_OFFER', 'VOICE_CANDIDATE'])
  socket.take(answer(said[1]?.ref ?? '', '2'))
  socket.take(answer('a stranger', '3'))
  socket.take(answer(said[0]?.ref ?? '', '1'))
  assert.deepEqual([(await first).sdp, (await second).sdp], ['1', '2'])
})

test('a complaint is told to who asked, and whether to ask again', async () => {
  const { wire: socket, said } = wire()
  const complaint = { type: 'ERROR', message: 'no' } as const
  for (const [code, again] of [['voice_unavailable', true], ['not_participant', false]] as const) {
    const asked = socket.offer('x')
    assert.equal(socket.fail({ ...complaint, code, ref: said.at(-1)?.ref ?? '' }), true)
    await assert.rejects(asked, (error) => error instanceof VoiceRefused && error.code === code && error.again === again)
  }
  assert.equal(socket.fail({ ...complaint, code: 'busy', ref: null }), false)
})

test('without a socket, and when it goes, nobody waits', async () => {
  await assert.rejects(wire(false).wire.offer('x'), VoiceRefused)
  const { wire: socket } = wire()
  const asked = socket.iceServers()
  socket.interrupted()
  await assert.rejects(asked, VoiceRefused)
})
