/** What the live socket says of a room's voice, and what this window knows from it. Values; nothing is shown here. */
import { records } from '../dojo/messages.ts'

export interface Talker {
  readonly userId: string
  /** What its packets call it, and the slots. */
  readonly number: number
  /** By themselves or the host. */
  readonly muted: boolean
  readonly mutedByHost: boolean
  readonly maySpeak: boolean
  readonly connected: boolean
}

export interface VoiceState {
  readonly type: 'VOICE_STATE'
  readonly recording: boolean
  /** What is wrong with the recording, in the server's words; empty if nothing is. */
  readonly recordingTrouble: string
  /** Participant numbers. */
  readonly speaking: readonly number[]
  /** Whom this window hears, slot by slot. */
  readonly slots: readonly (number | null)[]
  /** Null: the same as before. */
  readonly people: readonly Talker[] | null
}

/** The server of this room's voice is gone. */
export interface VoiceLost {
  readonly type: 'VOICE_LOST'
  /** To wait before the next offer, ms. */
  readonly retryAfter: number
}

/** To what this window asked over the socket. */
export interface VoiceAnswer {
  readonly type: 'VOICE_ANSWER' | 'VOICE_CANDIDATE' | 'VOICE_SERVERS'
  readonly ref: string
  readonly sdp: string
  readonly peer: string
  readonly etag: string
  readonly iceServers: readonly RTCIceServer[]
}

export type VoiceMessage = VoiceState | VoiceLost | VoiceAnswer

export interface VoiceScene {
  /** By user id: who is in. */
  readonly people: ReadonlyMap<string, Talker>
  /** User ids. */
  readonly speaking: ReadonlySet<string>
  readonly recording: boolean
  readonly recordingTrouble: string
}

export const SILENCE: VoiceScene = { people: new Map(), speaking: new Set(), recording: false, recordingTrouble: '' }

type Fields = Readonly<Record<string, unknown>>

/** The message in a text frame; null for one that is not of voice. */
export function readVoice(fields: Fields): VoiceMessage | null {
  const { type, ref } = fields
  switch (type) {
    case 'VOICE_STATE':
      return {
        type,
        recording: fields['recording'] === true,
        recordingTrouble: text(fields['recordingTrouble']),
        speaking: list(fields['speaking']).filter(isNumber),
        slots: list(fields['slots']).map((slot) => (isNumber(slot) ? slot : null)),
        people: Array.isArray(fields['people']) ? records(fields['people']).flatMap(talker) : null,
      }
    case 'VOICE_LOST':
      return { type, retryAfter: isNumber(fields['retryAfterMs']) ? Math.max(0, fields['retryAfterMs']) : 0 }
    case 'VOICE_ANSWER':
    case 'VOICE_CANDIDATE':
    case 'VOICE_SERVERS':
      return typeof ref === 'string'
        ? {
            type,
            ref,
            sdp: text(fields['sdp']),
            peer: text(fields['peer']),
            etag: text(fields['etag']),
            iceServers: iceServersIn(fields),
          }
        : null
    default:
      return null
  }
}

/** What is known after a message. */
export function heard(scene: VoiceScene, message: VoiceState | VoiceLost): VoiceScene {
  if (message.type === 'VOICE_LOST') return SILENCE
  const people = message.people === null ? scene.people : new Map(message.people.map((one) => [one.userId, one]))
  const speaking = [...people.values()].filter(({ number }) => message.speaking.includes(number))
  const { recording, recordingTrouble } = message
  return { people, speaking: new Set(speaking.map(({ userId }) => userId)), recording, recordingTrouble }
}

/** `iceServers` of an answer, as a browser takes them. */
export function iceServersIn(fields: Fields): readonly RTCIceServer[] {
  return records(fields['iceServers']).map(({ urls, username, credential }) => ({
    urls: list(urls).filter((url) => typeof url === 'string'),
    ...(typeof username === 'string' ? { username } : {}),
    ...(typeof credential === 'string' ? { credential } : {}),
  }))
}

function talker({ userId, number, muted, mutedByHost, maySpeak, connected }: Fields): readonly Talker[] {
  if (typeof userId !== 'string' || !isNumber(number)) return []
  return [
    {
      userId,
      number,
      muted: muted === true,
      mutedByHost: mutedByHost === true,
      maySpeak: maySpeak !== false,
      connected: connected === true,
    },
  ]
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value)
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : ''
}
