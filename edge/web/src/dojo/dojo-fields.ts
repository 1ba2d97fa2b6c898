/** The fields that say what a dojo is: the same for a new one and for one that is changed. */
import { labelled, make } from '../page/make.ts'
import { say } from '../page/wording.ts'
import type { DojoSummary, DojoTerms } from './dojo-api.ts'

const LANGUAGES = ['Python', 'JavaScript', 'TypeScript', 'Java', 'Kotlin', 'C#', 'Go', 'Rust', 'Ruby', 'Swift']

export class DojoFields {
  readonly element: HTMLElement
  readonly #name = make('input', { name: 'name', maxlength: 100, required: true })
  readonly #description = make('textarea', { name: 'description', rows: 2, maxlength: 10_000, class: 'prose' })
  readonly #language: HTMLInputElement
  readonly #start = make('input', { name: 'start', type: 'datetime-local' })
  readonly #startField: HTMLElement
  readonly #most = make('input', { name: 'most', type: 'number', min: 1, max: 1000, step: 1, inputmode: 'numeric' })
  readonly #private = tickBox(
    say('Private: only with the code or an invitation', 'Privado: só entra quem tem o código ou convite'),
  )
  readonly #waits = tickBox(say('Newcomers wait until I let them in', 'Quem entra espera até eu liberar'))
  readonly #guests = tickBox(say('Guests without an account may join by code', 'Convidados sem conta entram com o código'))

  /** @param prefix - of the ids of what must have one. */
  constructor(prefix: string) {
    const list = `${prefix}-languages`
    this.#language = make('input', { name: 'language', list, maxlength: 50, value: 'Python', required: true })
    const languages = make('datalist', { id: list }, ...LANGUAGES.map((value) => make('option', { value })))
    this.#startField = labelled(say('Starts at (empty: now)', 'Começa em (vazio: agora)'), this.#start)
    this.#private.input.checked = true
    this.element = make(
      'div',
      { class: 'dojo-fields' },
      labelled(say('Name', 'Nome'), this.#name),
      labelled(say('What it is about', 'Do que se trata'), this.#description),
      make(
        'div',
        { class: 'field-row' },
        labelled(say('Language', 'Linguagem'), this.#language),
        labelled(say('At most (people)', 'No máximo (pessoas)'), this.#most),
      ),
      languages,
      this.#startField,
      this.#private.label,
      this.#waits.label,
      this.#guests.label,
    )
  }

  focus(): void {
    this.#name.focus()
  }

  /** Show a dojo as it is. */
  fill(dojo: DojoSummary): void {
    this.#name.value = dojo.name
    this.#description.value = dojo.description
    this.#language.value = dojo.language
    this.#most.value = dojo.maxParticipants === null ? '' : String(dojo.maxParticipants)
    this.#private.input.checked = dojo.isPrivate
    this.#waits.input.checked = dojo.waitingRoom
    this.#guests.input.checked = dojo.allowGuests
    // One that has begun has no start any more.
    this.#startField.hidden = dojo.status !== 'SCHEDULED'
    this.#start.required = dojo.status === 'SCHEDULED'
    this.#start.value = dojo.scheduledStartTime === null ? '' : localTime(new Date(dojo.scheduledStartTime))
  }

  values(): DojoTerms {
    const begins = this.#startField.hidden || this.#start.value === '' ? null : new Date(this.#start.value)
    return {
      name: this.#name.value,
      // A form's text has the line ends of mail.
      description: this.#description.value.replaceAll('\r\n', '\n'),
      language: this.#language.value,
      maxParticipants: this.#most.value === '' ? null : this.#most.valueAsNumber,
      isPrivate: this.#private.input.checked,
      waitingRoom: this.#waits.input.checked,
      allowGuests: this.#guests.input.checked,
      ...(begins === null ? {} : { scheduledStartTime: begins.toISOString() }),
    }
  }
}

function tickBox(label: string): { readonly label: HTMLElement; readonly input: HTMLInputElement } {
  const input = make('input', { type: 'checkbox' })
  return { label: make('label', { class: 'tick' }, input, make('span', {}, label)), input }
}

/** As a field for date and time wants it: the reader's own time, to the minute. */
function localTime(date: Date): string {
  const shifted = new Date(date.getTime() - date.getTimezoneOffset() * 60_000)
  return shifted.toISOString().slice(0, 16)
}
