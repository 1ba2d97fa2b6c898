/** Unified diffs, shown line by line. What is new and what is gone is told by a sign, not by colour alone. */
import { make } from '../page/make.ts'
import { say } from '../page/wording.ts'
import type { FileChange } from './past-api.ts'

const KINDS: Readonly<Record<string, string>> = {
  ADDED: say('new', 'novo'),
  REMOVED: say('gone', 'removido'),
  CHANGED: say('changed', 'alterado'),
}

const LINES: Readonly<Record<string, string>> = { '+': 'added', '-': 'removed', '@': 'hunk' }

export function diffView(files: readonly FileChange[]): HTMLElement {
  const view = make('div', { class: 'diff' })
  if (files.length === 0) view.append(make('p', { class: 'nothing' }, say('Nothing is different.', 'Nada mudou.')))
  for (const { file, change, diff } of files) {
    const heading = make('h4', {}, file, ' ', make('span', { class: 'menu-more' }, KINDS[change] ?? change))
    const lines = make('pre', { tabindex: 0, 'aria-label': say(`Changes of ${file}`, `Mudanças em ${file}`) })
    for (const line of diff.replace(/\n$/, '').split('\n')) {
      lines.append(make('span', { class: 'diff-line', 'data-kind': LINES[line.slice(0, 1)] ?? 'same' }, line), '\n')
    }
    view.append(heading, lines)
  }
  return view
}
