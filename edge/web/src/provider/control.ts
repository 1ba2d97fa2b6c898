/** The JSON text frames of `dojo.v1`, checked field by field: what passes has the shape its type says. */

/** What the server says in a text frame. Times are Unix milliseconds. */
export type ControlMessage =
  | { readonly type: 'joined'; readonly userId: string; readonly canWrite: boolean; readonly expiresAt: number }
  | { readonly type: 'saved'; readonly upTo: number }
  | { readonly type: 'unsaved'; readonly reason: string }
  | { readonly type: 'writable'; readonly value: boolean; readonly reason: string | null }
  | { readonly type: 'reset'; readonly reason: string }
  | { readonly type: 'renewed'; readonly expiresAt: number; readonly canWrite: boolean }
  | { readonly type: 'error'; readonly code: string; readonly message: string }
  /** A type of which only the application knows. One that nobody knows is ignored: the server may say more later. */
  | { readonly type: 'other'; readonly fields: Readonly<Record<string, unknown>> }

/** The text frame is no message of `dojo.v1`. */
export class MalformedControl extends Error {
  override name = 'MalformedControl'
}

/**
 * Read one text frame.
 * @throws MalformedControl if it is no JSON object with a `type`, or a known type lacks a field.
 */
export function parseControl(text: string): ControlMessage {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new MalformedControl('a text frame is not JSON', { cause: error })
  }
  if (typeof value !== 'object' || value === null) throw new MalformedControl('a text frame is not an object')
  const fields = value as Readonly<Record<string, unknown>>
  const type = stringField(fields, 'type')
  switch (type) {
    case 'joined':
      return {
        type,
        userId: stringField(fields, 'userId'),
        canWrite: booleanField(fields, 'canWrite'),
        expiresAt: countField(fields, 'expiresAt'),
      }
    case 'saved':
      return { type, upTo: countField(fields, 'upTo') }
    case 'unsaved':
    case 'reset':
      return { type, reason: stringField(fields, 'reason') }
    case 'writable':
      return {
        type,
        value: booleanField(fields, 'value'),
        reason: typeof fields['reason'] === 'string' ? fields['reason'] : null,
      }
    case 'renewed':
      return { type, expiresAt: countField(fields, 'expiresAt'), canWrite: booleanField(fields, 'canWrite') }
    case 'error':
      return { type, code: stringField(fields, 'code'), message: stringField(fields, 'message') }
    default:
      return { type: 'other', fields }
  }
}

/** The one text frame this client sends of itself: a fresh token for the connection that is open. */
export function authMessage(token: string): string {
  return JSON.stringify({ type: 'auth', token })
}

function stringField(fields: Readonly<Record<string, unknown>>, name: string): string {
  const value = fields[name]
  if (typeof value !== 'string') throw new MalformedControl(`"${name}" is not a string`)
  return value
}

function booleanField(fields: Readonly<Record<string, unknown>>, name: string): boolean {
  const value = fields[name]
  if (typeof value !== 'boolean') throw new MalformedControl(`"${name}" is not a boolean`)
  return value
}

/** A whole number that is not negative: a count, or a time in Unix milliseconds. */
function countField(fields: Readonly<Record<string, unknown>>, name: string): number {
  const value = fields[name]
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw new MalformedControl(`"${name}" is not a count`)
  return value as number
}
