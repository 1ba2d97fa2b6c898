/** Friendly names, made up where nobody has given one. */

const MOODS = [
  'amber', 'brave', 'bright', 'calm', 'clear', 'eager', 'early', 'fair', 'gentle', 'glad', 'golden', 'happy', 'keen',
  'kind', 'lively', 'lucky', 'mellow', 'merry', 'nimble', 'patient', 'plucky', 'proud', 'quiet', 'silver', 'steady',
  'still', 'sunny', 'swift', 'warm', 'wise', 'witty', 'young',
] as const

const CREATURES = [
  'badger', 'beaver', 'bison', 'crane', 'dolphin', 'falcon', 'ferret', 'finch', 'fox', 'gecko', 'heron', 'ibis',
  'jackal', 'koala', 'lark', 'lemur', 'lynx', 'magpie', 'marten', 'mole', 'newt', 'otter', 'owl', 'panda', 'puffin',
  'raven', 'seal', 'stork', 'swan', 'tapir', 'turtle', 'wren',
] as const

/** A room nobody else is likely to have open: `quiet-otter-4821`. */
export function randomRoom(): string {
  return `${pick(MOODS)}-${pick(CREATURES)}-${1000 + below(9000)}`
}

/** A name to go by until one's own is typed in: `Quiet Otter`. */
export function randomName(): string {
  return [pick(MOODS), pick(CREATURES)].map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join(' ')
}

function pick<T>(from: readonly T[]): T {
  const item = from[below(from.length)]
  if (item === undefined) throw new RangeError('nothing to pick from')
  return item
}

function below(bound: number): number {
  const [value = 0] = crypto.getRandomValues(new Uint32Array(1))
  return value % bound
}
