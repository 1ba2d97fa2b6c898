import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { decodeFrame, encodeFrame, MalformedFrame, type Frame } from '../src/provider/frames.ts'

const bytes = (...values: number[]) => Uint8Array.from(values)

describe('frames', () => {
  const frames: readonly Frame[] = [
    { kind: 'step1', stateVector: bytes(0) },
    { kind: 'step2', update: bytes(0, 0) },
    { kind: 'update', update: bytes(1, 2, 3) },
    { kind: 'awareness', states: bytes(0) },
    { kind: 'query-awareness' },
  ]
  for (const frame of frames) {
    test(`${frame.kind} comes back as it went`, () => {
      assert.deepEqual(decodeFrame(encodeFrame(frame)), frame)
    })
  }

  test('has the bytes of the y-websocket protocol', () => {
    assert.deepEqual(encodeFrame({ kind: 'update', update: bytes(7, 8) }), bytes(0, 2, 2, 7, 8))
    assert.deepEqual(encodeFrame({ kind: 'awareness', states: bytes(0) }), bytes(1, 1, 0))
  })

  const malformed: Readonly<Record<string, Uint8Array>> = {
    'no bytes': bytes(),
    'an unknown channel': bytes(9),
    'an unknown sync message': bytes(0, 5),
    'a length past the end': bytes(0, 2, 200, 1, 0),
    'a forged length': bytes(0, 2, 255, 255, 255, 255, 7),
    'a varint without end': bytes(0, 2, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255),
    'trailing bytes': bytes(0, 2, 1, 0, 0),
  }
  for (const [name, data] of Object.entries(malformed)) {
    test(`refuses ${name}`, () => {
      assert.throws(() => decodeFrame(data), MalformedFrame)
    })
  }
})
