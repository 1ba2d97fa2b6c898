/** One RTCPeerConnection with the server: made once, with one section that sends and three that receive. */
import { answerWith, fragmentOf } from './sdp-fragment.ts'
import type { VoiceWire } from './voice-wire.ts'

/** How many others are heard at once: the server has no more for anybody. */
export const SLOTS = 3
/** What is taken, the first preferred: each packet of RED carries the one before, so that a lost one is rebuilt. */
const CODECS = ['audio/red', 'audio/opus']

export interface ConnectionHost {
  connected(): void
  disconnected(): void
  failed(): void
  /** The server has ended it. */
  goodbye(): void
}

export class VoiceConnection {
  readonly #wire: VoiceWire
  readonly #pc: RTCPeerConnection
  readonly #sends: RTCRtpTransceiver
  readonly #receives: readonly RTCRtpTransceiver[]
  #peer: string | null = null
  #etag = '*'
  #closed = false
  #restarting: Promise<void> | null = null

  /** @param track - what is said; null for who only listens so far. */
  constructor(wire: VoiceWire, iceServers: readonly RTCIceServer[], track: MediaStreamTrack | null, host: ConnectionHost) {
    this.#wire = wire
    const pc = (this.#pc = new RTCPeerConnection({ iceServers: [...iceServers], bundlePolicy: 'max-bundle' }))
    this.#sends = pc.addTransceiver(track ?? 'audio', { direction: 'sendonly' })
    this.#receives = Array.from({ length: SLOTS }, () => pc.addTransceiver('audio', { direction: 'recvonly' }))
    for (const transceiver of [this.#sends, ...this.#receives]) preferRed(transceiver)
    // A page that goes away has time for nothing else.
    addEventListener('pagehide', this.#end)
    pc.addEventListener('connectionstatechange', () => {
      if (this.#closed) return
      if (pc.connectionState === 'connected') host.connected()
      else if (pc.connectionState === 'disconnected') host.disconnected()
      else if (pc.connectionState === 'failed' && !this.#goodbye) host.failed()
    })
    pc.addEventListener('signalingstatechange', () => {
      const { transport } = this.#sends.sender
      if (transport === null || transport.onstatechange !== null) return
      transport.onstatechange = () => {
        if (this.#goodbye && !this.#closed) host.goodbye()
      }
    })
  }

  /** What is heard, slot by slot; the tracks are the same as long as the connection lives. */
  get tracks(): readonly MediaStreamTrack[] {
    return this.#receives.map(({ receiver }) => receiver.track)
  }

  /** DTLS was closed from the other side. */
  get #goodbye(): boolean {
    return this.#sends.sender.transport?.state === 'closed'
  }

  /** Offer, and take the answer. Candidates are not waited for: the answer names the server's. @throws as the wire */
  async open(): Promise<void> {
    await this.#pc.setLocalDescription()
    const answered = await this.#wire.offer(this.#pc.localDescription?.sdp ?? '')
    this.#peer = answered.peer
    this.#etag = answered.etag
    // Nobody would ever hear of it again.
    if (this.#closed) await this.#wire.leave(answered.peer)
    else await this.#pc.setRemoteDescription({ type: 'answer', sdp: answered.sdp })
  }

  /** Look for another way to the server; keys and slots stay. @throws as the wire */
  async restart(): Promise<void> {
    // The one under way looks at all there is by now, too.
    this.#restarting ??= this.#restart().finally(() => (this.#restarting = null))
    await this.#restarting
  }

  async #restart(): Promise<void> {
    const pc = this.#pc
    const before = pc.remoteDescription?.sdp
    if (this.#peer === null || before === undefined || pc.signalingState !== 'stable') return
    await pc.setLocalDescription(await pc.createOffer({ iceRestart: true }))
    try {
      const answered = await this.#wire.restart(this.#peer, this.#etag, fragmentOf(pc.localDescription?.sdp ?? ''))
      this.#etag = answered.etag
      if (!this.#closed) await pc.setRemoteDescription({ type: 'answer', sdp: answerWith(before, answered.sdp) })
    } catch (error) {
      if (!this.#closed) await pc.setLocalDescription({ type: 'rollback' })
      throw error
    }
  }

  /** Say this from now on; nothing has to be negotiated. */
  async speak(track: MediaStreamTrack | null): Promise<void> {
    await this.#sends.sender.replaceTrack(track)
  }

  /** End it: nothing is said or heard from now on. The server is told; without a word it would wait 30 s. */
  close(): void {
    if (this.#closed) return
    const known = this.#goodbye
    this.#closed = true
    if (this.#peer === null || known) this.#end()
    else {
      void this.speak(null).catch(() => {})
      // In this order: closing says goodbye to the server as well, which knows nobody of that name then.
      void this.#wire.leave(this.#peer).catch(() => {}).finally(this.#end)
    }
  }

  readonly #end = (): void => {
    removeEventListener('pagehide', this.#end)
    this.#pc.close()
  }
}

function preferRed(transceiver: RTCRtpTransceiver): void {
  const { codecs } = RTCRtpReceiver.getCapabilities('audio') ?? { codecs: [] }
  const wanted = CODECS.flatMap((name) => codecs.filter(({ mimeType }) => mimeType.toLowerCase() === name))
  if (wanted.length > 0) transceiver.setCodecPreferences(wanted)
}
