/** What a dojo's live socket says in JSON, checked field by field. Whatever is not of its shape is no message. */
import { isRecord } from '../account/api.ts'

export type Role = 'HOST' | 'SENSEI' | 'PILOT' | 'COPILOT' | 'PARTICIPANT' | 'OBSERVER'
export type Phase = 'FREE' | 'WAITING' | 'RUNNING' | 'PAUSED' | 'BREAK' | 'ENDING'

export interface Connected {
  readonly type: 'CONNECTION_STATUS'
  readonly userId: string
  readonly userName: string
  readonly role: Role
  readonly roomId: string
  readonly dojoName: string
  /** `SCHEDULED` or `ACTIVE`. */
  readonly dojoStatus: string
}

export interface Participant {
  readonly userId: string
  readonly userName: string
  readonly role: Role
  readonly isHost: boolean
  readonly isGuest: boolean
  readonly connected: boolean
}

export interface ParticipantList {
  readonly type: 'PARTICIPANT_LIST'
  readonly participants: readonly Participant[]
}

export interface ChatMessage {
  readonly type: 'CHAT_MESSAGE'
  readonly messageId: string
  readonly userId: string
  readonly userName: string
  readonly content: string
  /** RFC 3339. */
  readonly timestamp: string
  /** What this window gave it to know it by; null for everybody else's. */
  readonly ref: string | null
}

export interface Roles {
  readonly type: 'ROLES'
  readonly sensei: string | null
  readonly pilot: string | null
  readonly copilot: string | null
  /** Who may write besides the pilot. */
  readonly writers: readonly string[]
}

export interface Turn {
  readonly type: 'TURN'
  readonly state: Phase
  readonly pilot: string | null
  readonly copilot: string | null
  readonly number: number
  /** Of a turn, or of the break; by the server's clock, ms. Null while nothing runs. */
  readonly endsAt: number | null
  readonly remainingMs: number | null
  /** How long a turn is; 0: it ends by hand only. */
  readonly durationMs: number
  /** When the server said so, by its clock, ms. */
  readonly serverTime: number
  readonly format: string
  readonly rotation: string
  /** Raised hands, first come first. */
  readonly hands: readonly string[]
  readonly order: readonly string[]
}

export interface TurnEnding {
  readonly type: 'turn.ending'
  readonly number: number | null
}

export interface Complaint {
  readonly type: 'ERROR'
  readonly code: string
  readonly message: string
  readonly ref: string | null
}

/** What came of `RUN_CODE`. */
export interface RunResult {
  readonly type: 'CODE_EXECUTION_RESULT'
  readonly status: string
  readonly output: string
  readonly error: string
  /** ms. */
  readonly executionTime: number
  readonly ref: string | null
}

export type DojoMessage = Connected | ParticipantList | ChatMessage | Roles | Turn | TurnEnding | RunResult | Complaint

type Fields = Readonly<Record<string, unknown>>

const ROLES: readonly string[] = ['HOST', 'SENSEI', 'PILOT', 'COPILOT', 'PARTICIPANT', 'OBSERVER']
const PHASES: readonly string[] = ['FREE', 'WAITING', 'RUNNING', 'PAUSED', 'BREAK', 'ENDING']

/** The message in a text frame; null for one that is not the dojo's, or not of its shape. */
export function readMessage(fields: Fields): DojoMessage | null {
  switch (fields['type']) {
    case 'CONNECTION_STATUS':
      return fields['status'] === 'CONNECTED' && isText(fields['userId'])
        ? {
            type: 'CONNECTION_STATUS',
            userId: fields['userId'],
            userName: text(fields['userName']),
            role: role(fields['role']),
            roomId: text(fields['roomId']),
            dojoName: text(fields['dojoName']),
            dojoStatus: text(fields['dojoStatus']),
          }
        : null
    case 'PARTICIPANT_LIST':
      return { type: 'PARTICIPANT_LIST', participants: records(fields['participants']).flatMap(participant) }
    case 'CHAT_MESSAGE':
      return chatMessage(fields)
    case 'ROLES':
      return {
        type: 'ROLES',
        sensei: id(fields['sensei']),
        pilot: id(fields['pilot']),
        copilot: id(fields['copilot']),
        writers: ids(fields['writers']),
      }
    case 'TURN':
      return turn(fields)
    case 'turn.ending':
      return { type: 'turn.ending', number: number(fields['number']) }
    case 'CODE_EXECUTION_RESULT':
      return {
        type: 'CODE_EXECUTION_RESULT',
        status: text(fields['status']),
        output: text(fields['output']),
        error: text(fields['error']),
        executionTime: number(fields['executionTime']) ?? 0,
        ref: id(fields['ref']),
      }
    case 'ERROR':
      return { type: 'ERROR', code: text(fields['code']), message: text(fields['message']), ref: id(fields['ref']) }
    default:
      return null
  }
}

/** A chat message, from the socket or out of the history. */
export function chatMessage(fields: Fields): ChatMessage | null {
  const { messageId, userId, content } = fields
  if (!isText(messageId) || !isText(userId) || !isText(content)) return null
  const [userName, timestamp] = [text(fields['userName']), text(fields['timestamp'])]
  return { type: 'CHAT_MESSAGE', messageId, userId, userName, content, timestamp, ref: id(fields['ref']) }
}

function turn(fields: Fields): Turn | null {
  const { state, serverTime } = fields
  if (!isText(state) || !PHASES.includes(state) || typeof serverTime !== 'number') return null
  return {
    type: 'TURN',
    state: state as Phase,
    pilot: id(fields['pilot']),
    copilot: id(fields['copilot']),
    number: number(fields['number']) ?? 0,
    endsAt: number(fields['endsAt']),
    remainingMs: number(fields['remainingMs']),
    durationMs: number(fields['durationMs']) ?? 0,
    serverTime,
    format: text(fields['format']),
    rotation: text(fields['rotation']),
    hands: ids(fields['hands']),
    order: ids(fields['order']),
  }
}

function participant(fields: Fields): readonly Participant[] {
  const { userId } = fields
  if (!isText(userId)) return []
  return [
    {
      userId,
      userName: text(fields['userName']),
      role: role(fields['role']),
      isHost: fields['isHost'] === true,
      isGuest: fields['isGuest'] === true,
      connected: fields['connected'] !== false,
    },
  ]
}

/** The records in a list, whatever else is in it. */
export function records(value: unknown): readonly Fields[] {
  return Array.isArray(value) ? (value as readonly unknown[]).filter(isRecord) : []
}

function role(value: unknown): Role {
  return isText(value) && ROLES.includes(value) ? (value as Role) : 'PARTICIPANT'
}

function ids(value: unknown): readonly string[] {
  return Array.isArray(value) ? (value as readonly unknown[]).filter(isText) : []
}

function id(value: unknown): string | null {
  return isText(value) ? value : null
}

function number(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null
}

function text(value: unknown): string {
  return isText(value) ? value : ''
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}
