import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { EditorState, type TransactionSpec } from '@codemirror/state'
import { ySyncAnnotation } from 'y-codemirror.next'
import { wholeCharacters } from '../src/editor/whole-characters.ts'

function edit(doc: string, spec: TransactionSpec) {
  const transaction = EditorState.create({ doc, extensions: wholeCharacters }).update(spec)
  const changes: (readonly [number, number, string])[] = []
  transaction.changes.iterChanges((from, to, _b, _e, inserted) => changes.push([from, to, inserted.toString()]))
  return { text: transaction.newDoc.toString(), changes, head: transaction.newSelection.main.head }
}

describe('whole characters', () => {
  test('half an emoji replaced becomes a whole one replaced', () => {
    // 😀 is d83d de00, 😁 is d83d de01.
    assert.deepEqual(edit('a😀b', { changes: { from: 2, to: 3, insert: '\ude01' }, selection: { anchor: 3 } }), {
      text: 'a😁b',
      changes: [[1, 3, '😁']],
      head: 3,
    })
  })

  test('half an emoji deleted takes the other half along', () => {
    assert.deepEqual(edit('a😀b', { changes: { from: 2, to: 3 } }), { text: 'ab', changes: [[1, 3, '']], head: 1 })
    assert.equal(edit('a😀b', { changes: { from: 0, to: 2 } }).text, 'b')
  })

  test('several edits at once keep what lies between them', () => {
    const changes = [{ from: 0, to: 1, insert: 'x' }, { from: 4, to: 5, insert: '\ude01' }]
    assert.equal(edit('a--😀b', { changes }).text, 'x--😁b')
  })

  test('a lone half is never inserted', () => {
    assert.equal(edit('ab', { changes: { from: 1, insert: '\ud83d' } }).text, 'ab')
  })

  test('whole edits pass as they are', () => {
    const { changes } = edit('a😀b', { changes: [{ from: 1, to: 3, insert: 'ü' }, { from: 4, insert: '😁' }] })
    assert.deepEqual(changes, [[1, 3, 'ü'], [4, 4, '😁']])
  })

  test('what others typed is not touched', () => {
    const annotations = ySyncAnnotation.of({} as never)
    const { changes } = edit('a😀b', { changes: { from: 2, to: 3, insert: '\ude01' }, annotations })
    assert.deepEqual(changes, [[2, 3, '\ude01']])
  })
})
