/** The button that copies the room's address. */
import { copyText } from './clipboard.ts'
import { element } from './element.ts'
import { say } from './wording.ts'

/** How long the button says what it did, ms. */
const SHOWN = 1_800

export function wireCopyLink(): void {
  const button = element('copy-link', HTMLButtonElement)
  const label = element('copy-link-label', HTMLElement)
  const announcer = element('announcer', HTMLElement)
  const usual = label.textContent
  let back: ReturnType<typeof setTimeout> | undefined
  button.addEventListener('click', () => {
    void copyText(location.href).then((copied) => {
      label.textContent = copied ? say('Copied', 'Copiado') : say('Not copied', 'Não copiado')
      announcer.textContent = copied
        ? say('Link copied', 'Link copiado')
        : say('The link could not be copied', 'Não foi possível copiar o link')
      clearTimeout(back)
      back = setTimeout(() => (label.textContent = usual), SHOWN)
    })
  })
}
