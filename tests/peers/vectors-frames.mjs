// Protocol messages as y-protocols writes them: sync, awareness, auth.
import * as buffer from 'lib0/buffer'
import * as encoding from 'lib0/encoding'
import * as authProtocol from 'y-protocols/auth'
import * as awarenessProtocol from 'y-protocols/awareness'
import * as syncProtocol from 'y-protocols/sync'
import * as Y from 'yjs'

const message = (type, write) => {
  const encoder = encoding.createEncoder()
  encoding.writeVarUint(encoder, type)
  write(encoder)
  return buffer.toBase64(encoding.toUint8Array(encoder))
}

const vectorOf = (document) =>
  [...Y.decodeStateVector(Y.encodeStateVector(document)).entries()].map(([client, clock]) => ({ client, clock }))

const syncFrames = () => {
  const empty = new Y.Doc({ guid: 'empty' })
  const full = new Y.Doc({ guid: 'full' })
  full.clientID = 4000000000
  full.getText('text').insert(0, 'h\u{1f600}')
  const other = new Y.Doc({ guid: 'other' })
  other.clientID = 5
  other.getMap('map').set('k', 'v')
  Y.applyUpdate(full, Y.encodeStateAsUpdate(other))
  const update = Y.encodeStateAsUpdate(full)
  const step1 = (name, document) => ({
    name, kind: 'step1', frame: message(0, e => syncProtocol.writeSyncStep1(e, document)), stateVector: vectorOf(document)
  })
  return [
    step1('step1 of an empty document', empty),
    step1('step1 of two clients', full),
    { name: 'step2 to an empty document', kind: 'step2', frame: message(0, e => syncProtocol.writeSyncStep2(e, full)), update: buffer.toBase64(update) },
    { name: 'step2 with nothing new', kind: 'step2', frame: message(0, e => syncProtocol.writeSyncStep2(e, empty)), update: buffer.toBase64(Y.encodeStateAsUpdate(empty)) },
    { name: 'update', kind: 'update', frame: message(0, e => syncProtocol.writeUpdate(e, update)), update: buffer.toBase64(update) }
  ]
}

const awarenessFrames = () => {
  const document = new Y.Doc({ guid: 'presence' })
  document.clientID = 7
  const awareness = new awarenessProtocol.Awareness(document)
  const frame = (name, ids) => ({
    name,
    kind: 'awareness',
    frame: message(1, e => encoding.writeVarUint8Array(e, awarenessProtocol.encodeAwarenessUpdate(awareness, ids))),
    entries: ids.map(client => ({
      client, clock: awareness.meta.get(client).clock, state: awareness.getStates().get(client) ?? null
    }))
  })
  const frames = [frame('awareness, first and empty', [7])]
  awareness.setLocalState({ user: { name: 'Ana \u{1f600}', color: '#30bced' }, cursor: null })
  frames.push(frame('awareness, a state', [7]))
  awareness.setLocalState({ preview: 'cut \ud83d' })
  frames.push(frame('awareness, half a surrogate pair', [7]))
  awareness.setLocalState({ user: { name: 'Ana' } })
  const otherDocument = new Y.Doc({ guid: 'presence-2' })
  otherDocument.clientID = 4294967295
  const other = new awarenessProtocol.Awareness(otherDocument)
  other.setLocalState({ user: { name: 'Ben' } })
  awarenessProtocol.applyAwarenessUpdate(awareness, awarenessProtocol.encodeAwarenessUpdate(other, [4294967295]), 'test')
  frames.push(frame('awareness, two states', [7, 4294967295]))
  awareness.setLocalState(null)
  frames.push(frame('awareness, removed', [7]))
  frames.push({
    name: 'awareness, nobody',
    kind: 'awareness',
    frame: message(1, e => encoding.writeVarUint8Array(e, awarenessProtocol.encodeAwarenessUpdate(awareness, []))),
    entries: []
  })
  awareness.destroy()
  other.destroy()
  return frames
}

const otherFrames = () => [
  { name: 'query awareness', kind: 'queryAwareness', frame: message(3, () => {}) },
  { name: 'permission denied', kind: 'auth', frame: message(2, e => authProtocol.writePermissionDenied(e, 'no')), reason: 'no' }
]

export const frameVectors = () => [...syncFrames(), ...awarenessFrames(), ...otherFrames()]
