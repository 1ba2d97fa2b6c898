/** What one can do about somebody in the room: a small menu beside their row. */
import { element } from '../page/element.ts'

export interface PersonItem {
  readonly label: string
  /** A question before it is done; none for what is easily undone. */
  readonly question?: string
  readonly run: () => Promise<void> | void
}

/** Between the button and its menu, px. */
const GAP = 6

export class PersonMenu {
  readonly #menu = element('person-menu', HTMLElement)
  readonly #items = element('person-menu-items', HTMLElement)
  readonly #trouble = element('person-trouble', HTMLElement)
  readonly #explain: (error: unknown) => string

  /** @param explain - an error in words. */
  constructor(explain: (error: unknown) => string) {
    this.#explain = explain
  }

  open(name: string, items: readonly PersonItem[], beside: HTMLElement): void {
    element('person-menu-name', HTMLElement).textContent = name
    this.#trouble.textContent = ''
    this.#items.replaceChildren(...items.map((item) => this.#button(item)))
    this.#menu.showPopover()
    const { bottom, right } = beside.getBoundingClientRect()
    const { width, height } = this.#menu.getBoundingClientRect()
    this.#menu.style.left = `${Math.max(GAP, right - width)}px`
    this.#menu.style.top = `${Math.max(GAP, Math.min(bottom + GAP, innerHeight - height - GAP))}px`
    this.#items.querySelector('button')?.focus()
  }

  #button({ label, question, run }: PersonItem): HTMLButtonElement {
    const button = document.createElement('button')
    button.type = 'button'
    button.className = 'quiet'
    button.textContent = label
    button.addEventListener('click', () => {
      if (question !== undefined && !confirm(question)) return
      this.#trouble.textContent = ''
      Promise.resolve(run()).then(
        () => this.#menu.hidePopover(),
        (error: unknown) => (this.#trouble.textContent = this.#explain(error)),
      )
    })
    return button
  }
}
