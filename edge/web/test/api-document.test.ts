/** What the reference page says of a document, tried on the real one. */

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import {
  answerOf,
  boundsOf,
  codesOf,
  matches,
  routesOf,
  schemasFrom,
  typeOf,
  type ApiDocument,
} from '../src/api/document.ts'

const api = JSON.parse(readFileSync(new URL('../../../docs/openapi.json', import.meta.url), 'utf8')) as ApiDocument
const routes = routesOf(api)

function route(name: string) {
  const found = routes.find((each) => each.operation.operationId === name)
  assert.ok(found, name)
  return found
}

test('every operation is there, those of a tag together', () => {
  assert.equal(routes.length, Object.values(api.paths).flatMap((methods) => Object.keys(methods)).length)
  const tags = routes.map((each) => each.operation.tags[0])
  assert.deepEqual([...new Set(tags)], tags.filter((tag, index) => tag !== tags[index - 1]))
})

test('operations are found by words of their method, path, name or summary', () => {
  const login = route('login')
  assert.ok(matches(login, ''))
  assert.ok(matches(login, 'POST Login'))
  assert.ok(matches(login, 'auth/log'))
  assert.ok(!matches(login, 'login DELETE'))
})

test('shared answers are looked up, and problems name their codes', () => {
  const responses = route('login').operation.responses
  const codes = Object.values(responses).flatMap((answer) => codesOf(answerOf(api, answer)))
  assert.ok(codes.includes('invalid_credentials'))
  assert.ok(codes.includes('too_many_requests'))
})

test('every schema that a body or an answer is made of is reached, each once', () => {
  for (const { operation } of routes) {
    const schema = operation.requestBody?.content['application/json']?.schema
    if (schema === undefined) continue
    const names = schemasFrom(api, schema).map(([name]) => name)
    assert.ok(names.length > 0)
    assert.equal(new Set(names).size, names.length)
  }
})

test('types and bounds are said in words', () => {
  assert.equal(typeOf({ type: 'string', format: 'uuid' }), 'string (uuid)')
  assert.equal(typeOf({ type: 'array', items: { $ref: '#/components/schemas/Session' } }), 'list of Session')
  assert.equal(typeOf({ anyOf: [{ type: 'string' }, { type: 'null' }] }), 'string or null')
  assert.equal(typeOf({ enum: ['asc', 'desc'] }), '"asc" or "desc"')
  assert.equal(typeOf({ type: 'object', additionalProperties: { type: 'integer' } }), 'map to integer')
  assert.equal(typeOf({}), 'anything')
  assert.equal(boundsOf({ minimum: 1, maximum: 100, default: 20 }), '1 to 100, 20 unless given')
  assert.equal(boundsOf({ anyOf: [{ type: 'string', maxLength: 5 }, { type: 'null' }] }), 'at most 5 characters')
  assert.equal(boundsOf({ minLength: 10 }), 'at least 10 characters')
})
