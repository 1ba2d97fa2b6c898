/** How a call is negotiated with the server: over HTTP (WHIP) with an account, over the live socket as a guest. */

/** The server will not have it, or not now. */
export class VoiceRefused extends Error {
  override name = 'VoiceRefused'
  readonly code: string
  /** Whether the same may do later. */
  readonly again: boolean
  /** Not before, ms. */
  readonly after: number

  constructor(code: string, message: string, again: boolean, after = 0) {
    super(message)
    this.code = code
    this.again = again
    this.after = after
  }
}

export interface Answered {
  readonly sdp: string
  /** What the connection is called when it is restarted or left. */
  readonly peer: string
  /** Names the ICE session. */
  readonly etag: string
}

/** All of these throw VoiceRefused, and what the session throws. */
export interface VoiceWire {
  iceServers(): Promise<readonly RTCIceServer[]>
  offer(sdp: string): Promise<Answered>
  /** @returns the server's fragment, and the next ETag */
  restart(peer: string, etag: string, fragment: string): Promise<Pick<Answered, 'sdp' | 'etag'>>
  leave(peer: string): Promise<void>
}
