// Conditions a script may wait for. Each is checked once at the start and then after every event of its clients.
import { isDeepStrictEqual } from 'node:util'

/** @type {Record<string, (client: import('./client.mjs').Client, wanted: any) => boolean>} */
const CONDITIONS = {
  /** {kind, root, equals} */
  content: (client, { kind, root, equals }) => isDeepStrictEqual(client.read(kind, root), equals),
  /** {root, contains} */
  contains: (client, { root, contains }) => client.doc.getText(root).toString().includes(contains),
  /** {root, length} in UTF-16 units, at least */
  length: (client, { root, atLeast }) => client.doc.getText(root).length >= atLeast,
  synced: (client, wanted) => client.provider.synced === wanted,
  connected: (client, wanted) => client.provider.wsconnected === wanted,
  /** A close with this code, or with any (null), after the first `after` closes. */
  closed: (client, { code, after = 0 }) => client.closes.slice(after).some(close => code === null || close.code === code),
  /** Stopped for good by a code of 4400-4499. */
  refused: (client, code) => client.refused === code,
  opens: (client, atLeast) => client.traffic.opens >= atLeast,
  allSaved: (client, wanted) => client.traffic.allSaved === wanted,
  /** {type, ...fields}: a control message (dojo.v1) that has at least these fields */
  control: (client, fields) => client.traffic.control.some(message =>
    Object.entries(fields).every(([key, value]) => isDeepStrictEqual(message[key], value))),
  /** {name: count}: at least so many frames of the kinds named */
  received: (client, counts) => Object.entries(counts).every(([name, count]) => (client.traffic.received[name] ?? 0) >= count),
  /** {client, state}: the state, null for absent; `present: true` for any state */
  presence: (client, { client: id, state = null, present }) => {
    const seen = client.awareness.getStates().get(id)
    return present === undefined ? isDeepStrictEqual(seen ?? null, state) : (seen !== undefined) === present
  },
  presenceCount: (client, count) => client.awareness.getStates().size === count
}

/** What is awaited and what is there instead, for the error of a wait that ran out. */
const describe = (clients, until) => {
  const seen = clients.map(([name, client]) => {
    const { stateVector, connected, synced, closes, refused, pending, received } = client.state()
    const content = until.content && JSON.stringify(client.read(until.content.kind, until.content.root)).slice(0, 500)
    const presence = (until.presence || until.presenceCount !== undefined) ? client.presence() : undefined
    const control = (until.control || until.allSaved) ? client.traffic.control.slice(-10) : undefined
    return JSON.stringify({ name, content, presence, control, connected, synced, closes, refused, pending, received, stateVector })
  })
  return `waited in vain for ${JSON.stringify(until).slice(0, 500)}; there is ${seen.join(' | ')}`
}

/**
 * Resolves when all clients meet the condition. `{equal: true}` means that they hold the same document, nothing pending.
 * @param {Array<[string, import('./client.mjs').Client]>} clients
 */
export const waitFor = (clients, until, timeoutMs) => {
  const met = () => Object.entries(until).every(([name, wanted]) => {
    if (name === 'equal') {
      const prints = new Set(clients.map(([, client]) => client.fingerprint()))
      return prints.size === 1 && clients.every(([, client]) => !client.state().pending)
    }
    const condition = CONDITIONS[name]
    if (condition === undefined) throw new Error(`no such condition: ${name}`)
    return clients.every(([, client]) => condition(client, wanted))
  })
  return new Promise((resolve, reject) => {
    let timer
    const finish = (settle) => {
      clearTimeout(timer)
      for (const [, client] of clients) client.listeners.delete(check)
      settle()
    }
    const check = () => {
      try {
        if (met()) finish(resolve)
      } catch (error) {
        finish(() => reject(error))
      }
    }
    for (const [, client] of clients) client.listeners.add(check)
    timer = setTimeout(() => finish(() => reject(new Error(describe(clients, until)))), timeoutMs)
    check()
  })
}
