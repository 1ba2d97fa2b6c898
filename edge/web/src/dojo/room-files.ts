/** The files of a room: root texts `file/PATH`, described in the root map `files`. Clients write both: anything may be there. */
import * as Y from 'yjs'
import { element } from '../page/element.ts'

const ROOT = 'file/'
const NOTHING_YET = 'main.txt'

/** Paths in their order. */
export function filesOf(doc: Y.Doc): readonly string[] {
  const described = doc.getMap('files')
  const order = (path: string) => {
    const about: unknown = described.get(path)
    const value = typeof about === 'object' && about !== null ? (about as Record<string, unknown>)['order'] : undefined
    return typeof value === 'number' ? value : Number.POSITIVE_INFINITY
  }
  const texts = [...doc.share.keys()].filter((name) => name.startsWith(ROOT)).map((name) => name.slice(ROOT.length))
  const paths = [...new Set([...described.keys(), ...texts])].filter((path) => path !== '')
  return paths.sort((a, b) => order(a) - order(b) || (a < b ? -1 : 1))
}

/** The heading of the sheet as a choice, where there is one. */
export class FileChoice {
  readonly #name = element('file-name', HTMLElement)
  readonly #choice = element('file-choice', HTMLSelectElement)
  readonly #onChoice: (path: string) => void
  #shown = ''

  /** @param onChoice - a file is to be shown. */
  constructor(onChoice: (path: string) => void) {
    this.#onChoice = onChoice
    this.#choice.addEventListener('change', () => {
      this.#shown = this.#choice.value
      onChoice(this.#shown)
    })
  }

  /** Follow the files of this document from now on. Call it when the document has arrived. */
  bind(doc: Y.Doc): void {
    doc.getMap('files').observe(() => this.#show(doc))
    this.#show(doc)
  }

  #show(doc: Y.Doc): void {
    const files = filesOf(doc)
    const first = files[0] ?? NOTHING_YET
    if (!files.includes(this.#shown)) {
      this.#shown = first
      this.#onChoice(first)
    }
    this.#name.hidden = files.length > 1
    this.#choice.hidden = files.length < 2
    this.#choice.replaceChildren(...files.map((path) => new Option(path, path, false, path === this.#shown)))
  }
}
