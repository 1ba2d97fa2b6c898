/** The HTTP API of what was written in a dojo: snapshots, replay, summary. */
import { isRecord, textIn } from '../account/api.ts'
import type { AccountSession } from '../account/session.ts'
import { records } from '../dojo/messages.ts'
import { Recording } from './recording.ts'

export interface Snapshot {
  readonly snapshotId: string
  /** RFC 3339. */
  readonly timestamp: string
  /** `DEMAND`, `RUN` or `END`. */
  readonly reason: string
  readonly userId: string | null
  /** Bytes. */
  readonly size: number
}

export interface FileChange {
  readonly file: string
  /** `ADDED`, `REMOVED` or `CHANGED`. */
  readonly change: string
  /** The hunks of a unified diff. */
  readonly diff: string
}

/** Characters are UTF-16 code units, times seconds. */
export interface PersonSummary {
  readonly userId: string
  readonly userName: string
  readonly isGuest: boolean
  readonly typed: number
  readonly deleted: number
  readonly messages: number
  readonly piloted: number
  readonly copiloted: number
  readonly present: number
}

export interface RoomTotals {
  readonly roomId: string
  readonly name: string
  readonly turns: number
  readonly duration: number
  readonly typed: number
  readonly deleted: number
  readonly messages: number
  /** False: a part of what was typed is not kept any more. */
  readonly complete: boolean
}

export interface Summary {
  readonly startedAt: string | null
  readonly endedAt: string | null
  readonly duration: number
  readonly people: readonly PersonSummary[]
  readonly rooms: readonly RoomTotals[]
}

/** Snapshots that a list has room for; the newest. */
const LISTED = 50
/** Between two looks at a restoration, and until when it counts as left for whoever opens the room next, ms. */
const RESTORE_LOOK = 250
const RESTORE_TIME = 10_000

export class PastApi {
  readonly #session: AccountSession
  readonly #dojo: string

  constructor(session: AccountSession, dojo: string) {
    this.#session = session
    this.#dojo = `/api/v1/dojos/${encodeURIComponent(dojo)}`
  }

  /** @throws as all of these: SessionEnded, ApiProblem, ApiAway */
  async summary(): Promise<Summary> {
    const answer = await this.#get(`${this.#dojo}/summary`)
    const fields = isRecord(answer) ? answer : {}
    return {
      startedAt: text(fields['startedAt']) || null,
      endedAt: text(fields['endedAt']) || null,
      duration: number(fields['duration']),
      people: records(fields['people']).map((person) => ({
        userId: text(person['userId']),
        userName: text(person['userName']),
        isGuest: person['isGuest'] === true,
        typed: number(person['typed']),
        deleted: number(person['deleted']),
        messages: number(person['messages']),
        piloted: number(person['piloted']),
        copiloted: number(person['copiloted']),
        present: number(person['present']),
      })),
      rooms: records(fields['rooms']).map((room) => ({
        roomId: text(room['roomId']),
        name: text(room['name']),
        turns: number(room['turns']),
        duration: number(room['duration']),
        typed: number(room['typed']),
        deleted: number(room['deleted']),
        messages: number(room['messages']),
        complete: room['complete'] !== false,
      })),
    }
  }

  /** @throws BrokenRecording besides */
  async replay(room: string): Promise<Recording> {
    return new Recording(await this.#session.askLines(`${this.#room(room)}/replay`))
  }

  /** The newest first. */
  async snapshots(room: string): Promise<readonly Snapshot[]> {
    const answer = await this.#get(`${this.#room(room)}/snapshots?pageSize=${LISTED}&sortOrder=desc`)
    return records(isRecord(answer) ? answer['items'] : null).map((snapshot) => ({
      snapshotId: textIn(snapshot, 'snapshotId'),
      timestamp: textIn(snapshot, 'timestamp'),
      reason: text(snapshot['reason']),
      userId: text(snapshot['userId']) || null,
      size: number(snapshot['size']),
    }))
  }

  async takeSnapshot(room: string): Promise<void> {
    await this.#session.ask(`${this.#room(room)}/snapshots`, {})
  }

  /** What changed since a snapshot. @param other - until this one; null: until now. */
  async compare(room: string, snapshot: string, other: string | null): Promise<readonly FileChange[]> {
    const query = other === null ? '' : `?${new URLSearchParams({ with: other })}`
    const answer = await this.#get(`${this.#room(room)}/snapshots/${snapshot}/compare${query}`)
    return records(isRecord(answer) ? answer['files'] : null).map((file) => ({
      file: text(file['file']),
      change: text(file['change']),
      diff: text(file['diff']),
    }))
  }

  /** Bring the code of a snapshot back; true when it is done, false if it waits for somebody to open the room. */
  async restore(room: string, snapshot: string): Promise<boolean> {
    const path = `${this.#room(room)}/snapshots/${snapshot}/restore`
    const command = textIn(await this.#session.ask(path, {}), 'commandId')
    const deadline = performance.now() + RESTORE_TIME
    while (performance.now() < deadline) {
      const answer = await this.#get(`${this.#room(room)}/restores/${command}`)
      if (isRecord(answer) && typeof answer['outcome'] === 'string') return true
      await new Promise((resolve) => setTimeout(resolve, RESTORE_LOOK))
    }
    return false
  }

  #room(room: string): string {
    return `${this.#dojo}/rooms/${encodeURIComponent(room)}`
  }

  #get(path: string): Promise<unknown> {
    return this.#session.ask(path, { method: 'GET' })
  }
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function number(value: unknown): number {
  return typeof value === 'number' ? value : 0
}
