/** Shows how things stand: a word in the bar, a sentence above the text, and the changes that matter read aloud. */
import { element } from './element.ts'
import { say } from './wording.ts'
import type { Standing, StandingKey } from './standing.ts'

/** "Saving…" stays at least this long, ms: a word that flickers with every key cannot be read. */
const SAVING_SHOWN = 350

/** Read aloud: these change what one can do. Saving and saved come and go with every key, and stay quiet. */
const SPOKEN: ReadonlySet<StandingKey> = new Set([
  'live',
  'offline',
  'paused',
  'read-only',
  'refused',
  'sign-in',
  'unsaved',
  'waiting',
])

/** Where trying again is up to the person too. */
const RETRIED: ReadonlySet<StandingKey> = new Set(['refused', 'sign-in', 'offline'])

export class StatusView {
  readonly #status = element('status', HTMLElement)
  readonly #label = element('status-label', HTMLElement)
  readonly #announcer = element('announcer', HTMLElement)
  readonly #notice = element('notice', HTMLElement)
  readonly #noticeText = element('notice-text', HTMLElement)
  readonly #retry = element('retry', HTMLButtonElement)
  #savingSince = Number.NEGATIVE_INFINITY
  #later: ReturnType<typeof setTimeout> | undefined
  #spoken: StandingKey | null = null

  constructor(onRetry: () => void) {
    this.#retry.addEventListener('click', onRetry)
  }

  show(standing: Standing): void {
    clearTimeout(this.#later)
    const now = performance.now()
    if (standing.key === 'saving') {
      if (this.#status.dataset['status'] !== 'saving') this.#savingSince = now
    } else if (standing.key === 'saved') {
      // Good news may come late; bad news may not.
      const wait = this.#savingSince + SAVING_SHOWN - now
      if (wait > 0) {
        this.#later = setTimeout(() => this.#render(standing), wait)
        return
      }
    }
    this.#render(standing)
  }

  #render({ key, label, detail }: Standing): void {
    this.#status.dataset['status'] = key
    this.#label.textContent = label
    this.#notice.hidden = detail === null
    this.#notice.dataset['status'] = key
    this.#noticeText.textContent = detail
    this.#retry.hidden = !RETRIED.has(key)
    this.#retry.textContent = key === 'sign-in' ? say('Sign in', 'Entrar') : say('Try again', 'Tentar de novo')
    const spoken = key === 'saved' || key === 'saving' ? 'live' : key
    if (spoken === this.#spoken || !SPOKEN.has(spoken)) return
    this.#spoken = spoken
    this.#announcer.textContent = detail ?? label
  }
}
