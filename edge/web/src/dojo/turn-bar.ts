/** The bar above the text: who pilots, what is left of the turn, and what one can do about it. */
import { element } from '../page/element.ts'
import { say } from '../page/wording.ts'
import { actionsOf, nameOf, type Scene, type TurnAction } from './scene.ts'
import { minutesAndSeconds, remainingOf } from './turn-clock.ts'

/** The last moments of a turn are told to the pair at the keyboard, ms. */
const SOON = 30_000
/** Between two looks at the clock: a shown second is late by this at most, ms. */
const TICK = 200

const SOMEBODY = say('Somebody', 'Alguém')

/** How turns are to be taken. */
export interface TurnTerms {
  /** Length of a turn. */
  readonly seconds: number
  readonly rotation: string
}

export class TurnBar {
  readonly #bar = element('turn', HTMLElement)
  readonly #who = element('turn-who', HTMLElement)
  readonly #time = element('turn-time', HTMLElement)
  readonly #minutes = element('turn-minutes', HTMLInputElement)
  readonly #rotation = element('turn-rotation', HTMLSelectElement)
  readonly #trouble = element('turn-trouble', HTMLElement)
  readonly #announcer = element('announcer', HTMLElement)
  readonly #parts: readonly HTMLElement[]
  #scene: Scene | null = null
  #spoken = ''
  /** The number of the turn whose end was announced. */
  #warned = -1

  /** @param onAction - a button was pressed; the terms are for `start`. */
  constructor(onAction: (action: TurnAction, terms: TurnTerms) => void) {
    this.#parts = [...this.#bar.querySelectorAll<HTMLElement>('[data-action]')]
    for (const part of this.#parts) {
      if (!(part instanceof HTMLButtonElement)) continue
      part.addEventListener('click', () => {
        this.#trouble.textContent = ''
        if (part.dataset['action'] === 'start' && !this.#minutes.reportValidity()) return
        const terms = { seconds: this.#minutes.valueAsNumber * 60, rotation: this.#rotation.value }
        onAction(part.dataset['action'] as TurnAction, terms)
      })
    }
    setInterval(() => this.#tick(), TICK)
  }

  show(scene: Scene, administrator: boolean): void {
    const { turn: before = null } = this.#scene ?? {}
    this.#scene = scene
    if (scene.turn !== null && before?.rotation !== scene.turn.rotation) this.#rotation.value = scene.turn.rotation
    this.#bar.hidden = scene.turn === null
    if (scene.turn === null) return
    this.#bar.dataset['phase'] = scene.turn.state
    this.#bar.dataset['mine'] = String(scene.turn.state !== 'FREE' && scene.turn.pilot === scene.me?.userId)
    const said = sentence(scene)
    this.#who.textContent = said
    if (said !== this.#spoken) {
      if (this.#spoken !== '') this.#announcer.textContent = said
      this.#spoken = said
    }
    const possible = actionsOf(scene, administrator)
    const hadFocus = document.activeElement instanceof HTMLElement && this.#parts.includes(document.activeElement)
    for (const part of this.#parts) part.hidden = !possible.has(part.dataset['action'] as TurnAction)
    // A button that was pressed and is gone takes the focus along: the next one has it, not the top of the page.
    if (hadFocus && document.activeElement === document.body) {
      this.#parts.find((part) => part instanceof HTMLButtonElement && !part.hidden)?.focus()
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
