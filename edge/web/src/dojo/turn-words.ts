/** How turns are taken, in the reader's language. */
import { say } from '../page/wording.ts'
import type { Turn } from './messages.ts'

export const FORMAT_NAMES: Readonly<Record<string, string>> = {
  RANDORI: say('Randori: the pair rotates', 'Randori: a dupla roda'),
  PREPARED: say('Prepared kata: one person shows', 'Kata preparado: uma pessoa mostra'),
  PAIRS: say('Parallel pairs: two change over', 'Duplas em paralelo: dois se alternam'),
}

const SHORT: Readonly<Record<string, string>> = {
  RANDORI: say('Randori', 'Randori'),
  PREPARED: say('Prepared kata', 'Kata preparado'),
  PAIRS: say('Pairs', 'Duplas'),
}

export const ROTATION_NAMES: Readonly<Record<string, string>> = {
  BY_COPILOT: say('the co-pilot', 'o copiloto'),
  BY_QUEUE: say('first in the queue', 'o primeiro da fila'),
  RANDOM: say('drawn at random', 'sorteado'),
}

/** `Randori · 5 min each · next: the co-pilot`. */
export function termsInWords({ format, rotation, durationMs }: Turn): string {
  const minutes = Math.round(durationMs / 6_000) / 10
  const next = ROTATION_NAMES[rotation] ?? rotation
  const parts = [
    SHORT[format] ?? format,
    minutes === 0 ? say('no time limit', 'sem limite de tempo') : say(`${minutes} min each`, `${minutes} min por vez`),
    format === 'RANDORI' ? say(`next: ${next}`, `próximo: ${next}`) : '',
  ]
  return parts.filter((part) => part !== '').join(' · ')
}
