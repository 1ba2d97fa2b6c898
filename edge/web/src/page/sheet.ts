/** The sheet in the middle of the page: a shared file in an editor, and how things stand with it. */
import type * as Y from 'yjs'
import { Editor } from '../editor/editor.ts'
import type { DojoProvider, Refusal } from '../provider/index.ts'
import { element } from './element.ts'
import { ResetDialog } from './reset-dialog.ts'
import { standingOf, type Bar } from './standing.ts'
import { StatusView } from './status-view.ts'

export interface SheetHost {
  /** The button beside a refusal was pressed. */
  retry(): void
  /** The sheet shows another document from now on: show oneself in its presence. */
  bound(): void
  /** Why the text may not be edited here and now, though the connection would take it; null if it may. */
  barred?(): Bar | null
  /** A refusal in this page's own words; null for the usual ones. */
  explain?(refusal: Refusal): string | null
}

export class Sheet {
  readonly #provider: DojoProvider
  readonly #host: SheetHost
  readonly #editor = new Editor(element('editor', HTMLElement))
  readonly #resetDialog = new ResetDialog()
  readonly #status: StatusView
  readonly #fileName = element('file-name', HTMLElement)
  #file: string | null = null
  #edited = false
  #known = false
  #editable = false

  constructor(provider: DojoProvider, host: SheetHost) {
    this.#provider = provider
    this.#host = host
    this.#status = new StatusView(() => host.retry())
    provider.on('status', () => this.refresh())
    provider.on('synced', () => {
      if (this.#known) return
      this.#known = true
      this.refresh()
      // Unless somebody is typing their name already.
      if (document.activeElement === document.body) this.focus()
    })
    provider.on('reset', (reset) => {
      this.#edited = false
      this.#bind()
      this.refresh()
      this.#resetDialog.show(reset)
    })
    provider.on('error', (error) => console.warn('dojo:', error.message))
    this.#bind()
    this.refresh()
  }

  /** Leaving would lose what the server has not committed yet. */
  get atStake(): boolean {
    const { saved, canWrite } = this.#provider.status
    return this.#edited && !saved && canWrite
  }

  /** Whether the text may be edited now. */
  get editable(): boolean {
    return this.#editable
  }

  get file(): string | null {
    return this.#file
  }

  /** Show another file of the document. */
  show(file: string): void {
    if (file === this.#file) return
    this.#file = file
    this.#fileName.textContent = file
    this.#editor.bind(this.#provider.doc, this.#provider.awareness, file)
  }

  focus(): void {
    this.#editor.focus()
  }

  /** Show how things stand now. */
  refresh(): void {
    const explain = this.#host.explain?.bind(this.#host)
    const standing = standingOf(this.#provider.status, this.#edited, this.#known, {
      bar: this.#host.barred?.() ?? null,
      ...(explain === undefined ? {} : { explain }),
    })
    this.#status.show(standing)
    this.#editable = standing.editable
    this.#editor.setEditable(standing.editable)
  }

  #bind(): void {
    const { doc, awareness } = this.#provider
    doc.on('update', (_update: Uint8Array, _origin: unknown, _doc: Y.Doc, { local }: Y.Transaction) => {
      if (!local || this.#edited) return
      this.#edited = true
      this.refresh()
    })
    this.#host.bound()
    if (this.#file !== null) this.#editor.bind(doc, awareness, this.#file)
  }
}
