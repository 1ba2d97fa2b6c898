// Where real Yjs says that places are. One JSON line in, one out.
//
// `[["insert", who, at, text] | ["delete", who, at, length] | ["sync", from, to], ...]` is done by three people to the
// text `file/a`, each in a document of their own; offsets are cut to the text and never inside a surrogate pair. The
// answer is about a fresh document that holds it all: `update` (base64), `text`, `relative` (a position's JSON before each
// code unit and at the end) and `places` (`[client, clock, index, index with assoc -1]` of every id, null if there is none).
import { createInterface } from 'node:readline'
import * as buffer from 'lib0/buffer'
import * as Y from 'yjs'

const ROOT = 'file/a'

const snapped = (text, at) => {
  const index = Math.min(at, text.length)
  const code = text.charCodeAt(index)
  return code >= 0xdc00 && code <= 0xdfff ? index - 1 : index
}

const play = (steps) => {
  const docs = [1, 2, 4294967295].map(id => Object.assign(new Y.Doc(), { clientID: id }))
  const sync = (from, to) => Y.applyUpdate(docs[to], Y.encodeStateAsUpdate(docs[from], Y.encodeStateVector(docs[to])))
  for (const [what, who, at, extra] of steps) {
    if (what === 'sync') {
      sync(who, at)
      continue
    }
    const text = docs[who].getText(ROOT)
    const start = snapped(text.toString(), at)
    if (what === 'insert') text.insert(start, extra)
    else text.delete(start, snapped(text.toString(), start + extra) - start)
  }
  for (const who of [1, 2]) sync(who, 0)
  return Y.encodeStateAsUpdate(docs[0])
}

const answer = (steps) => {
  const update = play(steps)
  const doc = new Y.Doc()
  Y.applyUpdate(doc, update)
  const text = doc.getText(ROOT)
  const indexOf = (client, clock, assoc) => {
    const position = Y.createRelativePositionFromJSON({ tname: ROOT, item: { client, clock }, assoc })
    return Y.createAbsolutePositionFromRelativePosition(position, doc)?.index ?? null
  }
  const places = []
  for (const [client, end] of Y.decodeStateVector(Y.encodeStateVector(doc))) {
    for (let clock = 0; clock < end; clock++) places.push([client, clock, indexOf(client, clock, 0), indexOf(client, clock, -1)])
  }
  const relative = Array.from({ length: text.length + 1 }, (_, index) => Y.createRelativePositionFromTypeIndex(text, index))
  return { update: buffer.toBase64(update), text: text.toString(), relative, places }
}

createInterface({ input: process.stdin, crlfDelay: Infinity })
  .on('line', (line) => process.stdout.write(JSON.stringify(answer(JSON.parse(line))) + '\n'))
  .on('close', () => process.exit(0))
