/** The dialog that looks back on a dojo: its replay, its snapshots, its summary. */
import { SessionEnded } from '../account/session.ts'
import { make, makeButton, makeChoice } from '../page/make.ts'
import { say } from '../page/wording.ts'
import type { PastApi } from './past-api.ts'
import { Player } from './player.ts'
import { SnapshotsView } from './snapshots-view.ts'
import { summaryView } from './summary-view.ts'

export type PastView = 'replay' | 'snapshots' | 'summary'

const VIEWS: readonly PastView[] = ['replay', 'snapshots', 'summary']

const TITLES: Readonly<Record<PastView, string>> = {
  replay: say('Replay', 'Replay'),
  snapshots: say('Snapshots', 'Snapshots'),
  summary: say('Summary', 'Resumo'),
}

export interface PastTerms {
  readonly api: PastApi
  /** The dojo's rooms, ended ones too, and which one this window is in. */
  rooms(): readonly { readonly roomId: string; readonly name: string }[]
  here(): string | null
  mayTake(room: string): boolean
  mayRestore(room: string): boolean
  nameOf(userId: string): string | null
  /** Who has a colour in this window, in the order in which they got it. */
  people(): readonly string[]
  explain(error: unknown): string
}

export class LookingBack {
  readonly #terms: PastTerms
  readonly #dialog: HTMLDialogElement
  readonly #rooms = makeChoice({}, { 'aria-label': say('Room', 'Sala') })
  readonly #tabs: ReadonlyMap<PastView, HTMLButtonElement>
  readonly #panel = make('div', { class: 'past-panel', role: 'tabpanel', id: 'past-panel' })
  #view: PastView = 'replay'
  #player: Player | null = null
  /** Raised to make whatever an earlier look still awaits come to nothing. */
  #look = 0

  constructor(terms: PastTerms) {
    this.#terms = terms
    const tabs = VIEWS.map((view) => {
      const attributes = { class: '', role: 'tab', id: `past-${view}`, 'aria-controls': this.#panel.id }
      return [view, makeButton(TITLES[view], () => this.#select(view), attributes)] as const
    })
    this.#tabs = new Map(tabs)
    const title = make('h2', { id: 'past-title' }, say('Look back', 'Rever'))
    const close = makeButton(say('Close', 'Fechar'), () => this.#dialog.close())
    const list = make('div', { class: 'tabs', role: 'tablist', 'aria-labelledby': title.id }, ...this.#tabs.values())
    list.addEventListener('keydown', (event) => this.#onKey(event))
    const head = make('div', { class: 'past-head' }, title, this.#rooms, close)
    const attributes = { id: 'looking-back', class: 'dialog past', 'aria-labelledby': title.id }
    this.#dialog = make('dialog', attributes, head, list, this.#panel)
    this.#dialog.addEventListener('close', () => this.#clear())
    this.#rooms.addEventListener('change', () => void this.#load())
    document.body.append(this.#dialog)
  }

  open(view: PastView, room: string | null = this.#terms.here()): void {
    const rooms = this.#terms.rooms()
    this.#rooms.replaceChildren(...rooms.map(({ roomId, name }) => new Option(name, roomId, false, roomId === room)))
    this.#rooms.hidden = rooms.length < 2
    if (!this.#dialog.open) this.#dialog.showModal()
    this.#select(view)
  }

  #select(view: PastView): void {
    this.#view = view
    for (const [each, tab] of this.#tabs) {
      tab.setAttribute('aria-selected', String(each === view))
      tab.tabIndex = each === view ? 0 : -1
    }
    this.#panel.setAttribute('aria-labelledby', `past-${view}`)
    this.#tabs.get(view)?.focus()
    void this.#load()
  }

  #onKey(event: KeyboardEvent): void {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key]
    if (step === undefined) return
    event.preventDefault()
    this.#select(VIEWS[(VIEWS.indexOf(this.#view) + step + VIEWS.length) % VIEWS.length] ?? this.#view)
  }

  async #load(): Promise<void> {
    this.#clear()
    const look = this.#look
    const waits = make('p', { class: 'nothing', role: 'status' }, say('Loading…', 'Carregando…'))
    this.#panel.replaceChildren(waits)
    let shown: HTMLElement
    try {
      shown = await this.#made(look)
    } catch (error) {
      if (error instanceof SessionEnded) this.#dialog.close()
      const text = this.#terms.explain(error)
      const again = makeButton(say('Try again', 'Tentar de novo'), () => void this.#load())
      shown = make('div', {}, make('p', { class: 'trouble', role: 'alert' }, text), again)
    }
    if (look === this.#look) this.#panel.replaceChildren(shown)
  }

  async #made(look: number): Promise<HTMLElement> {
    const { api } = this.#terms
    const room = this.#rooms.value
    if (this.#view === 'summary') return summaryView(await api.summary())
    if (this.#view === 'snapshots') {
      const terms = this.#terms
      const view = new SnapshotsView({
        api,
        room,
        mayTake: terms.mayTake(room),
        mayRestore: terms.mayRestore(room),
        nameOf: (userId) => terms.nameOf(userId),
        explain: (error) => terms.explain(error),
      })
      await view.load()
      return view.element
    }
    const recording = await api.replay(room)
    if (recording.changes.length === 0) {
      return make('p', { class: 'nothing' }, say('Nothing was typed here yet.', 'Nada foi digitado aqui ainda.'))
    }
    const player = new Player(recording, this.#terms.people())
    if (look === this.#look) this.#player = player
    if (recording.complete) return player.element
    const text = say('The beginning is not kept any more.', 'O começo não é mais guardado.')
    return make('div', {}, make('p', { class: 'menu-more' }, text), player.element)
  }

  #clear(): void {
    this.#look += 1
    this.#player?.stop()
    this.#player = null
  }
}
