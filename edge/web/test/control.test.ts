import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { MalformedControl, parseControl } from '../src/provider/control.ts'

describe('text frames', () => {
  test('known messages are read with their fields', () => {
    assert.deepEqual(parseControl('{"type":"joined","userId":"u","canWrite":false,"expiresAt":12,"later":1}'), {
      type: 'joined',
      userId: 'u',
      canWrite: false,
      expiresAt: 12,
    })
    assert.deepEqual(parseControl('{"type":"writable","value":true}'), { type: 'writable', value: true, reason: null })
    assert.deepEqual(parseControl('{"type":"saved","upTo":3}'), { type: 'saved', upTo: 3 })
  })

  test('a type of the application, or of a later server, is passed on as it came', () => {
    assert.deepEqual(parseControl('{"type":"chat","text":"hi"}'), { type: 'other', fields: { type: 'chat', text: 'hi' } })
  })

  for (const text of [
    '',
    'saved',
    'null',
    '[]',
    '{"type":7}',
    '{"type":"saved"}',
    '{"type":"saved","upTo":"3"}',
    '{"type":"saved","upTo":-1}',
    '{"type":"saved","upTo":1.5}',
    '{"type":"joined","userId":"u","canWrite":1,"expiresAt":1}',
  ]) {
    test(`refuses ${text === '' ? 'nothing' : text}`, () => {
      assert.throws(() => parseControl(text), MalformedControl)
    })
  }
})
