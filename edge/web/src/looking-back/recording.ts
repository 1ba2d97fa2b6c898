/** A replay as the API tells it, line by line, and what the files were at any place in it. Values; nothing is shown here. */
import { isRecord } from '../account/api.ts'
import { records } from '../dojo/messages.ts'
import { edited, textOf, type Edit, type Runs } from './runs.ts'

/** Changes between two states that are kept: seeking plays at most this many. */
const KEEP_EVERY = 250
/** What passes between two changes counts as this at most, ms: nobody watches others think. */
const LONGEST_PAUSE = 3_000

export interface Change {
  /** Unix ms. */
  readonly at: number
  readonly by: string
  readonly file: string
  readonly edits: readonly Edit[]
}

export interface RecordedPerson {
  readonly userId: string
  readonly userName: string
}

/** A turn that ended; times in Unix ms. */
export interface RecordedTurn {
  readonly number: number
  readonly pilot: string
  readonly startedAt: number
  readonly endedAt: number
}

/** Path -> text, with who typed it. */
export type Files = ReadonlyMap<string, Runs>

/** The lines are none of a replay, or they break off before its end. */
export class BrokenRecording extends Error {
  override name = 'BrokenRecording'
}

export class Recording {
  /** Unix ms. */
  readonly from: number
  /** Whether it begins where the room did. */
  readonly complete: boolean
  readonly people: readonly RecordedPerson[]
  readonly turns: readonly RecordedTurn[]
  readonly changes: readonly Change[]
  /** When each change shows in the player, ms from its beginning: long pauses are cut. */
  readonly #shownAt: readonly number[]
  readonly #keyframes: ReadonlyMap<number, Files>
  /** By the number of changes made. */
  readonly #kept = new Map<number, Files>()
  #last: { readonly count: number; readonly files: Files }

  /** @throws BrokenRecording */
  constructor(lines: readonly string[]) {
    const { header, changes, keyframes } = parsed(lines)
    this.from = Number(header['from'])
    this.complete = header['complete'] === true
    this.people = records(header['people']).map(({ userId, userName }) => ({
      userId: String(userId),
      userName: String(userName),
    }))
    this.turns = records(header['turns']).map(({ number, pilot, startedAt, endedAt }) => ({
      number: Number(number),
      pilot: String(pilot),
      startedAt: Number(startedAt),
      endedAt: Number(endedAt),
    }))
    this.changes = changes
    this.#keyframes = keyframes
    let [shown, before] = [0, this.from]
    this.#shownAt = changes.map(({ at }) => {
      shown += Math.min(Math.max(0, at - before), LONGEST_PAUSE)
      before = at
      return shown
    })
    this.#last = { count: 0, files: keyframes.get(0) ?? new Map() }
    this.#kept.set(0, this.#last.files)
  }

  /** How long the player takes at its usual speed, ms. */
  get length(): number {
    return this.#shownAt.at(-1) ?? 0
  }

  /** How many changes were made up to this place, ms from the beginning as the player counts. */
  countAt(place: number): number {
    let [low, high] = [0, this.#shownAt.length]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((this.#shownAt[middle] ?? 0) <= place) low = middle + 1
      else high = middle
    }
    return low
  }

  /** The moment of the last of so many changes, Unix ms. */
  momentOf(count: number): number {
    return this.changes[count - 1]?.at ?? this.from
  }

  /** The turn that ran at this moment; null if it is not known. */
  turnAt(moment: number): RecordedTurn | null {
    return this.turns.find(({ startedAt, endedAt }) => startedAt <= moment && moment < endedAt) ?? null
  }

  /** The files after so many changes. */
  filesAfter(count: number): Files {
    const near = Math.floor(count / KEEP_EVERY) * KEEP_EVERY
    let from = this.#last.count <= count ? this.#last : { count: 0, files: this.#kept.get(0) ?? new Map() }
    for (let kept = near; kept > from.count; kept -= KEEP_EVERY) {
      const files = this.#kept.get(kept)
      if (files !== undefined) from = { count: kept, files }
    }
    const files = new Map(from.files)
    for (let made = from.count; made < count; made += 1) {
      const change = this.changes[made]
      if (change === undefined) break
      files.set(change.file, edited(files.get(change.file) ?? [], change.edits, change.by))
      const keyframe = this.#keyframes.get(made + 1)
      if (keyframe !== undefined) correct(files, keyframe)
      if ((made + 1) % KEEP_EVERY === 0) this.#kept.set(made + 1, new Map(files))
    }
    this.#last = { count, files }
    return files
  }
}

/** A keyframe is exactly what the files were. */
function correct(files: Map<string, Runs>, keyframe: Files): void {
  for (const path of files.keys()) if (!keyframe.has(path)) files.delete(path)
  for (const [path, runs] of keyframe) if (textOf(files.get(path) ?? []) !== textOf(runs)) files.set(path, runs)
}

function parsed(lines: readonly string[]) {
  let header: Readonly<Record<string, unknown>> | null = null
  let whole = false
  const changes: Change[] = []
  const keyframes = new Map<number, Files>()
  for (const line of lines) {
    const fields: unknown = JSON.parse(line)
    if (!isRecord(fields)) throw new BrokenRecording('a line is no object')
    if (fields['type'] === 'header') header = fields
    else if (fields['type'] === 'keyframe' && isRecord(fields['files'])) {
      const files = Object.entries(fields['files'])
      keyframes.set(changes.length, new Map(files.map(([path, text]) => [path, [{ by: null, text: String(text) }]])))
    } else if (fields['type'] === 'change') {
      changes.push({
        at: Number(fields['at']),
        by: String(fields['userId']),
        file: String(fields['file']),
        edits: records(fields['edits']).map(({ from, to, insert }) => ({
          from: Number(from),
          to: Number(to),
          insert: String(insert),
        })),
      })
    } else if (fields['type'] === 'end') whole = true
  }
  if (header === null || !whole) throw new BrokenRecording('the replay broke off')
  return { header, changes, keyframes }
}
