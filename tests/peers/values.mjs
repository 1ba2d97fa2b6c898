// Values on the command line between Python and Node. JSON, and `{"$kind": ...}` for what JSON cannot say.
import * as buffer from 'lib0/buffer'
import * as Y from 'yjs'

const TYPES = {
  map: (content = {}) => {
    const map = new Y.Map()
    for (const [key, value] of Object.entries(content)) map.set(key, decodeValue(value))
    return map
  },
  array: (content = []) => Y.Array.from(content.map(decodeValue)),
  text: (content = '') => new Y.Text(content),
  xmltext: (content = '') => new Y.XmlText(content),
  xmlfragment: (content = []) => {
    const fragment = new Y.XmlFragment()
    fragment.insert(0, content.map(decodeValue))
    return fragment
  },
  xmlhook: (content = 'hook') => new Y.XmlHook(content),
  subdoc: (content = 'subdoc') => new Y.Doc({ guid: content })
}

/** `{"$bytes": base64}`, `{"$bigint": "1"}`, `{"$undefined": true}`, `{"$type": "map", "content": {...}}`. */
export const decodeValue = (value) => {
  if (Array.isArray(value)) return value.map(decodeValue)
  if (value === null || typeof value !== 'object') return value
  if ('$bytes' in value) return buffer.fromBase64(value.$bytes)
  if ('$bigint' in value) return BigInt(value.$bigint)
  if ('$undefined' in value) return undefined
  if ('$type' in value) {
    if (value.$type !== 'xmlelement') return TYPES[value.$type](value.content)
    const element = new Y.XmlElement(value.name)
    for (const [key, attribute] of Object.entries(value.attributes ?? {})) element.setAttribute(key, attribute)
    element.insert(0, (value.content ?? []).map(decodeValue))
    return element
  }
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, decodeValue(inner)]))
}

/** The other way round: plain JSON, with shared types as their JSON and XML as its string. */
export const encodeValue = (value) => {
  if (value === undefined) return { $undefined: true }
  if (typeof value === 'bigint') return { $bigint: value.toString() }
  if (value instanceof Uint8Array) return { $bytes: buffer.toBase64(value) }
  if (value instanceof Y.Doc) return { $subdoc: value.guid }
  if (value instanceof Y.XmlText || value instanceof Y.XmlElement || value instanceof Y.XmlFragment) return value.toString()
  if (value instanceof Y.Text) return value.toDelta().every(part => typeof part.insert === 'string' && !part.attributes) ? value.toString() : value.toDelta().map(encodeValue)
  if (value instanceof Y.Array) return value.toArray().map(encodeValue)
  if (value instanceof Y.XmlHook) return { $hook: value.hookName }
  if (value instanceof Y.Map) return Object.fromEntries([...value.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, inner]) => [key, encodeValue(inner)]))
  if (Array.isArray(value)) return value.map(encodeValue)
  if (value !== null && typeof value === 'object') return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, encodeValue(inner)]))
  return value
}

/** A root type by kind: `text`, `map`, `array`, `xml`. */
export const rootType = (doc, kind, name) => {
  switch (kind) {
    case 'text': return doc.getText(name)
    case 'map': return doc.getMap(name)
    case 'array': return doc.getArray(name)
    case 'xml': return doc.getXmlFragment(name)
    default: throw new Error(`no such kind of root: ${kind}`)
  }
}

/** Walk from a root by keys (maps, XML attributes) and indices (arrays, XML children). */
export const typeAt = (doc, { kind, root, path = [] }) => {
  let type = rootType(doc, kind, root)
  for (const step of path) {
    type = type.get(step)
    if (type === undefined) throw new Error(`nothing at ${JSON.stringify(step)} of ${root}`)
  }
  return type
}
