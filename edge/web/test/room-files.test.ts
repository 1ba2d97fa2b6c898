import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as Y from 'yjs'
import { addFile, deleteFile, filesOf, languageIn, languageNameOf, pathTrouble } from '../src/dojo/room-files.ts'

test('files come in their order, whatever clients wrote of them', () => {
  const doc = new Y.Doc()
  const described = doc.getMap('files')
  described.set('b.py', { order: 0 })
  described.set('a.py', { order: 1 })
  described.set('odd', 'no description')
  doc.getText('file/late.ts').insert(0, 'typed')
  doc.getText('file/empty.ts')
  assert.deepEqual(filesOf(doc), ['b.py', 'a.py', 'late.ts', 'odd'])
})

test('a file’s language is what the room says, else what its ending says', () => {
  const doc = new Y.Doc()
  doc.getMap('files').set('main.py', { language: 'Python 3' })
  doc.getMap('files').set('run.rs', { language: 7 })
  assert.equal(languageIn(doc, 'main.py'), 'Python 3')
  assert.equal(languageIn(doc, 'run.rs'), 'Rust')
  assert.equal(languageNameOf('README'), 'Text')
})

test('a file comes last, and goes with its text', () => {
  const doc = new Y.Doc()
  addFile(doc, 'b.py')
  addFile(doc, 'a.py')
  doc.getText('file/b.py').insert(0, 'text')
  assert.deepEqual(filesOf(doc), ['b.py', 'a.py'])
  assert.deepEqual(doc.getMap('files').get('a.py'), { language: 'Python', order: 1 })
  deleteFile(doc, 'b.py')
  assert.deepEqual(filesOf(doc), ['a.py'])
})

test('a new path is a relative one, and new', () => {
  for (const path of ['main.py', 'src/a b.py', 'ação.py']) assert.equal(pathTrouble(path, ['other.py']), null, path)
  for (const path of ['', '/a', 'a//b', 'a/', '../a', './a', 'a\\b', 'a\nb', ' a/b']) {
    assert.notEqual(pathTrouble(path, []), null, JSON.stringify(path))
  }
  assert.match(pathTrouble('main.py', ['main.py']) ?? '', /already/)
})
