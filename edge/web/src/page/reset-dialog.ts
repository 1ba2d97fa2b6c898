/** Tells that the document was replaced, and gives back what was written. */
import type { Reset } from '../provider/index.ts'
import { copyText } from './clipboard.ts'
import { element } from './element.ts'
import { say } from './wording.ts'

const REASONS: Readonly<Record<string, string>> = {
  read_only: say(
    'You may not edit in this room at the moment, so the server did not take what you typed.',
    'Você não pode editar nesta sala no momento, por isso o servidor não aceitou o que você digitou.',
  ),
  split_character: say(
    'An edit cut a character in half, and the others could not have followed it.',
    'Uma edição cortou um caractere ao meio, e os outros não conseguiriam acompanhá-la.',
  ),
  too_large: say(
    'The room is full: the server could not take what you typed.',
    'A sala está cheia: o servidor não pôde aceitar o que você digitou.',
  ),
  other_tab: say(
    'Another window of this browser was told to start over with the room’s version.',
    'Outra janela deste navegador teve de recomeçar com a versão da sala.',
  ),
}

const REFUSED = say('The server could not take your edits.', 'O servidor não pôde aceitar suas edições.')
const REPLACED = say('The editor now shows the room’s version.', 'O editor mostra agora a versão da sala.')

export class ResetDialog {
  readonly #dialog = element('reset-dialog', HTMLDialogElement)
  readonly #reason = element('reset-reason', HTMLElement)
  readonly #draft = element('reset-draft', HTMLElement)
  readonly #text = element('reset-text', HTMLTextAreaElement)
  readonly #copy = element('reset-copy', HTMLButtonElement)

  constructor() {
    this.#copy.addEventListener('click', () => {
      void copyText(this.#text.value).then((copied) => {
        this.#copy.textContent = copied
          ? say('Copied', 'Copiado')
          : say('Select the text and copy it', 'Selecione o texto e copie')
        if (!copied) this.#text.select()
      })
    })
  }

  show({ reason, draft }: Reset): void {
    // A draft on show is not thrown away by the next reset.
    const earlier = this.#dialog.open ? `${this.#text.value}\n\n` : ''
    const text = draft.map(({ name, mine }) => (draft.length > 1 ? `# ${name}\n${mine}` : mine)).join('\n\n')
    this.#reason.textContent = `${REASONS[reason] ?? REFUSED} ${REPLACED}`
    this.#text.value = earlier + text
    this.#draft.hidden = this.#text.value === ''
    this.#copy.hidden = this.#draft.hidden
    this.#copy.textContent = say('Copy my version', 'Copiar minha versão')
    if (!this.#dialog.open) this.#dialog.showModal()
  }
}
