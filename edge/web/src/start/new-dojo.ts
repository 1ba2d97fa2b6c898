/** The dialog that opens or schedules a dojo. */
import { explainError, type DojoApi } from '../dojo/dojo-api.ts'
import { keepCode } from '../dojo/kept-code.ts'
import { goToDojo } from '../page/address.ts'
import { element } from '../page/element.ts'

export class NewDojoDialog {
  readonly #api: DojoApi
  readonly #dialog = element('new-dojo-dialog', HTMLDialogElement)
  readonly #form = element('new-dojo-form', HTMLFormElement)
  readonly #trouble = element('new-dojo-trouble', HTMLElement)
  #busy = false

  constructor(api: DojoApi) {
    this.#api = api
    element('new-dojo-cancel', HTMLButtonElement).addEventListener('click', () => this.#dialog.close())
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault()
      void this.#create()
    })
  }

  open(): void {
    this.#trouble.textContent = ''
    this.#dialog.showModal()
    element('new-name', HTMLInputElement).focus()
  }

  async #create(): Promise<void> {
    if (this.#busy) return
    this.#busy = true
    this.#trouble.textContent = ''
    const fields = new FormData(this.#form)
    const text = (name: string) => String(fields.get(name) ?? '')
    const start = text('start')
    try {
      const { dojoId, joinCode } = await this.#api.create({
        name: text('name'),
        language: text('language'),
        // A form's text has the line ends of mail.
        initialCode: text('initialCode').replaceAll('\r\n', '\n'),
        isPrivate: fields.has('isPrivate'),
        allowGuests: fields.has('allowGuests'),
        ...(start === '' ? {} : { scheduledStartTime: new Date(start).toISOString() }),
      })
      keepCode(dojoId, joinCode)
      goToDojo(dojoId)
    } catch (error) {
      this.#trouble.textContent = explainError(error)
    } finally {
      this.#busy = false
    }
  }
}
