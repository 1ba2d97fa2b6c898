/** The dialog that opens or schedules a dojo. */
import { explainError, type DojoApi } from '../dojo/dojo-api.ts'
import { DojoFields } from '../dojo/dojo-fields.ts'
import { keepCode } from '../dojo/kept-code.ts'
import { goToDojo } from '../page/address.ts'
import { labelled, make, makeButton } from '../page/make.ts'
import { say } from '../page/wording.ts'

export class NewDojoDialog {
  readonly #api: DojoApi
  readonly #fields = new DojoFields('new')
  readonly #code = make('textarea', { name: 'initialCode', rows: 5, maxlength: 100_000, spellcheck: 'false' })
  readonly #trouble = make('p', { class: 'trouble', role: 'alert' })
  readonly #dialog: HTMLDialogElement
  #busy = false

  constructor(api: DojoApi) {
    this.#api = api
    const title = make('h2', { id: 'new-dojo-title' }, say('New dojo', 'Novo dojo'))
    const back = makeButton(say('Back', 'Voltar'), () => this.#dialog.close(), { class: 'plain' })
    const create = make('button', { type: 'submit', class: 'primary' }, say('Create', 'Criar'))
    const code = labelled(say('Initial code', 'Código inicial'), this.#code)
    const actions = make('div', { class: 'dialog-actions' }, back, create)
    const form = make('form', {}, this.#fields.element, code, this.#trouble, actions)
    form.addEventListener('submit', (event) => {
      event.preventDefault()
      void this.#create()
    })
    const attributes = { id: 'new-dojo-dialog', class: 'dialog account', 'aria-labelledby': title.id }
    this.#dialog = make('dialog', attributes, title, form)
    document.body.append(this.#dialog)
  }

  open(): void {
    this.#trouble.textContent = ''
    this.#dialog.showModal()
    this.#fields.focus()
  }

  async #create(): Promise<void> {
    if (this.#busy) return
    this.#busy = true
    this.#trouble.textContent = ''
    try {
      const initialCode = this.#code.value.replaceAll('\r\n', '\n')
      const { dojoId, joinCode } = await this.#api.create({ ...this.#fields.values(), initialCode })
      keepCode(dojoId, joinCode)
      goToDojo(dojoId)
    } catch (error) {
      this.#trouble.textContent = explainError(error)
    } finally {
      this.#busy = false
    }
  }
}
