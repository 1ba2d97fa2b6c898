/** The bar above the text: who pilots, what is left of the turn, and what one can do about it. */
import { element } from '../page/element.ts'
import { say } from '../page/wording.ts'
import { actionsOf, nameOf, type Scene, type TurnAction } from './scene.ts'
import { termsInWords } from './turn-words.ts'
import { minutesAndSeconds, remainingOf } from './turn-clock.ts'

/** The last moments of a turn are told to the pair at the keyboard, ms. */
const SOON = 30_000
/** Between two looks at the clock: a shown second is late by this at most, ms. */
const TICK = 200

const SOMEBODY = say('Somebody', 'Alguém')

export class TurnBar {
  readonly #bar = element('turn', HTMLElement)
  readonly #who = element('turn-who', HTMLElement)
  readonly #time = element('turn-time', HTMLElement)
  readonly #terms = element('turn-terms', HTMLElement)
  readonly #trouble = element('turn-trouble', HTMLElement)
  readonly #announcer = element('announcer', HTMLElement)
  readonly #parts: readonly HTMLButtonElement[]
  #scene: Scene | null = null
  #spoken = ''
  /** The number of the turn whose end was announced. */
  #warned = -1

  /** @param onAction - a button was pressed. */
  constructor(onAction: (action: TurnAction) => void) {
    this.#parts = [...this.#bar.querySelectorAll<HTMLButtonElement>('[data-action]')]
    for (const part of this.#parts) {
      part.addEventListener('click', () => {
        this.#trouble.textContent = ''
        onAction(part.dataset['action'] as TurnAction)
      })
    }
    setInterval(() => this.#tick(), TICK)
  }

  show(scene: Scene, administrator: boolean): void {
    this.#scene = scene
    this.#bar.hidden = scene.turn === null
    if (scene.turn === null) return
    this.#bar.dataset['phase'] = scene.turn.state
    this.#bar.dataset['mine'] = String(scene.turn.state !== 'FREE' && scene.turn.pilot === scene.me?.userId)
    this.#terms.textContent = termsInWords(scene.turn)
    const said = sentence(scene)
    this.#who.textContent = said
    if (said !== this.#spoken) {
      if (this.#spoken !== '') this.#announcer.textContent = said
      this.#spoken = said
    }
    const possible = actionsOf(scene, administrator)
    const hadFocus = document.activeElement instanceof HTMLButtonElement && this.#parts.includes(document.activeElement)
    for (const part of this.#parts) part.hidden = !possible.has(part.dataset['action'] as TurnAction)
    // A button that was pressed and is gone takes the focus along: the next one has it, not the top of the page.
    if (hadFocus && document.activeElement === document.body) {
      this.#parts.find((part) => !part.hidden)?.focus()
    }
    this.#tick()
  }

  fail(text: string): void {
    this.#trouble.textContent = text
  }

  #tick(): void {
    const { turn = null, turnHeardAt = 0, me = null } = this.#scene ?? {}
    const left = turn === null || turn.state === 'FREE' ? null : remainingOf(turn, turnHeardAt, performance.now())
    this.#time.hidden = left === null
    if (turn === null || left === null) return
    const shown = minutesAndSeconds(left)
    if (this.#time.textContent !== shown) this.#time.textContent = shown
    this.#bar.dataset['soon'] = String(turn.state === 'RUNNING' && left < SOON)
    const concerned = me !== null && [turn.pilot, turn.copilot].includes(me.userId)
    if (turn.state === 'RUNNING' && left < SOON && turn.durationMs > SOON && concerned && this.#warned !== turn.number) {
      this.#warned = turn.number
      this.#announcer.textContent = say('30 seconds left in this turn.', 'Faltam 30 segundos nesta vez.')
    }
  }
}

function sentence(scene: Scene): string {
  const { turn, me } = scene
  if (turn === null) return ''
  const mine = turn.pilot !== null && turn.pilot === me?.userId
  const pilot = nameOf(scene, turn.pilot) ?? SOMEBODY
  switch (turn.state) {
    case 'FREE':
      return say('Everybody writes.', 'Todos escrevem.')
    case 'WAITING':
      return say('Nobody pilots at the moment.', 'Ninguém pilota no momento.')
    case 'ENDING':
      if (turn.pilot === null) return say('Turns begin.', 'O rodízio começa.')
      return mine ? say('Your turn is over.', 'Sua vez acabou.') : say(`${pilot}’s turn is over.`, `A vez de ${pilot} acabou.`)
    default: {
      const stopped =
        turn.state === 'PAUSED' ? say(' Paused.', ' Em pausa.') : turn.state === 'BREAK' ? say(' Break.', ' Intervalo.') : ''
      const copilot = turn.copilot === me?.userId ? say('you', 'você') : nameOf(scene, turn.copilot)
      const beside = copilot === null ? '.' : say(`, ${copilot} beside.`, `, ${copilot} ao lado.`)
      const head = mine ? say('You pilot', 'Você pilota') : say(`${pilot} pilots`, `${pilot} pilota`)
      return `${head}${beside}${stopped}`
    }
  }
}
