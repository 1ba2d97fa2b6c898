/** Adding a file to the room, and deleting one. */
import type * as Y from 'yjs'
import { element } from '../page/element.ts'
import { labelled, make, makeButton, makeMenu } from '../page/make.ts'
import { say } from '../page/wording.ts'
import { addFile, deleteFile, filesOf, pathTrouble } from './room-files.ts'

export class NewFile {
  readonly #button = element('new-file', HTMLButtonElement)
  readonly #path = make('input', { name: 'path', maxlength: 200, required: true, autocomplete: 'off', spellcheck: 'false' })
  readonly #trouble = make('p', { class: 'trouble', role: 'alert' })

  /** @param doc - the room's document now. @param shown - the file that is shown. @param show - show another one. */
  constructor(doc: () => Y.Doc, shown: () => string | null, show: (path: string) => void) {
    const create = make('button', { type: 'submit', class: 'quiet' }, say('Add', 'Adicionar'))
    const form = make('form', { class: 'menu-form' }, labelled(say('Path', 'Caminho'), this.#path), this.#trouble, create)
    const remove = makeButton('', () => {
      const path = shown()
      if (path === null || !confirm(say(`Delete ${path} for everybody?`, `Apagar ${path} para todos?`))) return
      deleteFile(doc(), path)
      menu.hidePopover()
    })
    const group = make('div', { class: 'menu-group' }, remove)
    const menu = makeMenu('new-file-menu', say('Files', 'Arquivos'), this.#button, form, group)
    menu.addEventListener('toggle', (event) => {
      if ((event as ToggleEvent).newState !== 'open') return
      // The last one stays.
      remove.hidden = filesOf(doc()).length < 2
      remove.textContent = say(`Delete ${shown() ?? ''}`, `Apagar ${shown() ?? ''}`)
      this.#path.focus()
    })
    form.addEventListener('submit', (event) => {
      event.preventDefault()
      const path = this.#path.value.trim()
      const trouble = pathTrouble(path, filesOf(doc()))
      this.#trouble.textContent = trouble ?? ''
      if (trouble !== null) return
      addFile(doc(), path)
      this.#path.value = ''
      menu.hidePopover()
      show(path)
    })
  }

  /** Only who may write may add a file. */
  allow(may: boolean): void {
    this.#button.disabled = !may
  }
}
