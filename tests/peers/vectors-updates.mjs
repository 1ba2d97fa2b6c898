// Updates of real Yjs documents, every content type, every shape of struct and delete set. Client ids are pinned.
import * as Y from 'yjs'

/** @returns {Y.Doc} */
const doc = (clientID, gc = true) => {
  const made = new Y.Doc({ gc, guid: `doc-${clientID}` })
  made.clientID = clientID
  return made
}

/** The updates a change makes, one per transaction. */
const updatesOf = (document, change) => {
  const updates = []
  const listen = (update) => updates.push(update)
  document.on('update', listen)
  change()
  document.off('update', listen)
  return updates
}

const one = (name, clientID, change) => {
  const document = doc(clientID)
  const updates = updatesOf(document, () => document.transact(() => change(document)))
  return { name, update: updates[0] }
}

/** Put an item with hand-made content at the end of a root: content that Yjs reads but no longer writes. */
const appendContent = (document, root, content) => {
  const type = document.getArray(root)
  document.transact((transaction) => {
    const last = type._length === 0 ? null : lastItem(type)
    const id = Y.createID(document.clientID, Y.getState(document.store, document.clientID))
    new Y.Item(id, last, last && last.lastId, null, null, type, null, content).integrate(transaction, 0)
  })
}

const lastItem = (type) => {
  let item = type._start
  while (item.right !== null) item = item.right
  return item
}

const stringCases = () => [
  one('string ascii', 1, d => d.getText('text').insert(0, 'hello')),
  one('string two bytes', 1, d => d.getText('text').insert(0, 'grüße é')),
  one('string three bytes', 1, d => d.getText('text').insert(0, '日本語')),
  one('string astral', 1, d => d.getText('text').insert(0, 'a\u{1f600}b\u{1f469}\u200d\u{1f4bb}')),
  one('string with a byte order mark', 1, d => d.getText('text').insert(0, '\ufeffx')),
  one('string long', 1, d => d.getText('text').insert(0, 'x'.repeat(300))),
  one('string nul and newline', 1, d => d.getText('text').insert(0, '\u0000\n\r\t')),
  one('root name not ascii', 1, d => d.getText('fichier/é\u{1f600}.py').insert(0, 'x')),
  one('root name empty', 1, d => d.getText('').insert(0, 'x')),
  one('client id of 32 bits', 4294967295, d => d.getText('text').insert(0, 'x')),
  one('client id of 53 bits', Number.MAX_SAFE_INTEGER, d => d.getText('text').insert(0, 'x')),
  one('client id zero', 0, d => d.getText('text').insert(0, 'x'))
]

const anyCases = () => [
  one('any primitives', 2, d => d.getArray('array').insert(0, [null, true, false, 0, -1, 63, 64, -64, -65, 2 ** 31 - 1,
    -(2 ** 31), 2 ** 31, 1.5, 0.1, -0, 1e300, Infinity, -Infinity, NaN, '', 'text', '\u{1f600}'])),
  // An array takes them nested only, a map as they are.
  one('any bigint', 2, d => d.getArray('array').insert(0, [[1n, -1n], { n: 2n ** 62n }])),
  one('any bigint in a map', 2, d => d.getMap('map').set('n', -(2n ** 63n))),
  one('any undefined', 2, d => d.getMap('map').set('u', undefined)),
  one('any nested', 2, d => d.getMap('map').set('n', { a: [1, { b: [[], {}, [null]] }], '': 'empty key', ü: { undefined } })),
  one('any bytes within', 2, d => d.getArray('array').insert(0, [{ b: new Uint8Array([0, 255]) }])),
  one('any fifty levels', 2, d => {
    let value = 'deep'
    for (let level = 0; level < 50; level++) value = [value]
    d.getArray('array').insert(0, [value])
  })
]

const otherContentCases = () => {
  const json = doc(3)
  const [jsonUpdate] = updatesOf(json, () => appendContent(json, 'array', new Y.ContentJSON([1, 'two', { three: [3] }, null, undefined])))
  return [
    { name: 'json legacy', update: jsonUpdate },
    one('binary', 3, d => d.getArray('array').insert(0, [new Uint8Array([1, 2, 3]), new Uint8Array(0)])),
    one('embed', 3, d => d.getText('text').insertEmbed(0, { image: 'x.png', nested: { a: [1] } })),
    one('embed with half a surrogate pair', 3, d => d.getText('text').insertEmbed(0, { cut: '\ud83d' })),
    one('format', 3, d => {
      d.getText('text').insert(0, 'bold plain')
      d.getText('text').format(0, 4, { bold: true, link: { href: 'x' } })
    }),
    one('format removed', 3, d => {
      d.getText('text').insert(0, 'bold', { bold: true })
      d.getText('text').format(0, 2, { bold: null })
    }),
    one('subdocument', 3, d => d.getMap('map').set('sub', new Y.Doc({ guid: 'sub-guid', meta: { a: 1 }, autoLoad: true }))),
    one('mixed in one array', 3, d => d.getArray('array').insert(0, [1, new Uint8Array([1]), new Y.Map(), 'x', new Y.Doc({ guid: 'g' })]))
  ]
}

const typeCases = () => [
  one('type array', 4, d => d.getArray('array').insert(0, [Y.Array.from([1, 2])])),
  one('type map', 4, d => d.getArray('array').insert(0, [new Y.Map([['k', 'v']])])),
  one('type text', 4, d => d.getMap('map').set('text', new Y.Text('inner'))),
  one('type xml element', 4, d => d.getXmlFragment('xml').insert(0, [new Y.XmlElement('div')])),
  one('type xml element with attributes and children', 4, d => {
    const element = new Y.XmlElement('p')
    element.setAttribute('class', 'é')
    element.insert(0, [new Y.XmlText('words'), new Y.XmlElement('br')])
    d.getXmlFragment('xml').insert(0, [element])
  }),
  one('type xml fragment', 4, d => d.getArray('array').insert(0, [new Y.XmlFragment()])),
  one('type xml text', 4, d => d.getXmlFragment('xml').insert(0, [new Y.XmlText('words')])),
  one('type xml hook', 4, d => d.getXmlFragment('xml').insert(0, [new Y.XmlHook('hook-name')])),
  one('types nested', 4, d => {
    const inner = new Y.Map()
    d.getMap('map').set('a', inner)
    const array = new Y.Array()
    inner.set('b', array)
    array.insert(0, [new Y.Text('deep'), 1])
  }),
  one('map key set twice', 4, d => {
    d.getMap('map').set('k', 1)
    d.getMap('map').set('k', 2)
    d.getMap('map').set('\u{1f600}', 3)
  })
]

const editCases = () => {
  const document = doc(5)
  const text = document.getText('text')
  const updates = updatesOf(document, () => {
    text.insert(0, 'hello world')
    text.insert(5, ',')
    text.delete(0, 2)
    text.insert(0, 'HE')
    text.delete(0, text.length)
  })
  const names = ['insert at start', 'insert within', 'delete alone', 'insert before deleted', 'delete all']
  const kept = doc(6, false)
  kept.getText('text').insert(0, 'abcdef')
  kept.getText('text').delete(1, 2)
  kept.getMap('map').set('gone', 'value')
  kept.getMap('map').delete('gone')
  const collected = doc(7)
  collected.getMap('map').set('a', new Y.Map([['inner', new Y.Text('many words')]]))
  collected.getMap('map').set('b', 1)
  collected.getMap('map').delete('a')
  const ranges = doc(8)
  ranges.getText('text').insert(0, '0123456789')
  for (const at of [8, 5, 2]) ranges.getText('text').delete(at, 1)
  return [
    ...updates.map((update, index) => ({ name: names[index], update })),
    { name: 'whole document after edits', update: Y.encodeStateAsUpdate(document) },
    { name: 'deleted content kept', update: Y.encodeStateAsUpdate(kept) },
    { name: 'deleted content collected', update: Y.encodeStateAsUpdate(collected) },
    { name: 'delete set of several ranges', update: Y.encodeStateAsUpdate(ranges) },
    { name: 'empty', update: Y.encodeStateAsUpdate(doc(9)) }
  ]
}

const surrogateCases = () => {
  const make = (change) => {
    const document = doc(10)
    document.getText('text').insert(0, 'a\u{1f600}b')
    return updatesOf(document, () => change(document.getText('text')))[0]
  }
  return [
    { name: 'insert inside a surrogate pair', update: make(text => text.insert(2, 'X')) },
    { name: 'delete half a surrogate pair', update: make(text => text.delete(1, 1)) },
    { name: 'delete the other half of a surrogate pair', update: make(text => text.delete(2, 1)) },
    { name: 'delete a whole surrogate pair', update: make(text => text.delete(1, 2)) }
  ]
}

const severalClientsCases = () => {
  const documents = [11, 4000000000, 12].map(clientID => doc(clientID))
  const exchange = () => {
    for (const from of documents) {
      for (const to of documents) {
        if (from !== to) Y.applyUpdate(to, Y.encodeStateAsUpdate(from, Y.encodeStateVector(to)))
      }
    }
  }
  documents.forEach((document, index) => document.getText('text').insert(0, `from ${index} `))
  exchange()
  documents.forEach((document, index) => {
    document.getText('text').insert(3 + index, 'é')
    document.getText('text').delete(index * 4, 2)
    document.getMap('map').set('shared', index)
  })
  exchange()
  const late = doc(13)
  Y.applyUpdate(late, Y.encodeStateAsUpdate(documents[0]))
  const [answer] = updatesOf(late, () => late.transact(() => {
    late.getText('text').insert(late.getText('text').length, ' end')
    late.getText('text').delete(0, 5)
  }))
  return [
    { name: 'three clients', update: Y.encodeStateAsUpdate(documents[1]) },
    { name: 'edit on three clients', update: answer },
    { name: 'difference to a state vector', update: Y.encodeStateAsUpdate(late, Y.encodeStateVector(documents[0])) }
  ]
}

const mergedCases = () => {
  const document = doc(14)
  const text = document.getText('text')
  const updates = updatesOf(document, () => {
    for (const word of ['one ', 'two ', 'three ', 'four ', 'five ']) text.insert(text.length, word)
    text.delete(0, 4)
    document.getMap('map').set('k', new Y.Text('t'))
  })
  const other = doc(15)
  const [others] = updatesOf(other, () => other.getText('text').insert(0, 'other'))
  return [
    { name: 'merged without a gap', update: Y.mergeUpdates(updates) },
    { name: 'merged with one gap', update: Y.mergeUpdates([updates[0], updates[2]]) },
    { name: 'merged with two gaps', update: Y.mergeUpdates([updates[0], updates[2], updates[4]]) },
    { name: 'merged with a gap and another client', update: Y.mergeUpdates([updates[0], others, updates[3], updates[5]]) },
    { name: 'merged out of order', update: Y.mergeUpdates([updates[4], updates[1], updates[0], updates[3], updates[2]]) },
    { name: 'starts after clock zero', update: updates[4] },
    { name: 'cut inside a string', update: Y.diffUpdate(updates[2], Y.encodeStateVectorFromUpdate(Y.mergeUpdates(updates.slice(0, 2)))) },
    { name: 'cut within a word', update: Y.encodeStateAsUpdate(document, Uint8Array.of(1, 14, 10)) },
    { name: 'pending kept in the encoding', update: pendingEncoding(updates) }
  ]
}

/** What a document encodes that holds structs back for a gap: they are in it. */
const pendingEncoding = (updates) => {
  const behind = doc(16)
  Y.applyUpdate(behind, updates[0])
  Y.applyUpdate(behind, updates[3])
  Y.applyUpdate(behind, updates[5])
  return Y.encodeStateAsUpdate(behind)
}

const historyCases = () => {
  // A seeded history of three people over all types: long sections, many origins, GC structs, wide delete sets.
  let seed = 20240229
  const random = (below) => {
    seed = (Math.imul(seed, 1103515245) + 12345) >>> 0
    return (seed >>> 8) % below
  }
  const people = [21, 22, 23].map(clientID => doc(clientID))
  for (let step = 0; step < 150; step++) {
    const document = people[random(3)]
    const text = document.getText('text')
    const map = document.getMap('map')
    switch (random(6)) {
      case 0: case 1: text.insert(random(text.length + 1), ['word ', 'é', '日本', '# ', 'x'][random(5)]); break
      case 2: if (text.length > 3) text.delete(random(text.length - 2), 1 + random(2)); break
      case 3: map.set(`k${random(4)}`, random(2) ? random(1000) : new Y.Map([['n', step]])); break
      case 4: map.delete(`k${random(4)}`); break
      case 5: {
        const from = people[random(3)]
        if (from !== document) Y.applyUpdate(document, Y.encodeStateAsUpdate(from, Y.encodeStateVector(document)))
      }
    }
  }
  for (const from of people) Y.applyUpdate(people[0], Y.encodeStateAsUpdate(from))
  const whole = Y.encodeStateAsUpdate(people[0])
  return [
    { name: 'history of three people', update: whole },
    { name: 'history, what one of them lacks', update: Y.encodeStateAsUpdate(people[0], Y.encodeStateVector(people[2])) }
  ]
}

export const updateCases = () => [
  ...stringCases(), ...anyCases(), ...otherContentCases(), ...typeCases(), ...editCases(), ...surrogateCases(),
  ...severalClientsCases(), ...mergedCases(), ...historyCases()
]
