/** The language of a file, by its ending. */
import { javascript } from '@codemirror/lang-javascript'
import { python } from '@codemirror/lang-python'
import type { Extension } from '@codemirror/state'

/** Syntax and completion for `file`; plain text if its ending is not known. */
export function languageOf(file: string): Extension {
  const ending = file.slice(file.lastIndexOf('.') + 1).toLowerCase()
  switch (ending) {
    case 'py':
      return python()
    case 'js':
    case 'mjs':
    case 'cjs':
      return javascript()
    case 'jsx':
      return javascript({ jsx: true })
    case 'ts':
      return javascript({ typescript: true })
    case 'tsx':
      return javascript({ jsx: true, typescript: true })
    default:
      return []
  }
}
