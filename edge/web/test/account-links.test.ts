import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { splitLink } from '../src/account/links.ts'

describe('links in mails', () => {
  test('each kind is found, and its token leaves the fragment', () => {
    for (const kind of ['verify', 'reset', 'invite'] as const) {
      assert.deepEqual(splitLink(`#${kind}=a-B_9`), { link: { kind, token: 'a-B_9' }, rest: '' })
    }
  })

  test('a room beside it stays', () => {
    assert.deepEqual(splitLink('#room=quiet-otter&reset=x'), {
      link: { kind: 'reset', token: 'x' },
      rest: 'room=quiet-otter',
    })
  })

  test('of several only one is followed, and no token stays', () => {
    assert.deepEqual(splitLink('#reset=x&verify=y'), { link: { kind: 'verify', token: 'y' }, rest: '' })
  })

  test('an address without a link is left as it is', () => {
    assert.deepEqual(splitLink('#room=b%C3%BCro%207&file=a.py'), { link: null, rest: 'room=b%C3%BCro%207&file=a.py' })
    assert.deepEqual(splitLink(''), { link: null, rest: '' })
  })
})
