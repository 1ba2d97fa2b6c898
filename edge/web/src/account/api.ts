/** Requests to Dojo's HTTP API: JSON in, JSON out, problems (RFC 9457) as errors with their stable code. */

/** For the API to answer, or to go on with a long answer, ms. */
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

/** A request whose body is no JSON. */
export interface AskText {
  readonly method: 'POST' | 'PATCH'
  /** Its media type. */
  readonly type: string
  readonly body: string
  /** An ETag, as the server wrote it. */
  readonly ifMatch?: string
}

export interface TextAnswer {
  readonly text: string
  readonly headers: Headers
}

/**
 * Ask the API of this page's own origin; cookies travel along.
 * @returns the decoded body, or null where there is none (204).
 * @throws ApiProblem, ApiAway
 */
export async function ask(path: string, { method = 'POST', body, token }: Ask): Promise<unknown> {
  const requestId = newRequestId()
  const asked = request({ method, body, token }, requestId, AbortSignal.timeout(REQUEST_TIMEOUT))
  return decoded((await answered(path, asked, requestId)).text)
}

/**
 * Ask with, and for, something else than JSON.
 * @throws ApiProblem, ApiAway
 */
export async function askText(path: string, { method, type, body, ifMatch }: AskText, token: string): Promise<TextAnswer> {
  const requestId = newRequestId()
  const asked = request({ method, token }, requestId, AbortSignal.timeout(REQUEST_TIMEOUT))
  const headers = { ...asked.headers, 'Content-Type': type, ...(ifMatch === undefined ? {} : { 'If-Match': ifMatch }) }
  return answered(path, { ...asked, headers, body }, requestId)
}

async function answered(path: string, asked: RequestInit, requestId: string): Promise<TextAnswer> {
  let response: Response
  let text: string
  try {
    response = await fetch(path, asked)
    text = await response.text()
  } catch (error) {
    throw new ApiAway('the server did not answer', { cause: error })
  }
  if (!response.ok) throw problemOf(response, text, requestId)
  return { text, headers: response.headers }
}

/**
 * Ask for an answer of JSON lines, which may be long.
 * @throws ApiProblem, ApiAway
 */
export async function askLines(path: string, token: string): Promise<readonly string[]> {
  const requestId = newRequestId()
  const silence = new AbortController()
  const giveUp = () => silence.abort(new Error('nothing came for too long'))
  let timer = setTimeout(giveUp, REQUEST_TIMEOUT)
  try {
    const response = await fetch(path, request({ method: 'GET', token }, requestId, silence.signal))
    if (!response.ok) throw problemOf(response, await response.text(), requestId)
    let text = ''
    const decoder = new TextDecoder()
    const reader = response.body?.getReader()
    for (let piece = await reader?.read(); piece?.value !== undefined; piece = await reader?.read()) {
      clearTimeout(timer)
      timer = setTimeout(giveUp, REQUEST_TIMEOUT)
      text += decoder.decode(piece.value, { stream: true })
    }
    return text.split('\n').filter((line) => line !== '')
  } catch (error) {
    if (error instanceof ApiProblem) throw error
    throw new ApiAway('the server did not answer', { cause: error })
  } finally {
    clearTimeout(timer)
  }
}

function request({ method, body, token }: Loose<Ask>, requestId: string, signal: AbortSignal): Request {
  const headers: Record<string, string> = { 'X-Request-ID': requestId }
  if (body !== undefined) headers['Content-Type'] = 'application/json'
  if (token !== undefined) headers['Authorization'] = `Bearer ${token}`
  return {
    method: method ?? 'POST',
    headers,
    cache: 'no-store',
    signal,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  }
}

type Request = RequestInit & { readonly headers: Readonly<Record<string, string>> }
type Loose<T> = { readonly [K in keyof T]?: T[K] | undefined }

function problemOf(response: Response, text: string, requestId: string): ApiProblem {
  return new ApiProblem({
    status: response.status,
    retryAfter: secondsToWait(response.headers.get('Retry-After'), Date.now()),
    requestId: response.headers.get('X-Request-ID') ?? requestId,
    document: decoded(text),
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
