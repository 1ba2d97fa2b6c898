/**
 * What the address names: `/#room=NAME` (and, if it is not `main.py`, `&file=NAME`) a room of its own, `/#dojo=ID` (and
 * `&room=ID` for a side room) a dojo, `/#start` the way in, `/#join=CODE` the same with a join code, and
 * `/#dojo-invite=TOKEN` with an invitation that was mailed.
 */
import { element } from './element.ts'
import { say } from './wording.ts'
import { randomRoom } from './words.ts'

export interface RoomAddress {
  readonly kind: 'room'
  readonly room: string
  /** File in the room; the document holds it as the root text `file/NAME`. */
  readonly file: string
}

export interface DojoAddress {
  readonly kind: 'dojo'
  readonly dojo: string
  /** A side room's id; null for the room the dojo began with. */
  readonly room: string | null
}

export interface StartAddress {
  readonly kind: 'start'
  readonly joinCode: string
  /** What a mail brought; empty without one. */
  readonly invitation: string
}

export type Address = RoomAddress | DojoAddress | StartAddress

const DEFAULT_FILE = 'main.py'

/**
 * Read the fragment. Without one, who is signed in starts at the way in; for anybody else a room is made up and put into
 * the address bar, so that a reload stays.
 */
export function currentAddress(signedIn: boolean): Address {
  const given = parseAddress(location.hash)
  if (given !== null) return given
  if (signedIn) return { kind: 'start', joinCode: '', invitation: '' }
  const room = randomRoom()
  history.replaceState(null, '', `${location.pathname}#room=${encodeURIComponent(room)}`)
  return { kind: 'room', room, file: DEFAULT_FILE }
}

/** Reload when the address comes to name something else: a page serves one. */
export function reloadOnChange(address: Address): void {
  addEventListener('hashchange', () => {
    const now = parseAddress(location.hash)
    if (JSON.stringify(now) !== JSON.stringify(address)) location.reload()
  })
}

/** Go to a dojo, from whatever page. */
export function goToDojo(dojo: string, room: string | null = null): void {
  location.hash = dojoFragment(dojo, room)
}

export function dojoFragment(dojo: string, room: string | null = null): string {
  return `#dojo=${dojo}${room === null ? '' : `&room=${room}`}`
}

/** Let the name of the product in the corner lead to the way in, not into a new room. */
export function leadBackToStart(): void {
  const brand = element('brand', HTMLAnchorElement)
  brand.href = '/#start'
  brand.setAttribute('aria-label', say('Dojo, the way in', 'Dojo, início'))
}

/** What a fragment names; null if it names nothing. */
export function parseAddress(hash: string): Address | null {
  const fields = new URLSearchParams(hash.replace(/^#/, ''))
  const text = (name: string) => fields.get(name) ?? ''
  const dojo = text('dojo').toLowerCase()
  const room = text('room')
  if (dojo !== '') return { kind: 'dojo', dojo, room: room === '' ? null : room.toLowerCase() }
  if (room !== '') return { kind: 'room', room, file: text('file') === '' ? DEFAULT_FILE : text('file') }
  if (['start', 'join', 'dojo-invite'].some((name) => fields.has(name))) {
    return { kind: 'start', joinCode: text('join'), invitation: text('dojo-invite') }
  }
  return null
}
