/** The snapshots of a room: take one, see what changed since, bring its code back. */
import { make, makeButton, makeChoice } from '../page/make.ts'
import { say } from '../page/wording.ts'
import { diffView } from './diff-view.ts'
import type { PastApi, Snapshot } from './past-api.ts'

const WHEN = new Intl.DateTimeFormat(undefined, { dateStyle: 'short', timeStyle: 'medium' })
const COUNT = new Intl.NumberFormat()
/** The choice of what to compare with that is no snapshot. */
const NOW = ''

const REASONS: Readonly<Record<string, string>> = {
  DEMAND: say('taken', 'tirado'),
  RUN: say('at a run', 'ao executar'),
  END: say('at the end', 'no fim'),
}

export interface SnapshotTerms {
  readonly api: PastApi
  readonly room: string
  readonly mayTake: boolean
  readonly mayRestore: boolean
  nameOf(userId: string): string | null
  explain(error: unknown): string
}

export class SnapshotsView {
  readonly element: HTMLElement
  readonly #terms: SnapshotTerms
  readonly #list = make('ul', { class: 'snapshots' })
  readonly #told = make('p', { role: 'status', class: 'menu-more' })
  readonly #trouble = make('p', { role: 'alert', class: 'trouble' })
  readonly #compared = make('section', { 'aria-label': say('Comparison', 'Comparação'), hidden: true })
  #busy = false

  constructor(terms: SnapshotTerms) {
    this.#terms = terms
    const take = makeButton(say('Take a snapshot', 'Tirar um snapshot'), () => this.#take(), { class: 'primary' })
    take.hidden = !terms.mayTake
    this.element = make('div', { class: 'snapshots-view' }, take, this.#told, this.#trouble, this.#list, this.#compared)
  }

  async load(): Promise<void> {
    const snapshots = await this.#terms.api.snapshots(this.#terms.room)
    const none = make('li', { class: 'nothing' }, say('No snapshots yet.', 'Ainda não há snapshots.'))
    this.#list.replaceChildren(...(snapshots.length === 0 ? [none] : snapshots.map((each) => this.#row(each, snapshots))))
  }

  #row(snapshot: Snapshot, all: readonly Snapshot[]): HTMLLIElement {
    const { snapshotId, timestamp, reason, userId, size } = snapshot
    const when = WHEN.format(new Date(timestamp))
    const who = userId === null ? null : this.#terms.nameOf(userId)
    const facts = [REASONS[reason] ?? reason, who ?? '', `${COUNT.format(size)} B`].filter((fact) => fact !== '')
    const later = all.filter((other) => other.timestamp > timestamp)
    const named = later.map((each) => [each.snapshotId, WHEN.format(new Date(each.timestamp))])
    const options = { [NOW]: say('now', 'agora'), ...Object.fromEntries(named) }
    const other = makeChoice(options, { 'aria-label': say(`Compare ${when} with`, `Comparar ${when} com`) })
    const compare = makeButton(say('Compare', 'Comparar'), () =>
      this.#do(async () => {
        const { api, room } = this.#terms
        const files = await api.compare(room, snapshotId, other.value === NOW ? null : other.value)
        const until = other.selectedOptions[0]?.textContent ?? ''
        const title = make('h3', { tabindex: -1 }, say(`From ${when} to ${until}`, `De ${when} a ${until}`))
        this.#compared.hidden = false
        this.#compared.replaceChildren(title, diffView(files))
        title.focus()
      }),
    )
    const restore = makeButton(say('Restore', 'Restaurar'), () => {
      if (confirm(RESTORE)) this.#restore(snapshotId)
    })
    restore.hidden = !this.#terms.mayRestore
    const head = make('span', { class: 'snapshot-when' }, when, make('span', { class: 'menu-more' }, facts.join(' · ')))
    return make('li', { 'data-snapshot': snapshotId }, head, other, compare, restore)
  }

  #take(): void {
    this.#do(async () => {
      await this.#terms.api.takeSnapshot(this.#terms.room)
      this.#told.textContent = say('The code is kept as it is now.', 'O código foi guardado como está agora.')
      await this.load()
    })
  }

  #restore(snapshotId: string): void {
    this.#do(async () => {
      this.#told.textContent = say('Bringing the code back…', 'Restaurando o código…')
      const done = await this.#terms.api.restore(this.#terms.room, snapshotId)
      this.#told.textContent = done
        ? say('The code is back, for everybody.', 'O código foi restaurado, para todos.')
        : say('It happens as soon as somebody opens the room.', 'Será feito assim que alguém abrir a sala.')
    })
  }

  /** One thing at a time. */
  #do(work: () => Promise<void>): void {
    if (this.#busy) return
    this.#busy = true
    this.#trouble.textContent = ''
    this.#told.textContent = ''
    work()
      .catch((error: unknown) => {
        this.#told.textContent = ''
        this.#trouble.textContent = this.#terms.explain(error)
      })
      .finally(() => (this.#busy = false))
  }
}

const RESTORE = say(
  'Bring this code back for everybody? It comes as new edits, and what is there now stays in the replay.',
  'Restaurar este código para todos? Ele vem como novas edições, e o que há agora fica no replay.',
)
