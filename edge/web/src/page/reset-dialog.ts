/** Tells that the document was replaced, and gives back what was written. */
import type { Reset } from '../provider/index.ts'
import { copyText } from './clipboard.ts'
import { element } from './element.ts'

const REASONS: Readonly<Record<string, string>> = {
  read_only: 'You may not edit in this room at the moment, so the server did not take what you typed.',
  split_character: 'An edit cut a character in half, and the others could not have followed it.',
  too_large: 'The room is full: the server could not take what you typed.',
  other_tab: 'Another window of this browser was told to start over with the room’s version.',
}

export class ResetDialog {
  readonly #dialog = element('reset-dialog', HTMLDialogElement)
  readonly #reason = element('reset-reason', HTMLElement)
  readonly #draft = element('reset-draft', HTMLElement)
  readonly #text = element('reset-text', HTMLTextAreaElement)
  readonly #copy = element('reset-copy', HTMLButtonElement)

  constructor() {
    this.#copy.addEventListener('click', () => {
      void copyText(this.#text.value).then((copied) => {
        this.#copy.textContent = copied ? 'Copied' : 'Select the text and copy it'
        if (!copied) this.#text.select()
      })
    })
  }

  show({ reason, draft }: Reset): void {
    // A draft on show is not thrown away by the next reset.
    const earlier = this.#dialog.open ? `${this.#text.value}\n\n` : ''
    const text = draft.map(({ name, mine }) => (draft.length > 1 ? `# ${name}\n${mine}` : mine)).join('\n\n')
    const why = REASONS[reason] ?? 'The server could not take your edits.'
    this.#reason.textContent = `${why} The editor now shows the room’s version.`
    this.#text.value = earlier + text
    this.#draft.hidden = this.#text.value === ''
    this.#copy.hidden = this.#draft.hidden
    this.#copy.textContent = 'Copy my version'
    if (!this.#dialog.open) this.#dialog.showModal()
  }
}
