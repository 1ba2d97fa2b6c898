import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as Y from 'yjs'
import { draftOf } from '../src/provider/draft.ts'

test('a draft names the texts that differ, with both versions', () => {
  const theirs = new Y.Doc()
  theirs.getText('b').insert(0, 'same')
  theirs.getText('a').insert(0, 'one')
  const mine = new Y.Doc()
  Y.applyUpdate(mine, Y.encodeStateAsUpdate(theirs))
  mine.getText('a').insert(3, ' two')
  mine.getText('b')
  mine.getText('new').insert(0, 'x')
  mine.getMap('m').set('k', 1)
  assert.deepEqual(draftOf(mine, theirs), [
    { name: 'a', mine: 'one two', theirs: 'one' },
    { name: 'new', mine: 'x', theirs: '' },
  ])
})
