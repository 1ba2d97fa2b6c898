/** Requests to Dojo's HTTP API: JSON in, JSON out, problems (RFC 9457) as errors with their stable code. */

/** For the API to answer, ms. */
const REQUEST_TIMEOUT = 10_000

/** The API answered that it will not, or cannot. */
export class ApiProblem extends Error {
  override name = 'ApiProblem'
  readonly status: number
  /** Stable and for programs: `invalid_credentials`. Empty if something in between answered. */
  readonly code: string
  /** Seconds to wait before asking again, if the server named them. */
  readonly retryAfter: number | null
  /** What the server's log calls this request. */
  readonly requestId: string
  /** Everything the problem document says, its own members included. */
  readonly document: Readonly<Record<string, unknown>>

  constructor(answer: { status: number; retryAfter: number | null; requestId: string; document: unknown }) {
    const document = isRecord(answer.document) ? answer.document : {}
    const said = [document['detail'], document['title']].find((text) => typeof text === 'string' && text !== '')
    super(typeof said === 'string' ? said : `HTTP ${answer.status}`)
    this.status = answer.status
    this.code = typeof document['code'] === 'string' ? document['code'] : ''
    this.retryAfter = answer.retryAfter
    this.requestId = answer.requestId
    this.document = document
  }

  /** Whether the same request may do later. */
  get passing(): boolean {
    return this.status >= 500 || [408, 425, 429].includes(this.status)
  }
}

/** No answer came: no network, no server, or not in time. Whether the request had its effect is not known. */
export class ApiAway extends Error {
  override name = 'ApiAway'
}

export interface Ask {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly body?: object
  /** Sent as bearer. */
  readonly token?: string
}

/**
 * Ask the API of this page's own origin; cookies travel along.
 * @returns the decoded body, or null where there is none (204).
 * @throws ApiProblem, ApiAway
 */
export async function ask(path: string, { method = 'POST', body, token }: Ask): Promise<unknown> {
  const requestId = newRequestId()
  const headers: Record<string, string> = { 'X-Request-ID': requestId }
  if (body !== undefined) headers['Content-Type'] = 'application/json'
  if (token !== undefined) headers['Authorization'] = `Bearer ${token}`
  let response: Response
  let text: string
  try {
    response = await fetch(path, {
      method,
      headers,
      cache: 'no-store',
      signal: AbortSignal.timeout(REQUEST_TIMEOUT),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    text = await response.text()
  } catch (error) {
    throw new ApiAway('the server did not answer', { cause: error })
  }
  const document = decoded(text)
  if (response.ok) return document
  throw new ApiProblem({
    status: response.status,
    retryAfter: secondsToWait(response.headers.get('Retry-After'), Date.now()),
    requestId: response.headers.get('X-Request-ID') ?? requestId,
    document,
  })
}

/** Seconds a Retry-After header asks for: it holds either those or a date (RFC 9110, 10.2.3). `now` in Unix ms. */
export function secondsToWait(header: string | null, now: number): number | null {
  if (header === null) return null
  if (/^\s*\d{1,9}\s*$/.test(header)) return Number(header)
  const date = Date.parse(header)
  return Number.isNaN(date) ? null : Math.max(0, Math.ceil((date - now) / 1000))
}

/**
 * A text field of an answer.
 * @throws Error if it is not there: this page and the API have parted.
 */
export function textIn(document: unknown, field: string): string {
  const value = isRecord(document) ? document[field] : undefined
  if (typeof value !== 'string') throw new Error(`the API answered without "${field}"`)
  return value
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function decoded(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/** crypto.randomUUID is kept away from pages on plain http. */
function newRequestId(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, '0')).join('')
}
