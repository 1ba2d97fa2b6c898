/**
 * Edits that begin or end inside a surrogate pair are widened to whole characters. Browsers and input methods
 * produce them: replacing one emoji by another of the same block changes the second half only. Yjs cannot
 * carry such an edit to everybody unharmed, and the server refuses it.
 */
import { EditorState, Transaction, type Text, type TransactionSpec } from '@codemirror/state'
import { ySyncAnnotation } from 'y-codemirror.next'

/** With the flag `u` this matches halves that stand alone, never those of a pair. */
const LONE_HALF = /\p{Surrogate}/gu

export const wholeCharacters = EditorState.transactionFilter.of((transaction) => {
  const remote: unknown = transaction.annotation(ySyncAnnotation)
  if (!transaction.docChanged || remote !== undefined || !cutsCharacters(transaction)) return transaction
  return widened(transaction)
})

function cutsCharacters(transaction: Transaction): boolean {
  const doc = transaction.startState.doc
  let cuts = false
  transaction.changes.iterChanges((fromA, toA, _fromB, _toB, inserted) => {
    cuts ||= insidePair(doc, fromA) || insidePair(doc, toA) || inserted.toString().search(LONE_HALF) >= 0
  })
  return cuts
}

/** One change in place of all: it spans them, ends between characters and leaves no half behind. */
function widened(transaction: Transaction): TransactionSpec {
  const { startState, newDoc, changes } = transaction
  const doc = startState.doc
  let [firstA, firstB, lastA, lastB] = [doc.length, newDoc.length, 0, 0]
  changes.iterChanges((fromA, toA, fromB, toB) => {
    firstA = Math.min(firstA, fromA)
    firstB = Math.min(firstB, fromB)
    lastA = Math.max(lastA, toA)
    lastB = Math.max(lastB, toB)
  })
  const from = insidePair(doc, firstA) ? firstA - 1 : firstA
  const to = insidePair(doc, lastA) ? lastA + 1 : lastA
  const text = doc.sliceString(from, firstA) + newDoc.sliceString(firstB, lastB) + doc.sliceString(lastA, to)
  const insert = text.replace(LONE_HALF, '')
  const userEvent = transaction.annotation(Transaction.userEvent)
  return {
    changes: { from, to, insert: startState.toText(insert) },
    selection: insert.length === text.length ? transaction.newSelection : { anchor: from + insert.length },
    scrollIntoView: transaction.scrollIntoView,
    ...(userEvent === undefined ? {} : { userEvent }),
  }
}

function insidePair(doc: Text, at: number): boolean {
  if (at <= 0 || at >= doc.length) return false
  return /^[\uD800-\uDBFF][\uDC00-\uDFFF]$/.test(doc.sliceString(at - 1, at + 1))
}
