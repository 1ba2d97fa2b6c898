import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { backoffDelay } from '../src/provider/backoff.ts'
import { explainClose, isPermanent } from '../src/provider/closes.ts'
import { renewalDelay } from '../src/provider/renewal.ts'

describe('back-off', () => {
  const backoff = { base: 100, cap: 1_000 }

  test('the bound doubles with each failure and stops at the cap', () => {
    const bounds = [1, 2, 3, 4, 5, 50].map((attempt) => backoffDelay(backoff, attempt, 1))
    assert.deepEqual(bounds, [100, 200, 400, 800, 1_000, 1_000])
  })

  test('jitter is full: from nothing to the bound', () => {
    assert.equal(backoffDelay(backoff, 3, 0), 0)
    assert.equal(backoffDelay(backoff, 3, 0.5), 200)
  })
})

describe('renewal', () => {
  test('comes at four fifths of the remaining life', () => {
    assert.equal(renewalDelay(1_000_000, 2_000_000), 800_000)
  })

  test('a token that has run out by a wrong clock is not renewed in a storm', () => {
    assert.equal(renewalDelay(2_000_000, 1_000_000), 5_000)
  })

  test('a far end stays within what a timer can wait', () => {
    assert.equal(renewalDelay(0, 2 ** 50), 2 ** 31 - 1)
  })
})

describe('close codes', () => {
  test('4400 to 4499 are permanent, all others are not', () => {
    assert.deepEqual([4399, 4400, 4499, 4500, 1006].map(isPermanent), [false, true, true, false, false])
  })

  test('an unknown code is explained by the server’s own word', () => {
    assert.equal(explainClose(4477, 'too_blue'), 'too_blue')
    assert.match(explainClose(4409, 'room_full'), /full/)
  })
})
