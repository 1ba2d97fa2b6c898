/** People as they show themselves in presence: a name and a colour. What others send is checked before use. */

export interface Person {
  readonly name: string
  /** `#rrggbb`. */
  readonly color: string
}

/** Dark enough for white letters (4.5:1), and apart from each other for most eyes. */
const PALETTE = [
  '#0f766e', '#b4367a', '#2563c9', '#a8480f', '#7a4fd0', '#3f7a1f', '#b3261e', '#0b7285', '#6d5a12', '#84408f',
]

/** Longest name shown, characters. */
export const NAME_LENGTH = 40

/** A colour to start with, at random. */
export function randomColor(): string {
  return colorOf(Math.floor(Math.random() * PALETTE.length))
}

/**
 * The colour to change to when somebody else has `own` already, or null to keep it. Of two with the same colour
 * the one with the higher client id gives way, so that they do not both change.
 */
export function colorInsteadOf(own: string, ownId: number, others: ReadonlyMap<number, Person>): string | null {
  const taken = new Set([...others.values()].map((person) => person.color))
  const before = [...others].some(([id, { color }]) => color === own && id < ownId)
  return before ? (PALETTE.find((color) => !taken.has(color)) ?? null) : null
}

/**
 * A colour for each of these ids, apart as long as there are enough. Who comes first keeps theirs when others come, and
 * every window that has them in the same order comes to the same colours.
 */
export function colorsOf(ids: Iterable<string>): ReadonlyMap<string, string> {
  const colors = new Map<string, string>()
  const free = new Set<string>(PALETTE)
  for (const id of ids) {
    let sum = 0
    for (const letter of id) sum = (sum * 31 + (letter.codePointAt(0) ?? 0)) % 1_000_003
    const own = colorOf(sum)
    const color = free.size === 0 || free.has(own) ? own : ([...free][0] ?? own)
    free.delete(color)
    colors.set(id, color)
  }
  return colors
}

/** A colour that is the same wherever this id shows. */
export function colorOf(id: number): string {
  return PALETTE[id % PALETTE.length] ?? '#0f766e'
}

/** The person in a presence state of whatever shape. */
export function personIn(state: Readonly<Record<string, unknown>> | null | undefined, clientId: number): Person {
  const user = state?.['user']
  const { name, color } = (typeof user === 'object' && user !== null ? user : {}) as Record<string, unknown>
  return {
    name: typeof name === 'string' && name.trim() !== '' ? cut(name.trim()) : 'Somebody',
    // Anything else could bring more than a colour into a style.
    color: typeof color === 'string' && /^#[0-9a-f]{6}$/i.test(color) ? color : colorOf(clientId),
  }
}

/** One or two letters for an avatar. */
export function initials(name: string): string {
  const words = name.split(/\s+/u).filter((word) => word !== '')
  const letters = words.length > 1 ? [words[0], words[words.length - 1]] : words
  return letters.map((word) => Array.from(word ?? '')[0] ?? '').join('').toUpperCase()
}

/** Black or white, whichever reads better on `color`. */
export function inkOn(color: string): string {
  const [r = 0, g = 0, b = 0] = [1, 3, 5].map((at) => (Number.parseInt(color.slice(at, at + 2), 16) / 255) ** 2.2)
  return 0.2126 * r + 0.7152 * g + 0.0722 * b > 0.3 ? '#000000' : '#ffffff'
}

function cut(name: string): string {
  const letters = Array.from(name)
  return letters.length <= NAME_LENGTH ? name : `${letters.slice(0, NAME_LENGTH - 1).join('')}…`
}
