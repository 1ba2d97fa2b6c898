/** The HTTP API of dojos, as far as this page asks it, with the fields it uses. */
import { ApiProblem, isRecord, textIn, type Ask } from '../account/api.ts'
import type { AccountSession } from '../account/session.ts'
import { troubleOf } from '../account/trouble.ts'
import { explainComplaint } from './dojo-words.ts'
import { chatMessage, records, type ChatMessage } from './messages.ts'

export interface RoomSummary {
  readonly roomId: string
  readonly name: string
  readonly active: boolean
  readonly isMain: boolean
  readonly senseiId: string | null
  readonly pilotName: string | null
  /** In it now. */
  readonly people: number
}

export interface DojoSummary {
  readonly dojoId: string
  readonly name: string
  readonly description: string
  readonly language: string
  readonly maxParticipants: number | null
  readonly status: string
  readonly creatorId: string
  readonly creatorName: string
  readonly scheduledStartTime: string | null
  readonly isPrivate: boolean
  readonly locked: boolean
  readonly allowGuests: boolean
  readonly waitingRoom: boolean
  readonly participantCount: number
  readonly rooms: readonly RoomSummary[]
}

/** What a host says of a dojo. */
export interface DojoTerms {
  readonly name: string
  readonly description: string
  readonly language: string
  /** Null: as many as the service allows. */
  readonly maxParticipants: number | null
  readonly isPrivate: boolean
  readonly waitingRoom: boolean
  readonly allowGuests: boolean
  /** RFC 3339; left out: now. */
  readonly scheduledStartTime?: string
}

export interface NewDojo extends DojoTerms {
  readonly initialCode: string
}

export interface WaitingPerson {
  readonly userId: string
  readonly userName: string
}

export interface ChatPage {
  readonly items: readonly ChatMessage[]
  /** Leads to older ones; null if there are none. */
  readonly before: string | null
}

/** Dojos of each kind in a list; who has more searches for them. */
const LISTED = 50

export class DojoApi {
  readonly #session: AccountSession

  constructor(session: AccountSession) {
    this.#session = session
  }

  /** Dojos one may know of. @throws as all of these: SessionEnded, ApiProblem, ApiAway */
  async list(status: 'ACTIVE' | 'SCHEDULED' | 'COMPLETED'): Promise<readonly DojoSummary[]> {
    const order = status === 'SCHEDULED' ? 'sortBy=scheduledStartTime&sortOrder=asc' : 'sortBy=createdAt&sortOrder=desc'
    const answer = await this.#get(`/api/v1/dojos?status=${status}&pageSize=${LISTED}&${order}`)
    return records(isRecord(answer) ? answer['items'] : null).map(summary)
  }

  async get(dojo: string): Promise<DojoSummary> {
    const answer = await this.#get(`/api/v1/dojos/${encodeURIComponent(dojo)}`)
    if (!isRecord(answer)) throw new Error('the API answered without a dojo')
    return summary(answer)
  }

  async create(dojo: NewDojo): Promise<{ readonly dojoId: string; readonly joinCode: string }> {
    const answer = await this.#session.ask('/api/v1/dojos', { body: dojo })
    return { dojoId: textIn(answer, 'dojoId'), joinCode: textIn(answer, 'joinCode') }
  }

  /** Take a seat by a code; answers the dojo's id. */
  async join(joinCode: string): Promise<string> {
    return textIn(await this.#session.ask('/api/v1/dojos/join', { body: { joinCode } }), 'dojoId')
  }

  async rotateCode(dojo: string): Promise<string> {
    return textIn(await this.#session.ask(`/api/v1/dojos/${dojo}/join-code`, {}), 'joinCode')
  }

  /** `start`, `end`, `cancel`, `lock` or `unlock`. */
  async put(dojo: string, what: string): Promise<void> {
    await this.#session.ask(`/api/v1/dojos/${dojo}/${what}`, { method: 'PUT' })
  }

  async change(dojo: string, change: Partial<DojoTerms>): Promise<void> {
    await this.#session.ask(`/api/v1/dojos/${dojo}`, { method: 'PATCH', body: change })
  }

  async waiting(dojo: string): Promise<readonly WaitingPerson[]> {
    const answer = await this.#get(`/api/v1/dojos/${dojo}/participants?status=WAITING`)
    return records(isRecord(answer) ? answer['items'] : null).map((person) => ({
      userId: textIn(person, 'userId'),
      userName: textIn(person, 'userName'),
    }))
  }

  /** About somebody in the dojo. */
  async person(dojo: string, userId: string, what: 'admit' | 'ban' | 'remove' | 'OBSERVER' | 'PARTICIPANT'): Promise<void> {
    const path = `/api/v1/dojos/${dojo}/participants/${userId}`
    const asked: readonly [string, Ask] =
      what === 'admit' || what === 'ban'
        ? [`${path}/${what}`, { method: 'PUT' }]
        : [path, what === 'remove' ? { method: 'DELETE' } : { method: 'PATCH', body: { role: what } }]
    await this.#session.ask(...asked)
  }

  /** @param before - from the page after this one; null for the newest. */
  async chat(dojo: string, room: string, before: string | null): Promise<ChatPage> {
    const query = new URLSearchParams({ roomId: room, ...(before === null ? {} : { before }) })
    return chatPage(await this.#get(`/api/v1/dojos/${dojo}/chat?${query}`))
  }

  #get(path: string): Promise<unknown> {
    return this.#session.ask(path, { method: 'GET' })
  }
}

/** What went wrong with a dojo, in words. */
export function explainError(error: unknown): string {
  const known = error instanceof ApiProblem ? explainComplaint(error.code) : null
  return known ?? troubleOf(error).text
}

/** A page of the history, as the API answers. */
export function chatPage(answer: unknown): ChatPage {
  const page = isRecord(answer) ? answer : {}
  const items = records(page['items']).flatMap((item) => chatMessage(item) ?? [])
  return { items, before: typeof page['before'] === 'string' ? page['before'] : null }
}

function summary(fields: Readonly<Record<string, unknown>>): DojoSummary {
  const text = (name: string) => (typeof fields[name] === 'string' ? fields[name] : '')
  return {
    dojoId: textIn(fields, 'dojoId'),
    name: text('name'),
    description: text('description'),
    maxParticipants: typeof fields['maxParticipants'] === 'number' ? fields['maxParticipants'] : null,
    language: text('language'),
    status: text('status'),
    creatorId: text('creatorId'),
    creatorName: text('creatorName'),
    scheduledStartTime: text('scheduledStartTime') === '' ? null : text('scheduledStartTime'),
    isPrivate: fields['isPrivate'] === true,
    locked: fields['locked'] === true,
    allowGuests: fields['allowGuests'] === true,
    waitingRoom: fields['waitingRoom'] === true,
    participantCount: typeof fields['participantCount'] === 'number' ? fields['participantCount'] : 0,
    rooms: records(fields['rooms']).map((room) => ({
      roomId: textIn(room, 'roomId'),
      name: textIn(room, 'name'),
      active: room['status'] === 'ACTIVE',
      isMain: room['isMain'] === true,
      senseiId: typeof room['senseiId'] === 'string' ? room['senseiId'] : null,
      pilotName: typeof room['pilotName'] === 'string' ? room['pilotName'] : null,
      people: typeof room['participantCount'] === 'number' ? room['participantCount'] : 0,
    })),
  }
}
