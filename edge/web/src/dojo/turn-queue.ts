/** Who is next at the keyboard, and whose hand is up, first come first. */
import { element } from '../page/element.ts'
import { make, makeButton, makeMenu } from '../page/make.ts'
import { say } from '../page/wording.ts'
import { handOverTo, leads, nameOf, type Scene, type SocketRequest } from './scene.ts'

export interface QueueHost {
  /** Over the socket; what comes of it is told there. */
  say(message: SocketRequest): void
  /** Take turns in this order. @throws as the API does */
  order(people: readonly string[]): Promise<void>
  explain(error: unknown): string
}

export class TurnQueue {
  readonly #host: QueueHost
  readonly #button = element('turn-queue-button', HTMLButtonElement)
  readonly #announcer = element('announcer', HTMLElement)
  readonly #handsTitle = make('h3', {}, say('Hands up', 'Mãos levantadas'))
  readonly #hands = make('ol', { class: 'queue', id: 'hands' })
  readonly #order = make('ol', { class: 'queue', id: 'queue' })
  readonly #trouble = make('p', { class: 'trouble', role: 'alert' })
  #raised: readonly string[] | null = null
  #drawn = ''

  constructor(host: QueueHost) {
    this.#host = host
    const orderTitle = make('h3', {}, say('Order of pilots', 'Ordem dos pilotos'))
    const parts = [this.#handsTitle, this.#hands, orderTitle, this.#order, this.#trouble]
    makeMenu('turn-queue', say('Queue', 'Fila'), this.#button, ...parts)
  }

  show(scene: Scene, administrator: boolean): void {
    const { turn } = scene
    this.#button.hidden = turn === null
    if (turn === null) return
    const here = (userId: string) => scene.people.some((person) => person.userId === userId)
    const hands = turn.hands.filter(here)
    const order = turn.order.filter(here)
    this.#button.dataset['count'] = hands.length === 0 ? '' : String(hands.length)
    const leading = leads(scene, administrator)
    if (leading) this.#announce(scene, hands)
    this.#raised = hands
    const names = scene.people.map((person) => person.userName)
    const drawn = JSON.stringify([hands, order, leading, turn.pilot, turn.state, names])
    // A list that is the same is left alone: the focus may be in it.
    if (drawn === this.#drawn) return
    this.#drawn = drawn
    this.#handsTitle.hidden = hands.length === 0
    const focused = document.activeElement instanceof HTMLElement ? document.activeElement.dataset['move'] : undefined
    this.#hands.replaceChildren(...hands.map((userId) => this.#hand(scene, userId, leading)))
    this.#order.replaceChildren(...order.map((_, at) => this.#place(scene, order, at, leading)))
    if (focused !== undefined) this.#order.querySelector<HTMLElement>(`[data-move="${CSS.escape(focused)}"]`)?.focus()
  }

  #announce(scene: Scene, hands: readonly string[]): void {
    const fresh = this.#raised === null ? [] : hands.filter((userId) => this.#raised?.includes(userId) === false)
    const names = fresh.filter((userId) => userId !== scene.me?.userId).map((userId) => nameOf(scene, userId) ?? '')
    if (names.length === 0) return
    const who = names.join(', ')
    this.#announcer.textContent = say(`Hand up: ${who}`, `Mão levantada: ${who}`)
  }

  #hand(scene: Scene, userId: string, leading: boolean): HTMLLIElement {
    const name = nameOf(scene, userId) ?? ''
    const item = make('li', { 'data-user': userId }, make('span', { class: 'name' }, name))
    const request = leading ? handOverTo(scene, userId) : null
    if (request !== null) {
      const give = makeButton(say('Give the keyboard', 'Passar o teclado'), () => this.#host.say(request))
      give.setAttribute('aria-label', say(`Give ${name} the keyboard`, `Passar o teclado a ${name}`))
      item.append(give)
    }
    return item
  }

  #place(scene: Scene, order: readonly string[], at: number, leading: boolean): HTMLLIElement {
    const userId = order[at] ?? ''
    const name = nameOf(scene, userId) ?? ''
    const item = make('li', { 'data-user': userId }, make('span', { class: 'name' }, name))
    if (leading && at > 0) {
      const up = makeButton('↑', () => this.#move(order, at), { class: 'row-menu', 'data-move': userId })
      up.setAttribute('aria-label', say(`Move ${name} up`, `Subir ${name}`))
      item.append(up)
    }
    return item
  }

  #move(order: readonly string[], at: number): void {
    const moved = [...order]
    moved.splice(at - 1, 2, order[at] ?? '', order[at - 1] ?? '')
    this.#trouble.textContent = ''
    this.#host.order(moved).catch((error: unknown) => (this.#trouble.textContent = this.#host.explain(error)))
  }
}
