/** The list of people in the room, from presence. */
import type { Awareness } from 'y-protocols/awareness'
import { element } from './element.ts'
import { say } from './wording.ts'
import { initials, inkOn, personIn, type Person } from './person.ts'

/** Rows shown; the count above them is complete. A list of a thousand would be redrawn with every arrival. */
const ROWS = 60

export class PeopleView {
  readonly #count = element('people-count', HTMLElement)
  readonly #others = element('others', HTMLUListElement)
  readonly #alone = element('alone', HTMLElement)
  readonly #avatar = element('you-avatar', HTMLElement)
  readonly #onOthers: (others: ReadonlyMap<number, Person>) => void
  #awareness: Awareness | null = null
  #frame = 0

  /** @param onOthers - told of the other people whenever they change. */
  constructor(onOthers: (others: ReadonlyMap<number, Person>) => void) {
    this.#onOthers = onOthers
  }

  /** Show the people of this awareness from now on. */
  bind(awareness: Awareness): void {
    this.#awareness?.off('change', this.#schedule)
    this.#awareness = awareness
    awareness.on('change', this.#schedule)
    this.#schedule()
  }

  /** At most once per frame, however many arrive at the same time. */
  readonly #schedule = (): void => {
    cancelAnimationFrame(this.#frame)
    this.#frame = requestAnimationFrame(() => this.#render())
  }

  #render(): void {
    const awareness = this.#awareness
    if (awareness === null) return
    const own = awareness.clientID
    fill(this.#avatar, personIn(awareness.getLocalState(), own))
    const present = new Map<number, Person>()
    for (const [id, state] of awareness.getStates()) if (id !== own) present.set(id, personIn(state, id))
    this.#onOthers(present)
    const others = [...present.values()].sort((a, b) => a.name.localeCompare(b.name))
    this.#count.textContent = String(others.length + 1)
    this.#alone.hidden = others.length > 0
    const rows = others.slice(0, ROWS).map(row)
    if (others.length > ROWS) rows.push(more(others.length - ROWS))
    this.#others.replaceChildren(...rows)
  }
}

function row(person: Person): HTMLLIElement {
  const item = document.createElement('li')
  item.className = 'person'
  const avatar = document.createElement('span')
  avatar.className = 'avatar'
  avatar.setAttribute('aria-hidden', 'true')
  fill(avatar, person)
  const name = document.createElement('span')
  name.className = 'name'
  name.textContent = person.name
  item.append(avatar, name)
  return item
}

function more(count: number): HTMLLIElement {
  const item = document.createElement('li')
  item.className = 'person more'
  item.textContent = say(`and ${count} more`, `e mais ${count}`)
  return item
}

function fill(avatar: HTMLElement, { name, color }: Person): void {
  avatar.textContent = initials(name)
  avatar.style.backgroundColor = color
  avatar.style.color = inkOn(color)
}
