/** Elements made by the code: of whatever stands in no one place of index.html. */

/** False and undefined: without this attribute. True: with it, and no value. */
export type Attributes = Readonly<Record<string, string | number | boolean | undefined>>

/** An element with attributes and children; a string is text, never markup. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: readonly (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== undefined && value !== false) made.setAttribute(name, value === true ? '' : String(value))
  }
  made.append(...children)
  return made
}

/** A button that does something at a press; `quiet`, unless its class says otherwise. */
export function makeButton(label: string, onPress: () => void, attributes: Attributes = {}): HTMLButtonElement {
  const button = make('button', { type: 'button', class: 'quiet', ...attributes }, label)
  button.addEventListener('click', onPress)
  return button
}

/** A choice of one of these, by value. */
export function makeChoice(options: Readonly<Record<string, string>>, attributes: Attributes = {}): HTMLSelectElement {
  const choice = make('select', { class: 'choice', ...attributes })
  for (const [value, label] of Object.entries(options)) choice.append(new Option(label, value))
  return choice
}

/** A field under its label. */
export function labelled(label: string, field: HTMLElement): HTMLLabelElement {
  return make('label', { class: 'field' }, make('span', { class: 'field-label' }, label), field)
}

/** A menu that a button opens in the corner of the page. It goes with a press beside it, or Escape. */
export function makeMenu(
  id: string,
  title: string,
  button: HTMLButtonElement,
  ...children: readonly Node[]
): HTMLElement {
  const heading = make('h2', { id: `${id}-title` }, title)
  const menu = make('section', { id, class: 'menu wide-menu', popover: 'auto', 'aria-labelledby': heading.id })
  menu.append(heading, ...children)
  document.body.append(menu)
  button.popoverTargetElement = menu
  button.hidden = false
  return menu
}
