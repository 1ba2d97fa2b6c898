import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ApiAway, ApiProblem, secondsToWait } from '../src/account/api.ts'
import { duration, membershipsIn, troubleOf } from '../src/account/trouble.ts'

const problem = (status: number, document: unknown, retryAfter: number | null = null) =>
  new ApiProblem({ status, retryAfter, requestId: 'r-1', document })

describe('a problem of the API', () => {
  test('has the code and the sentence of its document', () => {
    const error = problem(401, { code: 'invalid_credentials', title: 'Unauthorized', detail: 'no such pair' })
    assert.equal(error.code, 'invalid_credentials')
    assert.equal(error.message, 'no such pair')
    assert.equal(error.passing, false)
  })

  test('needs no document: a proxy may have answered', () => {
    for (const document of [null, 'x', [], { detail: 7 }]) assert.equal(problem(502, document).message, 'HTTP 502')
    assert.equal(problem(502, null).passing, true)
    assert.equal(problem(429, null).passing, true)
  })

  test('waits as Retry-After says, in seconds or until a date', () => {
    const now = Date.parse('2026-11-20T10:00:00Z')
    assert.equal(secondsToWait('17', now), 17)
    assert.equal(secondsToWait('Fri, 20 Nov 2026 10:00:30 GMT', now), 30)
    assert.equal(secondsToWait('Fri, 20 Nov 2026 09:00:00 GMT', now), 0)
    assert.equal(secondsToWait('soon', now), null)
    assert.equal(secondsToWait(null, now), null)
  })
})

describe('trouble in words', () => {
  test('a known code has its own sentence, an unknown one the server’s', () => {
    assert.notEqual(troubleOf(problem(401, { code: 'invalid_credentials', detail: 'd' })).text, 'd')
    assert.equal(troubleOf(problem(400, { code: 'weak_password', detail: 'too common' })).text, 'too common')
  })

  test('only an unconfirmed address offers another mail', () => {
    assert.equal(troubleOf(problem(403, { code: 'email_not_verified' })).unconfirmed, true)
    assert.equal(troubleOf(problem(403, { code: 'account_suspended' })).unconfirmed, false)
  })

  test('too many attempts name the wait, also where the server named none', () => {
    assert.equal(troubleOf(problem(429, {}, 40)).wait, 40)
    assert.match(troubleOf(problem(429, {}, 40)).text, /40 s/)
    assert.equal(troubleOf(problem(429, {})).wait, 30)
  })

  test('a busy server is waited for, an unknown failure gives its number', () => {
    assert.equal(troubleOf(problem(503, { code: 'busy' }, 2)).wait, 2)
    assert.match(troubleOf(problem(500, { code: 'internal_error' })).text, /r-1/)
  })

  test('no answer is told apart from a bad one', () => {
    assert.notEqual(troubleOf(new ApiAway('x')).text, troubleOf(new TypeError('x')).text)
  })

  test('a duration is never shorter than it is', () => {
    assert.deepEqual([0.2, 40, 89.5, 91, 3_600].map(duration), ['1 s', '40 s', '90 s', '2 min', '60 min'])
  })
})

describe('several companies', () => {
  test('are read from the answer, entry by entry', () => {
    const memberships = [{ tenantId: 't', companyName: 'Acme' }, { tenantId: 7 }, null]
    assert.deepEqual(membershipsIn(problem(409, { code: 'choose_tenant', memberships })), [
      { tenantId: 't', companyName: 'Acme' },
    ])
  })

  test('any other answer is no choice', () => {
    assert.equal(membershipsIn(problem(409, { code: 'email_taken', memberships: [] })), null)
    assert.equal(membershipsIn(problem(409, { code: 'choose_tenant' })), null)
    assert.equal(membershipsIn(new ApiAway('x')), null)
  })
})
