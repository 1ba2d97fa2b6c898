/** The editor of one shared text. */
import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap } from '@codemirror/autocomplete'
import { defaultKeymap, indentWithTab } from '@codemirror/commands'
import { bracketMatching, indentOnInput, indentUnit } from '@codemirror/language'
import { highlightSelectionMatches, searchKeymap } from '@codemirror/search'
import { Compartment, EditorState, Prec, type Extension, type StateCommand } from '@codemirror/state'
import {
  drawSelection,
  dropCursor,
  EditorView,
  highlightActiveLine,
  highlightActiveLineGutter,
  highlightSpecialChars,
  keymap,
  lineNumbers,
  placeholder,
} from '@codemirror/view'
import { yCollab } from 'y-codemirror.next'
import type { Awareness } from 'y-protocols/awareness'
import * as Y from 'yjs'
import { say } from '../page/wording.ts'
import { languageOf } from './language.ts'
import { remoteCursors } from './remote-cursors.ts'
import { theme } from './theme.ts'
import { wholeCharacters } from './whole-characters.ts'

export class Editor {
  readonly #view: EditorView
  readonly #access = new Compartment()
  #editable = false
  #undo: Y.UndoManager | null = null

  /** @param parent - the element that becomes the editor's frame. */
  constructor(parent: HTMLElement) {
    this.#view = new EditorView({ parent })
  }

  /** Show this file of the document from now on. Edits of the text shown before cannot be undone any more. */
  bind(doc: Y.Doc, awareness: Awareness, file: string): void {
    this.#undo?.destroy()
    const text = doc.getText(`file/${file}`)
    this.#undo = new Y.UndoManager(text)
    const extensions = this.#extensions(text, file, awareness, this.#undo)
    this.#view.setState(EditorState.create({ doc: text.toString(), extensions }))
  }

  setEditable(editable: boolean): void {
    if (editable === this.#editable) return
    this.#editable = editable
    this.#view.dispatch({ effects: this.#access.reconfigure(access(editable)) })
  }

  focus(): void {
    this.#view.focus()
  }

  #extensions(text: Y.Text, file: string, awareness: Awareness, undoManager: Y.UndoManager): Extension {
    const history = (step: () => unknown): StateCommand => ({ state }) => {
      if (!state.readOnly) step()
      return true
    }
    const undo = history(() => undoManager.undo())
    const redo = history(() => undoManager.redo())
    return [
      this.#access.of(access(this.#editable)),
      wholeCharacters,
      // The binding's own handler of the browser's undo command does not ask whether the text may be edited.
      Prec.highest(
        EditorView.domEventHandlers({
          beforeinput: (event, { state }) => state.readOnly && event.inputType.startsWith('history'),
        }),
      ),
      yCollab(text, null, { undoManager }),
      remoteCursors(text, awareness),
      lineNumbers(),
      highlightActiveLine(),
      highlightActiveLineGutter(),
      highlightSpecialChars(),
      drawSelection(),
      dropCursor(),
      EditorState.allowMultipleSelections.of(true),
      EditorState.tabSize.of(4),
      indentUnit.of(file.endsWith('.py') ? '    ' : '  '),
      indentOnInput(),
      bracketMatching(),
      closeBrackets(),
      autocompletion(),
      highlightSelectionMatches(),
      languageOf(file),
      placeholder(say('Type here: everybody in the room sees it at once.', 'Escreva aqui: todos veem na hora.')),
      theme,
      EditorView.contentAttributes.of({
        'aria-label': say(`${file}, shared text`, `${file}, texto compartilhado`),
        spellcheck: 'false',
      }),
      keymap.of([
        { key: 'Mod-z', run: undo, preventDefault: true },
        { key: 'Mod-y', mac: 'Mod-Shift-z', run: redo, preventDefault: true },
        { key: 'Mod-Shift-z', run: redo, preventDefault: true },
        ...closeBracketsKeymap,
        ...completionKeymap,
        ...searchKeymap,
        ...defaultKeymap,
        indentWithTab,
      ]),
    ]
  }
}

function access(editable: boolean): Extension {
  return [
    EditorState.readOnly.of(!editable),
    EditorView.editorAttributes.of({ 'data-editable': String(editable) }),
  ]
}
