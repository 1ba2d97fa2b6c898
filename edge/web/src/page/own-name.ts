/** The name one goes by, kept in this browser. */
import { NAME_LENGTH } from './person.ts'
import { randomName } from './words.ts'

const KEY = 'dojo.name'

export class OwnName {
  #name: string

  constructor() {
    this.#name = clean(localStorage.getItem(KEY) ?? '')
    // Kept at once: two windows of one browser are one person.
    if (this.#name === '') this.set(randomName())
  }

  get value(): string {
    return this.#name
  }

  /** Take a name and answer what it became: no outer blanks, not too long, never empty. */
  set(name: string): string {
    const cleaned = clean(name)
    if (cleaned !== '') {
      this.#name = cleaned
      localStorage.setItem(KEY, cleaned)
    }
    return this.#name
  }
}

function clean(name: string): string {
  return Array.from(name.replace(/\s+/gu, ' ').trim()).slice(0, NAME_LENGTH).join('')
}
