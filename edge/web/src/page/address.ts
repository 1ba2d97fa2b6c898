/** What the address names: `/#room=NAME` and, if it is not `main.py`, `&file=NAME`. */
import { randomRoom } from './words.ts'

export interface Address {
  readonly room: string
  /** File in the room; the document holds it as the root text `file/NAME`. */
  readonly file: string
}

const DEFAULT_FILE = 'main.py'

/** Read the fragment. Without a room a new one is made up and put into the address bar, so that a reload stays. */
export function currentAddress(): Address {
  const given = parse(location.hash)
  if (given !== null) return given
  const address = { room: randomRoom(), file: DEFAULT_FILE }
  history.replaceState(null, '', `${location.pathname}#room=${encodeURIComponent(address.room)}`)
  return address
}

/** Reload when the address comes to name another room or file: a page serves one. */
export function reloadOnChange(address: Address): void {
  addEventListener('hashchange', () => {
    const now = parse(location.hash)
    if (now === null || now.room !== address.room || now.file !== address.file) location.reload()
  })
}

function parse(hash: string): Address | null {
  const fields = new URLSearchParams(hash.replace(/^#/, ''))
  const room = fields.get('room')
  if (room === null || room === '') return null
  const file = fields.get('file')
  return { room, file: file === null || file === '' ? DEFAULT_FILE : file }
}
