/**
 * Other people's carets and selections, and the publishing of one's own.
 *
 * Presence comes from other people's clients and may hold anything: names are set as text, colours are checked,
 * and a position that does not parse is no position.
 */
import { RangeSet, StateEffect, type Range } from '@codemirror/state'
import { Decoration, EditorView, ViewPlugin, WidgetType, type DecorationSet, type ViewUpdate } from '@codemirror/view'
import type { Awareness } from 'y-protocols/awareness'
import * as Y from 'yjs'
import { inkOn, personIn, type Person } from '../page/person.ts'

/** Own caret positions go out at most this often, ms: dragging a selection would send one per mouse event. */
const PUBLISH_EVERY = 50

/** Carets drawn at most. Hundreds of labels over one text help nobody and cost every keystroke. */
const CARETS = 50

const presenceChanged = StateEffect.define<null>()

/** Presence for an editor that shows `text`. `awareness` belongs to the text's document. */
export function remoteCursors(text: Y.Text, awareness: Awareness) {
  const plugin = ViewPlugin.define((view) => new RemoteCursors(view, text, awareness), {
    decorations: (cursors) => cursors.decorations,
  })
  return [plugin, theme]
}

class RemoteCursors {
  decorations: DecorationSet = RangeSet.empty
  readonly #view: EditorView
  readonly #text: Y.Text
  readonly #awareness: Awareness
  #published = Number.NEGATIVE_INFINITY
  #later: ReturnType<typeof setTimeout> | undefined
  #redraw = 0

  constructor(view: EditorView, text: Y.Text, awareness: Awareness) {
    this.#view = view
    this.#text = text
    this.#awareness = awareness
    awareness.on('change', this.#onChange)
    this.decorations = this.#draw(view)
  }

  update(update: ViewUpdate): void {
    if (update.selectionSet || update.docChanged || update.focusChanged) this.#schedulePublish()
    const told = update.transactions.some((transaction) => transaction.effects.some((e) => e.is(presenceChanged)))
    if (told || update.docChanged) this.decorations = this.#draw(update.view)
  }

  destroy(): void {
    this.#awareness.off('change', this.#onChange)
    clearTimeout(this.#later)
    cancelAnimationFrame(this.#redraw)
  }

  readonly #onChange = ({ added, updated, removed }: Record<'added' | 'updated' | 'removed', number[]>): void => {
    const own = this.#awareness.clientID
    if (![...added, ...updated, ...removed].some((id) => id !== own)) return
    // Once per frame, and never inside the editor's own update.
    cancelAnimationFrame(this.#redraw)
    this.#redraw = requestAnimationFrame(() => this.#view.dispatch({ effects: presenceChanged.of(null) }))
  }

  #schedulePublish(): void {
    clearTimeout(this.#later)
    const wait = Math.max(0, this.#published + PUBLISH_EVERY - performance.now())
    this.#later = setTimeout(() => this.#publish(), wait)
  }

  #publish(): void {
    const state = this.#awareness.getLocalState()
    if (state === null || !this.#view.hasFocus) return
    this.#published = performance.now()
    const { anchor, head } = this.#view.state.selection.main
    const cursor = {
      anchor: Y.createRelativePositionFromTypeIndex(this.#text, anchor),
      head: Y.createRelativePositionFromTypeIndex(this.#text, head),
    }
    if (samePlace(state['cursor'], cursor)) return
    this.#awareness.setLocalStateField('cursor', cursor)
  }

  #draw(view: EditorView): DecorationSet {
    const ranges: Range<Decoration>[] = []
    let drawn = 0
    for (const [id, state] of this.#awareness.getStates()) {
      if (id === this.#awareness.clientID || drawn >= CARETS) continue
      const place = this.#placeOf(state['cursor'], view.state.doc.length)
      if (place === null) continue
      drawn += 1
      const person = personIn(state, id)
      const [from, to] = place.anchor < place.head ? [place.anchor, place.head] : [place.head, place.anchor]
      if (from < to) {
        const style = `background-color: ${person.color}33`
        ranges.push(Decoration.mark({ class: 'cm-remote-selection', attributes: { style } }).range(from, to))
      }
      const widget = new Caret(person, JSON.stringify(state['cursor']))
      ranges.push(Decoration.widget({ widget, side: place.head > place.anchor ? -1 : 1 }).range(place.head))
    }
    return Decoration.set(ranges, true)
  }

  #placeOf(cursor: unknown, length: number): { readonly anchor: number; readonly head: number } | null {
    const [anchor, head] = [this.#indexOf(cursor, 'anchor'), this.#indexOf(cursor, 'head')]
    // While a remote edit is on its way into the editor, the document is ahead of the view.
    return anchor === null || head === null || anchor > length || head > length ? null : { anchor, head }
  }

  #indexOf(cursor: unknown, end: 'anchor' | 'head'): number | null {
    const doc = this.#text.doc
    if (typeof cursor !== 'object' || cursor === null || doc === null) return null
    try {
      const position = Y.createRelativePositionFromJSON((cursor as Record<string, unknown>)[end])
      const place = Y.createAbsolutePositionFromRelativePosition(position, doc)
      return place !== null && place.type === this.#text ? place.index : null
    } catch {
      return null
    }
  }
}

function samePlace(before: unknown, now: Readonly<Record<'anchor' | 'head', Y.RelativePosition>>): boolean {
  return JSON.stringify(before) === JSON.stringify(now)
}

class Caret extends WidgetType {
  readonly #person: Person
  /** Where its owner put it. Only a move of theirs shows the name again, not text that shifts under it. */
  readonly #place: string

  constructor(person: Person, place: string) {
    super()
    this.#person = person
    this.#place = place
  }

  override eq(other: Caret): boolean {
    const [mine, theirs] = [this.#person, other.#person]
    return this.#place === other.#place && mine.name === theirs.name && mine.color === theirs.color
  }

  override toDOM(): HTMLElement {
    const caret = document.createElement('span')
    caret.className = 'cm-remote-caret'
    caret.style.borderColor = this.#person.color
    // The list of people says who is here; a screen reader in the middle of a line should read the line.
    caret.setAttribute('aria-hidden', 'true')
    const label = document.createElement('span')
    label.className = 'cm-remote-name'
    label.textContent = this.#person.name
    label.style.backgroundColor = this.#person.color
    label.style.color = inkOn(this.#person.color)
    caret.append('\u2060', label)
    return caret
  }

  override ignoreEvent(): boolean {
    return true
  }
}

const theme = EditorView.baseTheme({
  '.cm-remote-caret': {
    position: 'relative',
    borderLeft: '2px solid',
    marginLeft: '-1px',
    marginRight: '-1px',
    pointerEvents: 'auto',
  },
  '.cm-remote-name': {
    position: 'absolute',
    left: '-2px',
    top: '-1.45em',
    padding: '0 .45em',
    borderRadius: '.3em .3em .3em 0',
    font: '600 .7em/1.55 var(--sans)',
    whiteSpace: 'nowrap',
    userSelect: 'none',
    pointerEvents: 'none',
    zIndex: 5,
    animation: 'cm-remote-name 4s ease-out forwards',
  },
  // In the first line there is no room above.
  '.cm-line:first-child .cm-remote-name': { top: '1.35em', borderRadius: '0 .3em .3em .3em' },
  '.cm-remote-caret:hover .cm-remote-name': { animation: 'none', opacity: 1 },
  '@keyframes cm-remote-name': { '0%, 75%': { opacity: 1 }, '100%': { opacity: 0 } },
})
