// The live socket's published vectors: what real Yjs sends, and what real Yjs makes of what a server sends.
//   node vectors-live.mjs make FOLDER    writes documents.json and binary.json; twice gives the same files
//   node vectors-live.mjs check FOLDER   reads both back with Yjs and y-protocols; the last line is `ok N`
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import * as awarenessProtocol from 'y-protocols/awareness'
import * as syncProtocol from 'y-protocols/sync'
import * as Y from 'yjs'

const MAIN = 'file/main.py'
const hex = (bytes) => Buffer.from(bytes).toString('hex')
const bytes = (text) => new Uint8Array(Buffer.from(text, 'hex'))

const doc = (clientID) => {
  const made = new Y.Doc({ guid: `vector-${clientID}` })
  made.clientID = clientID
  return made
}

/** Map keys are JSON strings; sorted, so that the file does not depend on the order of integration. */
const vectorOf = (document) => Object.fromEntries(
  [...Y.decodeStateVector(Y.encodeStateVector(document)).entries()].sort(([a], [b]) => a - b))

const filesOf = (document) => document.getMap('files').toJSON()

const textsOf = (document) => {
  const names = [...document.share.keys()].filter(name => name.startsWith('file/')).sort()
  return Object.fromEntries(names.map(name => [name, document.getText(name).toString()]))
}

/** Each change is one transaction of one client that knows all the updates so far, unless `apart` says otherwise. */
class History {
  constructor () { this.updates = []; this.docs = new Map() }

  by (client, change, { apart = false } = {}) {
    const document = this.docs.get(client) ?? doc(client)
    this.docs.set(client, document)
    if (!apart) for (const update of this.updates) Y.applyUpdate(document, update)
    const listen = (update, origin) => { if (origin === 'own') this.updates.push(update) }
    document.on('update', listen)
    document.transact(() => change(document), 'own')
    document.off('update', listen)
    return this
  }

  vector (name, why) {
    const whole = doc(1)
    for (const update of this.updates) Y.applyUpdate(whole, update)
    const structs = [...whole.store.clients.values()].flat().map(struct => struct.constructor.name)
    return {
      name,
      why,
      updates: this.updates.map(hex),
      texts: textsOf(whole),
      files: filesOf(whole),
      stateVector: vectorOf(whole),
      gcStructs: structs.filter(kind => kind === 'GC').length,
      asOneUpdate: hex(Y.encodeStateAsUpdate(whole))
    }
  }
}

const type = (at, text, root = MAIN) => (document) => document.getText(root).insert(at, text)
const remove = (at, length, root = MAIN) => (document) => document.getText(root).delete(at, length)
const seeded = () => new History().by(1000, document => {
  document.getMap('files').set('main.py', { language: 'python', order: 0 })
  document.getText(MAIN).insert(0, 'def f():\n    pass\n')
})

const documents = () => [
  seeded().vector('initial code', 'the first content of a room: one file and its entry in the list of files'),
  seeded().by(2001, type(17, '# héllo\n')).by(2002, remove(9, 9))
    .vector('typing and deleting', 'offsets are UTF-16 code units'),
  seeded().by(2001, type(0, '😀')).by(2002, type(2, '👩‍💻')).by(2001, remove(0, 2))
    .vector('surrogate pairs', 'each emoji is at least two code units, and is inserted and deleted whole'),
  seeded().by(2001, type(4, 'A')).by(2002, type(4, 'B'), { apart: true })
    .vector('two at one place, apart', 'the second never saw the first; the order is by client id, not by arrival'),
  seeded().by(2001, remove(0, 8)).by(2002, remove(4, 8)).by(2002, type(0, 'x'))
    .vector('deletions that follow on each other', 'a deletion is a set of clocks: doing it twice changes nothing'),
  new History().by(3001, document => {
    const inner = new Y.Map()
    document.getMap('notes').set('a', inner)
    inner.set('t', new Y.Text('thrown away'))
  }).by(3002, document => document.getMap('notes').delete('a')).by(3001, type(0, 'kept'))
    .vector('GC structs', 'what stood inside a deleted parent is nothing but a length; clocks go on behind it'),
  seeded().by(2001, document => {
    document.getMap('files').set('test_main.py', { language: 'python', order: 1 })
    document.getText('file/test_main.py').insert(0, 'assert True\n')
  }).by(2002, document => {
    document.getMap('files').set('main.py', { language: 'python', order: 2 })
  }).vector('a second file', 'a file is a root text `file/PATH` and an entry in the root map `files`'),
  new History().by(4294967295, type(0, 'x')).by(9007199254740991, type(1, 'y'))
    .vector('large client ids', 'a client id may have 53 bits'),
  new History().by(5001, type(0, 'ab')).by(5001, type(2, 'cd')).by(5001, type(4, 'ef'))
    .vector('a run of typing', 'each update names the one before as its origin; they may arrive in any order')
]

const message = (kind, write) => {
  const encoder = encoding.createEncoder()
  encoding.writeVarUint(encoder, kind)
  write(encoder)
  return hex(encoding.toUint8Array(encoder))
}

const syncFrames = () => {
  const full = doc(1)
  for (const update of documents()[2].updates) Y.applyUpdate(full, bytes(update))
  const empty = doc(2)
  const step1 = (name, from, document) => ({
    name, from, frame: message(0, e => syncProtocol.writeSyncStep1(e, document)), kind: 'syncStep1', stateVector: vectorOf(document)
  })
  const step2 = (name, from, document, against) => {
    const vector = against && Y.encodeStateVector(against)
    return {
      name, from, frame: message(0, e => syncProtocol.writeSyncStep2(e, document, vector)), kind: 'syncStep2', update: hex(Y.encodeStateAsUpdate(document, vector))
    }
  }
  const typed = new History().by(2001, type(0, '# 😀\n')).updates[0]
  const deleted = seeded().by(2001, remove(0, 3)).updates[1]
  const update = (name, bytes) => ({ name, from: 'either', frame: message(0, e => syncProtocol.writeUpdate(e, bytes)), kind: 'update', update: hex(bytes) })
  return [
    step1('a newcomer has nothing', 'client', empty),
    step1('the server says what it has', 'server', full),
    step2('everything, for a newcomer', 'server', full),
    step2('what a returning client lacks: nothing', 'server', full, full),
    step2('a client has nothing that the server lacks', 'client', empty),
    step2('what was typed offline', 'client', full, empty),
    update('an edit', typed),
    update('an edit that deletes only', deleted)
  ]
}

const awarenessFrames = () => {
  const own = doc(7)
  const awareness = new awarenessProtocol.Awareness(own)
  const entries = (ids) => ids.map(client => ({
    client, clock: awareness.meta.get(client).clock, state: awareness.getStates().get(client) ?? null
  }))
  const frame = (name, from, ids) => ({
    name,
    from,
    frame: message(1, e => encoding.writeVarUint8Array(e, awarenessProtocol.encodeAwarenessUpdate(awareness, ids))),
    kind: 'awareness',
    entries: entries(ids)
  })
  awareness.setLocalState({ user: { name: 'Ana 😀', color: '#30bced' }, cursor: null })
  const frames = [frame('presence, one entry: this claims the client id', 'either', [7])]
  const text = own.getText(MAIN)
  text.insert(0, 'def f():')
  const at = (index) => Y.relativePositionToJSON(Y.createRelativePositionFromTypeIndex(text, index))
  awareness.setLocalStateField('cursor', { anchor: at(4), head: at(8) })
  frames.push(frame('a cursor as relative positions', 'either', [7]))
  const other = new awarenessProtocol.Awareness(doc(4294967295))
  other.setLocalState({ user: { name: 'Ben', color: '#ee6352' } })
  awarenessProtocol.applyAwarenessUpdate(awareness, awarenessProtocol.encodeAwarenessUpdate(other, [4294967295]), 'vector')
  frames.push(frame('two entries at once', 'server', [7, 4294967295]))
  awareness.setLocalState(null)
  frames.push(frame('gone', 'either', [7]))
  frames.push({
    name: 'no entries: the server is still there',
    from: 'server',
    frame: message(1, e => encoding.writeVarUint8Array(e, awarenessProtocol.encodeAwarenessUpdate(awareness, []))),
    kind: 'awareness',
    entries: []
  })
  awareness.destroy()
  other.destroy()
  return frames
}

const binary = () => [
  ...syncFrames(), ...awarenessFrames(), { name: 'who is here?', from: 'client', frame: message(3, () => {}), kind: 'queryAwareness' }
]

const write = (folder, name, rows) =>
  writeFileSync(join(folder, name), `[\n${rows.map(row => JSON.stringify(row)).join(',\n')}\n]\n`)

const read = (folder, name) => JSON.parse(readFileSync(join(folder, name), 'utf8'))

const checkDocument = (vector) => {
  const inOrder = doc(1)
  for (const update of vector.updates) Y.applyUpdate(inOrder, bytes(update))
  const backwards = doc(2)
  for (const update of [...vector.updates].reverse()) Y.applyUpdate(backwards, bytes(update))
  const atOnce = doc(3)
  Y.applyUpdate(atOnce, bytes(vector.asOneUpdate))
  for (const document of [inOrder, backwards, atOnce]) {
    assert.deepEqual(textsOf(document), vector.texts, vector.name)
    assert.deepEqual(filesOf(document), vector.files, vector.name)
    assert.deepEqual(vectorOf(document), vector.stateVector, vector.name)
    assert.equal(document.store.pendingStructs, null, vector.name)
  }
}

const checkFrame = (vector) => {
  const decoder = decoding.createDecoder(bytes(vector.frame))
  const kind = decoding.readVarUint(decoder)
  if (kind === 0) {
    const step = decoding.readVarUint(decoder)
    assert.equal(['syncStep1', 'syncStep2', 'update'][step], vector.kind, vector.name)
    const body = decoding.readVarUint8Array(decoder)
    if (step === 0) {
      const found = Object.fromEntries([...Y.decodeStateVector(body).entries()].map(([id, clock]) => [String(id), clock]))
      assert.deepEqual(found, vector.stateVector, vector.name)
    } else {
      assert.equal(hex(body), vector.update, vector.name)
      Y.applyUpdate(doc(1), body)
    }
  } else if (kind === 1) {
    assert.equal(vector.kind, 'awareness', vector.name)
    const entries = decoding.createDecoder(decoding.readVarUint8Array(decoder))
    const found = Array.from({ length: decoding.readVarUint(entries) }, () => ({
      client: decoding.readVarUint(entries), clock: decoding.readVarUint(entries), state: JSON.parse(decoding.readVarString(entries))
    }))
    assert.deepEqual(found, vector.entries, vector.name)
  } else {
    assert.equal(kind, 3, vector.name)
  }
  assert.equal(decoding.hasContent(decoder), false, vector.name)
}

const [command, folder] = process.argv.slice(2)
if (command === 'make') {
  write(folder, 'documents.json', documents())
  write(folder, 'binary.json', binary())
} else {
  const [all, frames] = [read(folder, 'documents.json'), read(folder, 'binary.json')]
  all.forEach(checkDocument)
  frames.forEach(checkFrame)
  console.log(`ok ${all.length + frames.length}`)
}
