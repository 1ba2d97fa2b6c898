import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { BrokenRecording, Recording } from '../src/looking-back/recording.ts'
import { edited, textOf, type Runs } from '../src/looking-back/runs.ts'

const runs = (...parts: readonly (readonly [string | null, string])[]): Runs => parts.map(([by, text]) => ({ by, text }))

describe('a text as runs of who typed them', () => {
  test('edits count in the text before, and leave others’ letters theirs', () => {
    const before = runs([null, 'hello'], ['ana', ' world'])
    const after = edited(before, [{ from: 1, to: 2, insert: 'EE' }, { from: 5, to: 7, insert: '' }], 'bo')
    assert.deepEqual(after, runs([null, 'h'], ['bo', 'EE'], [null, 'llo'], ['ana', 'orld']))
  })

  test('what one person types on is one run', () => {
    let text: Runs = []
    for (const [at, letter] of [...'dojo'].entries()) text = edited(text, [{ from: at, to: at, insert: letter }], 'ana')
    assert.deepEqual(text, runs(['ana', 'dojo']))
    assert.deepEqual(edited(text, [{ from: 0, to: 4, insert: '' }], 'bo'), [])
  })

  test('an edit outside the text, or over another one, is told', () => {
    assert.throws(() => edited(runs(['ana', 'a']), [{ from: 2, to: 2, insert: 'x' }], 'bo'), RangeError)
    assert.throws(() => edited(runs(['ana', 'abc']), [{ from: 1, to: 2, insert: '' }, { from: 0, to: 1, insert: '' }], 'bo'), RangeError)
  })

  test('at random it is what a string becomes', () => {
    let [seed, text, shown] = [7, '', [] as Runs]
    const below = (bound: number) => (seed = (seed * 48_271) % 2_147_483_647) % bound
    for (let round = 0; round < 500; round += 1) {
      const from = below(text.length + 1)
      const to = Math.min(text.length, from + below(4))
      const insert = 'ab🥋'.slice(0, below(5))
      text = text.slice(0, from) + insert + text.slice(to)
      shown = edited(shown, [{ from, to, insert }], String(below(3)))
      assert.equal(textOf(shown), text)
    }
  })
})

const HEADER = {
  type: 'header', from: 1_000, to: 9_000, complete: true, people: [{ userId: 'ana', userName: 'Ana', isGuest: false }],
  turns: [{ number: 1, pilot: 'ana', copilot: null, startedAt: 2_000, endedAt: 3_000 }],
}
const keyframe = (at: number, files: Readonly<Record<string, string>>) => ({ type: 'keyframe', at, files })
const typed = (at: number, from: number, insert: string, file = 'main.py', userId = 'ana') => ({
  type: 'change', at, userId, file, edits: [{ from, to: from, insert }],
})
const recording = (...lines: readonly object[]) => new Recording([HEADER, ...lines].map((line) => JSON.stringify(line)))
const END = { type: 'end', changes: 0 }
const textsAt = (told: Recording, count: number) =>
  Object.fromEntries([...told.filesAfter(count)].map(([path, of]) => [path, textOf(of)]))

describe('a recording', () => {
  test('knows the files after any number of changes, whichever way one seeks', () => {
    const letters = Array.from({ length: 700 }, (_, at) => typed(2_000 + at, at, String(at % 10)))
    const told = recording(keyframe(1_000, { 'main.py': '' }), ...letters, END)
    const whole = letters.map(({ edits }) => edits[0]?.insert).join('')
    for (const count of [700, 0, 3, 251, 699, 250, 500, 1]) {
      assert.equal(textsAt(told, count)['main.py'], whole.slice(0, count), `after ${count}`)
    }
  })

  test('a keyframe is what the files were, whatever the changes before it made of them', () => {
    const lines = [keyframe(1_000, { a: 'x' }), typed(2_000, 1, 'y', 'a'), keyframe(2_500, { a: 'xyz', b: 'new' }), typed(3_000, 0, '!', 'b'), END]
    const told = recording(...lines)
    assert.deepEqual(textsAt(told, 2), { a: 'xyz', b: '!new' })
    assert.deepEqual(textsAt(told, 0), { a: 'x' })
    assert.deepEqual(told.filesAfter(2).get('b'), runs(['ana', '!'], [null, 'new']))
  })

  test('long pauses are cut, and a place leads to a number of changes', () => {
    const told = recording(keyframe(1_000, { 'main.py': '' }), typed(1_500, 0, 'a'), typed(3_601_500, 1, 'b'), END)
    assert.equal(told.length, 3_500)
    assert.deepEqual([0, 499, 500, 3_499, 3_500].map((place) => told.countAt(place)), [0, 0, 1, 1, 2])
    assert.equal(told.momentOf(2), 3_601_500)
    assert.equal(told.momentOf(0), 1_000)
    assert.equal(told.turnAt(2_500)?.pilot, 'ana')
    assert.equal(told.turnAt(3_000), null)
  })

  test('one that breaks off is told', () => {
    assert.throws(() => recording(keyframe(1_000, {}), typed(2_000, 0, 'a')), BrokenRecording)
    assert.throws(() => new Recording([JSON.stringify(END)]), BrokenRecording)
  })
})
