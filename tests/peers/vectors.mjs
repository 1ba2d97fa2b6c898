// Writes the codec's reference vectors: what real Yjs encodes, and what real Yjs reads in it.
// Usage: node vectors.mjs FOLDER. Running it again gives the same files, byte for byte.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as buffer from 'lib0/buffer'
import * as Y from 'yjs'
import { frameVectors } from './vectors-frames.mjs'
import { primitiveVectors } from './vectors-primitives.mjs'
import { updateCases } from './vectors-updates.mjs'

const id = (value) => value === null || value === undefined ? null : { client: value.client, clock: value.clock }

/** A struct as Yjs' own decoder reads it. `parent` is a root's name, an id, or null when the origins tell it. */
const describeStruct = (struct) => {
  const place = { client: struct.id.client, clock: struct.id.clock, length: struct.length }
  if (struct instanceof Y.GC) return { ...place, kind: 'gc' }
  if (struct instanceof Y.Skip) return { ...place, kind: 'skip' }
  const parent = typeof struct.parent === 'string' ? struct.parent : id(struct.parent)
  return {
    ...place,
    ...(struct.content instanceof Y.ContentString ? { text: struct.content.str } : {}),
    kind: KINDS.find(([, kind]) => struct.content instanceof kind)[0],
    origin: id(struct.origin),
    rightOrigin: id(struct.rightOrigin),
    parent,
    parentSub: struct.parentSub
  }
}

const KINDS = [['deleted', Y.ContentDeleted], ['json', Y.ContentJSON], ['binary', Y.ContentBinary],
  ['string', Y.ContentString], ['embed', Y.ContentEmbed], ['format', Y.ContentFormat], ['type', Y.ContentType],
  ['any', Y.ContentAny], ['doc', Y.ContentDoc]]

const describeDeletes = (deletes) =>
  [...deletes.clients.entries()].map(([client, ranges]) => ({
    client,
    ranges: ranges.map(({ clock, len }) => ({ clock, length: len }))
  }))

const describeUpdate = ({ name, update }) => {
  const { structs, ds } = Y.decodeUpdate(update)
  return { name, update: buffer.toBase64(update), structs: structs.map(describeStruct), deletes: describeDeletes(ds) }
}

// Compact rows, one case per line: readable in a diff, small in the repository.
const write = (folder, name, rows) =>
  writeFileSync(join(folder, name), `[\n${rows.map(row => JSON.stringify(row)).join(',\n')}\n]\n`)

const folder = process.argv[2]
mkdirSync(folder, { recursive: true })
write(folder, 'updates.json', updateCases().map(describeUpdate))
write(folder, 'frames.json', frameVectors())
write(folder, 'primitives.json', primitiveVectors())
