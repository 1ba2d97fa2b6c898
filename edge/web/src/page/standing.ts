/** How things stand, in words for people. Nothing here may sound better than it is. */
import type { ProviderStatus } from '../provider/index.ts'

export type StandingKey =
  | 'connecting'
  | 'live'
  | 'saving'
  | 'saved'
  | 'unsaved'
  | 'offline'
  | 'paused'
  | 'read-only'
  | 'refused'

export interface Standing {
  readonly key: StandingKey
  readonly label: string
  /** A sentence to show above the text, where there is more to say. */
  readonly detail: string | null
  /** Whether the text may be edited. */
  readonly editable: boolean
}

const PAUSED: Readonly<Record<string, string>> = {
  backlog_full: 'Storage has not answered for a while, so the room takes no more edits until it does.',
  engine_faults: 'The room takes no edits for a few minutes, because some of them could not be processed.',
}

/**
 * @param edited - whether this window has edited since it was opened: only then "saved" says something.
 * @param known - whether the room's text has arrived here at least once.
 */
export function standingOf(status: ProviderStatus, edited: boolean, known: boolean): Standing {
  const { connection, refusal } = status
  if (refusal !== null) {
    const kept = edited ? ' Your text stays in this window; copy what you need.' : ''
    return { key: 'refused', label: 'Not connected', detail: refusal.explanation + kept, editable: false }
  }
  if (connection === 'open' && status.synced) return connectedStanding(status, edited)
  if (status.failures > 0 || connection === 'idle') {
    const detail = known
      ? 'No connection at the moment. Your edits are kept in this window and follow as soon as it is back.'
      : 'No connection to the server yet. Trying again.'
    return { key: 'offline', label: 'Offline', detail, editable: known && status.canWrite }
  }
  return { key: 'connecting', label: 'Connecting…', detail: null, editable: known && status.canWrite }
}

function connectedStanding(status: ProviderStatus, edited: boolean): Standing {
  if (!status.canWrite) {
    const detail = 'You are watching: your ticket allows no edits.'
    return { key: 'read-only', label: 'Read-only', detail, editable: false }
  }
  if (!status.writable) {
    const detail = PAUSED[status.writableReason ?? ''] ?? 'The room takes no edits at the moment.'
    return { key: 'paused', label: 'Edits paused', detail, editable: false }
  }
  if (!status.saved && status.unsavedReason !== null) {
    const detail = 'Everybody sees your edits, but storage does not answer. They are saved as soon as it does.'
    return { key: 'unsaved', label: 'Not saved yet', detail, editable: true }
  }
  if (!edited) return { key: 'live', label: 'Live', detail: null, editable: true }
  if (!status.saved) return { key: 'saving', label: 'Saving…', detail: null, editable: true }
  return { key: 'saved', label: 'Saved', detail: null, editable: true }
}
