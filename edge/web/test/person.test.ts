import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { colorsOf, colorInsteadOf, colorOf, initials, inkOn, personIn } from '../src/page/person.ts'

describe('people', () => {
  test('whatever stands in a presence state, a name and a colour come out', () => {
    assert.deepEqual(personIn({ user: { name: ' Ana ', color: '#123abc' } }, 1), { name: 'Ana', color: '#123abc' })
    for (const state of [null, undefined, {}, { user: 3 }, { user: null }, { user: { name: '', color: 'red;x' } }]) {
      assert.deepEqual(personIn(state, 1), { name: 'Somebody', color: colorOf(1) })
    }
    assert.equal(Array.from(personIn({ user: { name: '🌱'.repeat(99) } }, 1).name).length, 40)
  })

  test('initials are of the first and the last name, in whole characters', () => {
    assert.deepEqual(['Ana', 'Ana Maria Ribeiro', '🌱 Bo', ''].map(initials), ['A', 'AR', '🌱B', ''])
  })

  test('letters are dark on light colours and light on dark ones', () => {
    assert.deepEqual(['#ffffff', '#ffe066'].map(inkOn), ['#000000', '#000000'])
    assert.deepEqual(['#0f766e', '#000000'].map(inkOn), ['#ffffff', '#ffffff'])
  })

  test('of two people with one colour exactly one changes, to a free one', () => {
    const [a, b] = [colorOf(0), colorOf(1)]
    const others = new Map([
      [5, { name: 'x', color: a }],
      [6, { name: 'y', color: b }],
    ])
    assert.equal(colorInsteadOf(a, 4, others), null)
    assert.equal(colorInsteadOf(colorOf(2), 9, others), null)
    const other = colorInsteadOf(a, 9, others)
    assert.ok(other !== null && other !== a && other !== b)
  })
})

test('people have colours apart from each other, and keep theirs when others come', () => {
  const ids = Array.from({ length: 10 }, (_, at) => `user-${at}`)
  const all = colorsOf(ids)
  assert.equal(new Set(all.values()).size, 10)
  assert.deepEqual([...colorsOf(ids.slice(0, 4))], [...all].slice(0, 4))
  assert.match(colorsOf([...ids, 'one more']).get('one more') ?? '', /^#[0-9a-f]{6}$/)
})
