/** What a member had written when its document was refused. */
import * as Y from 'yjs'

/** One text in which the refused document and the server's differ. */
export interface DraftText {
  /** Name of the root text, `file/main.py`. */
  readonly name: string
  /** The member's own version, with what the server refused. */
  readonly mine: string
  /** The version everybody else sees. */
  readonly theirs: string
}

/**
 * The root texts in which `mine` differs from `theirs`, by name. Only texts the application has opened
 * (`doc.getText(name)`) are known as texts; other shared types have no form a person could paste.
 */
export function draftOf(mine: Y.Doc, theirs: Y.Doc): readonly DraftText[] {
  const draft: DraftText[] = []
  for (const [name, type] of mine.share) {
    if (!(type instanceof Y.Text)) continue
    const own = type.toString()
    const other = theirs.getText(name).toString()
    if (own !== other) draft.push({ name, mine: own, theirs: other })
  }
  return draft.sort((a, b) => (a.name < b.name ? -1 : 1))
}
