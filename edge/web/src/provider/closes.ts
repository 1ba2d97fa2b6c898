/** Close codes as the server uses them: 4400-4499 for good, everything else worth another try. */

/** The token was missing, forged or expired. A fresh one may do. */
export const UNAUTHENTICATED = 4401

const EXPLANATIONS: Readonly<Record<number, string>> = {
  4400: 'The server could not read what this client sent.',
  4401: 'The ticket for this room is not valid any more.',
  4403: 'You may not enter this room, or not edit in it.',
  4404: 'There is no such room.',
  4409: 'The room is full.',
  4413: 'The document or an edit is too large.',
  4422: 'An edit cut a character in half.',
  4429: 'Too many edits in too short a time.',
}

/** Whether coming back unchanged would end the same way. */
export function isPermanent(code: number): boolean {
  return code >= 4400 && code < 4500
}

/** One sentence for people. */
export function explainClose(code: number, reason: string): string {
  return EXPLANATIONS[code] ?? (reason === '' ? `The server refused the connection (${code}).` : reason)
}

/** The server's words when it held this client at the door, where others decide. */
export const WAITING: ReadonlySet<string> = new Set(['waiting_room', 'not_started'])
