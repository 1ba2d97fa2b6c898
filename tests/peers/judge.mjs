// What real Yjs makes of bytes: documents without connections, by the thousand. One JSON line in, one out.
//
// `{"id": 1, "cases": [[update, ...], ...]}`, updates in base64, applied in order to a fresh document each, is answered by
// `{"id": 1, "verdicts": [{text, map, array, stateVector, deletes, pending, errors}, ...]}`. `errors` holds
// `[index, message]` of each update that threw: a stock client may have lost the rest of it.
import { createInterface } from 'node:readline'
import * as buffer from 'lib0/buffer'
import * as Y from 'yjs'

// Yjs reports a changed client id with console.log; standard output is the protocol's.
console.log = console.error

/** What an editor's binding asks of every change; it must not throw either. */
const watch = (type) => type.observeDeep(events => events.forEach(event => [event.delta, event.changes, event.path]))

const deletesOf = (doc) =>
  [...Y.createDeleteSetFromStructStore(doc.store).clients.entries()]
    .map(([client, ranges]) => [client, ranges.map(({ clock, len }) => [clock, clock + len])])
    .sort(([a], [b]) => a - b)

const sorted = (value) => {
  if (Array.isArray(value)) return value.map(sorted)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.keys(value).sort().map(key => [key, sorted(value[key])]))
}

/** Maps have no order; equal ones are to be equal text. */
const stable = (value) => JSON.stringify(sorted(JSON.parse(JSON.stringify(value))))

const judge = (updates) => {
  const doc = new Y.Doc()
  const text = doc.getText('text')
  const map = doc.getMap('map')
  const array = doc.getArray('array')
  for (const type of [text, map, array]) watch(type)
  const errors = []
  updates.forEach((update, index) => {
    try {
      Y.applyUpdate(doc, buffer.fromBase64(update))
    } catch (error) {
      errors.push([index, String(error?.stack ?? error).split('\n', 3).join(' ')])
    }
  })
  const { pendingStructs, pendingDs } = doc.store
  return {
    text: text.toString(),
    map: stable(map.toJSON()),
    array: stable(array.toJSON()),
    stateVector: [...Y.decodeStateVector(Y.encodeStateVector(doc)).entries()].sort(([a], [b]) => a - b),
    deletes: deletesOf(doc),
    pending: pendingStructs !== null || pendingDs !== null,
    errors
  }
}

createInterface({ input: process.stdin, crlfDelay: Infinity }).on('line', (line) => {
  const { id, cases } = JSON.parse(line)
  process.stdout.write(JSON.stringify({ id, verdicts: cases.map(judge) }) + '\n')
}).on('close', () => process.exit(0))
