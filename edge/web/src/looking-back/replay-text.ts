/** The text of a replay, with who typed what in their colour. */
import { EditorState, StateEffect, StateField, type Range } from '@codemirror/state'
import { Decoration, EditorView, highlightSpecialChars, lineNumbers, type DecorationSet } from '@codemirror/view'
import { languageOf } from '../editor/language.ts'
import { theme } from '../editor/theme.ts'
import { say } from '../page/wording.ts'
import { textOf, type Runs } from './runs.ts'

/** What is brought into view stands at least so far from the edge, px. */
const NEAR = { y: 'nearest', yMargin: 60 } as const

const recolor = StateEffect.define<DecorationSet>()

const colors = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update: (before, { effects }) => effects.find((effect) => effect.is(recolor))?.value ?? before,
  provide: (field) => EditorView.decorations.from(field),
})

export class ReplayText {
  readonly #view: EditorView
  readonly #colorOf: (userId: string) => string
  #file: string | null = null

  /** @param colorOf - a person's colour, `#rrggbb`. */
  constructor(parent: HTMLElement, colorOf: (userId: string) => string) {
    this.#view = new EditorView({ parent })
    this.#colorOf = colorOf
  }

  /** @param place - what to bring into view, an offset; null for nothing. */
  show(file: string, runs: Runs, place: number | null): void {
    const text = textOf(runs)
    if (file !== this.#file) {
      this.#file = file
      this.#view.setState(EditorState.create({ doc: text, extensions: extensions(file) }))
    }
    const before = this.#view.state.doc.toString()
    this.#view.dispatch({
      changes: before === text ? [] : difference(before, text),
      effects: [
        recolor.of(this.#colored(runs)),
        ...(place === null ? [] : [EditorView.scrollIntoView(Math.min(place, text.length), NEAR)]),
      ],
    })
  }

  #colored(runs: Runs): DecorationSet {
    const marks: Range<Decoration>[] = []
    let at = 0
    for (const { by, text } of runs) {
      const end = at + text.length
      if (by !== null && text !== '') {
        const attributes = { style: `--of: ${this.#colorOf(by)}`, 'data-by': by }
        marks.push(Decoration.mark({ class: 'typed-by', attributes }).range(at, end))
      }
      at = end
    }
    return Decoration.set(marks)
  }
}

/** What changed, as one replacement: playing on must not draw the whole text anew. */
function difference(before: string, after: string) {
  const most = Math.min(before.length, after.length)
  let head = 0
  while (head < most && before[head] === after[head]) head += 1
  let tail = 0
  while (tail < most - head && before.at(-1 - tail) === after.at(-1 - tail)) tail += 1
  return { from: head, to: before.length - tail, insert: after.slice(head, after.length - tail) }
}

function extensions(file: string) {
  return [
    colors,
    // A carriage return is a character of the text: offsets count it.
    EditorState.lineSeparator.of('\n'),
    EditorState.readOnly.of(true),
    EditorView.editable.of(false),
    lineNumbers(),
    highlightSpecialChars(),
    languageOf(file),
    theme,
    EditorView.contentAttributes.of({ 'aria-label': say(`${file}, replay`, `${file}, replay`), tabindex: '0' }),
  ]
}
