/** The files of a room: root texts `file/PATH`, described in the root map `files`. Clients write both: anything may be there. */
import * as Y from 'yjs'
import { element } from '../page/element.ts'
import { say } from '../page/wording.ts'

const ROOT = 'file/'
const NOTHING_YET = 'main.txt'
/** Longest name of a language that is shown, characters. */
const LONGEST_LANGUAGE = 50

const LANGUAGES: Readonly<Record<string, string>> = {
  c: 'C', cpp: 'C++', cs: 'C#', css: 'CSS', dart: 'Dart', go: 'Go', html: 'HTML', java: 'Java', js: 'JavaScript',
  json: 'JSON', jsx: 'JavaScript', kt: 'Kotlin', md: 'Markdown', php: 'PHP', py: 'Python', rb: 'Ruby', rs: 'Rust',
  sh: 'Shell', sql: 'SQL', swift: 'Swift', ts: 'TypeScript', tsx: 'TypeScript', txt: 'Text',
}

/** Paths in their order. */
export function filesOf(doc: Y.Doc): readonly string[] {
  const described = doc.getMap('files')
  const order = (path: string) => {
    const value = about(doc, path)['order']
    return typeof value === 'number' ? value : Number.POSITIVE_INFINITY
  }
  // What was typed stays in sight, though somebody took its entry away.
  const texts = [...doc.share.keys()].filter((name) => name.startsWith(ROOT) && doc.getText(name).length > 0)
  const paths = new Set([...described.keys(), ...texts.map((name) => name.slice(ROOT.length))])
  paths.delete('')
  return [...paths].sort((a, b) => order(a) - order(b) || (a < b ? -1 : 1))
}

/** Behind all others. Its entry in `files` is what tells everybody of it. */
export function addFile(doc: Y.Doc, path: string): void {
  const orders = filesOf(doc).map((each) => Number(about(doc, each)['order']))
  const order = Math.max(0, ...orders.filter((each) => Number.isFinite(each)).map((each) => each + 1))
  doc.getMap('files').set(path, { language: languageNameOf(path), order })
}

/** Its text goes with it, or it would still be a file. */
export function deleteFile(doc: Y.Doc, path: string): void {
  doc.transact(() => {
    const text = doc.getText(`${ROOT}${path}`)
    text.delete(0, text.length)
    doc.getMap('files').delete(path)
  })
}

/** The language of a file: what the room says of it, or else what its ending says. */
export function languageIn(doc: Y.Doc, path: string): string {
  const told = about(doc, path)['language']
  return typeof told === 'string' && told !== '' ? told.slice(0, LONGEST_LANGUAGE) : languageNameOf(path)
}

export function languageNameOf(path: string): string {
  return LANGUAGES[path.slice(path.lastIndexOf('.') + 1).toLowerCase()] ?? 'Text'
}

/** Why there can be no new file of this path, in words; null if there can. */
export function pathTrouble(path: string, files: readonly string[]): string | null {
  if (files.includes(path)) return say('There is such a file already.', 'Já existe um arquivo assim.')
  const parts = path.split('/')
  const odd = parts.some((part) => part === '' || part === '.' || part === '..' || part.trim() !== part)
  if (odd || /[\p{Cc}\\]/u.test(path)) return say('Write it like “src/greeting.py”.', 'Escreva como “src/saudacao.py”.')
  return null
}

function about(doc: Y.Doc, path: string): Readonly<Record<string, unknown>> {
  const value: unknown = doc.getMap('files').get(path)
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

/** The heading of the sheet as a choice, where there is one. */
export class FileChoice {
  readonly #name = element('file-name', HTMLElement)
  readonly #language = element('file-language', HTMLElement)
  readonly #choice = element('file-choice', HTMLSelectElement)
  readonly #onChoice: (path: string) => void
  #doc: Y.Doc | null = null
  #shown = ''

  /** @param onChoice - a file is to be shown. */
  constructor(onChoice: (path: string) => void) {
    this.#onChoice = onChoice
    this.#choice.addEventListener('change', () => this.choose(this.#choice.value))
  }

  /** Show this file. */
  choose(path: string): void {
    this.#shown = path
    this.#onChoice(path)
    this.#show()
  }

  /** Follow the files of this document from now on. Call it when the document has arrived. */
  bind(doc: Y.Doc): void {
    this.#doc = doc
    doc.getMap('files').observe(() => this.#show())
    this.#show()
  }

  #show(): void {
    const doc = this.#doc
    if (doc === null) return
    const files = filesOf(doc)
    const first = files[0] ?? NOTHING_YET
    if (!files.includes(this.#shown)) {
      this.#shown = first
      this.#onChoice(first)
    }
    this.#name.hidden = files.length > 1
    this.#choice.hidden = files.length < 2
    this.#choice.replaceChildren(...files.map((path) => new Option(path, path, false, path === this.#shown)))
    this.#language.textContent = languageIn(doc, this.#shown)
  }
}
