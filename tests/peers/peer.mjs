// Many real Yjs clients in one Node process, driven by JSON lines.
//
// A request is one line `{"id": 1, "op": "open", "client": "a", ...}` on standard input; its answer is one line
// `{"id": 1, "result": ...}` or `{"id": 1, "error": "..."}` on standard output. Requests are handled in order, but `open` of a
// tab and `wait` answer later. End of input ends the process. Offsets are UTF-16 code units.
import { createInterface } from 'node:readline'
import * as buffer from 'lib0/buffer'
import * as Y from 'yjs'
import { Client } from './client.mjs'
import { providerOfNewTab } from './tab.mjs'
import { waitFor } from './waits.mjs'

// Yjs reports a changed client id with console.log; standard output is the protocol's.
console.log = console.error

/** @type {Map<string, Client>} */
const clients = new Map()
/** Errors thrown inside a provider's own event handlers; a stock client must never be made to throw. */
const faults = []
const FAULTS_KEPT = 100

const noteFault = (error) => {
  console.error(error)
  if (faults.length < FAULTS_KEPT) faults.push(String(error?.stack ?? error))
}

// Each provider registers an exit handler.
process.setMaxListeners(0)
process.on('uncaughtException', noteFault)
process.on('unhandledRejection', noteFault)

const clientOf = (name) => {
  const client = clients.get(name)
  if (client === undefined) throw new Error(`no such client: ${name}`)
  return client
}

const OPERATIONS = {
  open: async ({ client, ...options }) => {
    if (clients.has(client)) throw new Error(`client is open already: ${client}`)
    const opened = options.bc ? new Client(options, await providerOfNewTab()) : new Client(options)
    clients.set(client, opened)
    return { clientId: opened.doc.clientID }
  },
  close: ({ client }) => {
    clientOf(client).destroy()
    clients.delete(client)
  },
  connect: ({ client }) => clientOf(client).provider.connect(),
  disconnect: ({ client }) => clientOf(client).provider.disconnect(),
  params: ({ client, params }) => { clientOf(client).provider.params = params },
  drop: ({ client }) => clientOf(client).drop(),
  transact: ({ client, operations }) => clientOf(client).transact(operations),
  type: ({ client, root, index, text }) => clientOf(client).type(root, index, text),
  undo: ({ client, method, kind, root }) => clientOf(client).undo(method, kind, root),
  apply: ({ client, update }) => Y.applyUpdate(clientOf(client).doc, buffer.fromBase64(update)),
  sendRaw: ({ client, data }) => clientOf(client).sendRaw(data),
  sendText: ({ client, text }) => clientOf(client).sendText(text),
  read: ({ client, kind, root }) => clientOf(client).read(kind, root),
  state: ({ client }) => clientOf(client).state(),
  encoded: ({ client, against }) => clientOf(client).encoded(against),
  fingerprint: ({ client }) => clientOf(client).fingerprint(),
  setPresence: ({ client, state }) => clientOf(client).awareness.setLocalState(state),
  presence: ({ client }) => clientOf(client).presence(),
  relativePosition: ({ client, root, index }) => Y.createRelativePositionFromTypeIndex(clientOf(client).doc.getText(root), index),
  // Without createRelativePositionFromJSON: editors give what stands in presence to Yjs as it is.
  indexOf: ({ client, position }) => Y.createAbsolutePositionFromRelativePosition(position, clientOf(client).doc)?.index,
  control: ({ client }) => clientOf(client).traffic.control,
  wait: ({ clients: names, until, timeoutMs }) => waitFor(names.map(name => [name, clientOf(name)]), until, timeoutMs),
  faults: () => faults
}

const answer = (message) => process.stdout.write(JSON.stringify(message) + '\n')

createInterface({ input: process.stdin, crlfDelay: Infinity }).on('line', (line) => {
  const { id, op, ...request } = JSON.parse(line)
  Promise.resolve()
    .then(() => {
      const operation = OPERATIONS[op]
      if (operation === undefined) throw new Error(`no such operation: ${op}`)
      return operation(request)
    })
    .then(result => answer({ id, result: result ?? null }), error => answer({ id, error: String(error?.message ?? error) }))
}).on('close', () => process.exit(0))
