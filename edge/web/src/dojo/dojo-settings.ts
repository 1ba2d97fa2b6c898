/** The dialog in which a host changes what the dojo is. */
import { make, makeButton } from '../page/make.ts'
import { say } from '../page/wording.ts'
import { explainError, type DojoApi, type DojoSummary, type DojoTerms } from './dojo-api.ts'
import { DojoFields } from './dojo-fields.ts'

export class DojoSettings {
  readonly #api: DojoApi
  readonly #changed: () => Promise<void>
  readonly #fields = new DojoFields('settings')
  readonly #trouble = make('p', { class: 'trouble', role: 'alert' })
  readonly #dialog: HTMLDialogElement
  #dojo: DojoSummary | null = null
  #shown: DojoTerms | null = null
  #busy = false

  /** @param changed - the dojo is another now: look at it again. */
  constructor(api: DojoApi, changed: () => Promise<void>) {
    this.#api = api
    this.#changed = changed
    const title = make('h2', { id: 'settings-title' }, say('Settings of the dojo', 'Configurações do dojo'))
    const back = makeButton(say('Back', 'Voltar'), () => this.#dialog.close(), { class: 'plain' })
    const save = make('button', { type: 'submit', class: 'primary' }, say('Save', 'Salvar'))
    const form = make('form', {}, this.#fields.element, this.#trouble, make('div', { class: 'dialog-actions' }, back, save))
    form.addEventListener('submit', (event) => {
      event.preventDefault()
      void this.#save()
    })
    this.#dialog = make('dialog', { id: 'dojo-settings', class: 'dialog account', 'aria-labelledby': title.id }, title, form)
    document.body.append(this.#dialog)
  }

  open(dojo: DojoSummary): void {
    this.#dojo = dojo
    this.#trouble.textContent = ''
    this.#fields.fill(dojo)
    this.#shown = this.#fields.values()
    this.#dialog.showModal()
    this.#fields.focus()
  }

  async #save(): Promise<void> {
    if (this.#busy || this.#dojo === null) return
    this.#busy = true
    this.#trouble.textContent = ''
    const before: Readonly<Record<string, unknown>> = { ...this.#shown }
    // Only what is another: the rest may have been changed elsewhere meanwhile.
    const change = Object.entries(this.#fields.values()).filter(([name, value]) => before[name] !== value)
    try {
      if (change.length > 0) await this.#api.change(this.#dojo.dojoId, Object.fromEntries(change))
      this.#dialog.close()
      await this.#changed()
    } catch (error) {
      this.#trouble.textContent = explainError(error)
    } finally {
      this.#busy = false
    }
  }
}
