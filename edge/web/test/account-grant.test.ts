import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { grantIn, hasLeft, refreshDelay } from '../src/account/grant.ts'

const ANSWER = { accessToken: 'a.b.c', expiresIn: 600, tokenType: 'Bearer', userId: 'u', tenantId: 't' }
const NOW = 1_000_000

describe('a grant', () => {
  test('holds who it is for and how long it lasts by this clock', () => {
    const grant = grantIn(ANSWER, NOW)
    assert.deepEqual(grant, { accessToken: 'a.b.c', identity: 't/u', givenAt: NOW, expiresAt: NOW + 600_000 })
  })

  for (const field of ['accessToken', 'expiresIn', 'userId', 'tenantId']) {
    test(`without ${field} it is none`, () => {
      assert.throws(() => grantIn({ ...ANSWER, [field]: undefined }, NOW), new RegExp(field))
    })
  }

  test('is exchanged ahead of its end, not by all windows at once', () => {
    const grant = grantIn(ANSWER, NOW)
    assert.equal(refreshDelay(grant, NOW, 0), 390_000)
    assert.equal(refreshDelay(grant, NOW, 1), 450_000)
    assert.equal(refreshDelay(grant, NOW + 3_600_000, 0.5), 5_000)
  })

  test('has what is left of its life, and nothing by a clock that was set back', () => {
    const grant = grantIn(ANSWER, NOW)
    assert.equal(hasLeft(grant, NOW + 300_000, 0.5), true)
    assert.equal(hasLeft(grant, NOW + 300_001, 0.5), false)
    assert.equal(hasLeft(grant, NOW - 1, 0.5), false)
  })
})
