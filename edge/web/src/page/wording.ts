/** The page in the reader's language: Portuguese where the browser asks for it first, English everywhere else. */

const portuguese = /^pt\b/i.test(globalThis.navigator?.language ?? '')

/** The one of two wordings that the reader understands. They stand side by side so that neither is forgotten. */
export function say(english: string, inPortuguese: string): string {
  return portuguese ? inPortuguese : english
}

/** Put the Portuguese that index.html carries (`data-pt`, `data-pt-label`) in place of its English. */
export function translatePage(): void {
  if (!portuguese) return
  document.documentElement.lang = 'pt-BR'
  for (const found of document.querySelectorAll<HTMLElement>('[data-pt]')) found.textContent = found.dataset['pt'] ?? ''
  for (const found of document.querySelectorAll<HTMLElement>('[data-pt-label]')) {
    found.setAttribute('aria-label', found.dataset['ptLabel'] ?? '')
  }
}
