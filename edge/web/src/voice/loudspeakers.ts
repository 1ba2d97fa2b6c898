/** What plays the slots: an audio element each, which stay as speakers and connections come and go. */
import { SLOTS } from './voice-connection.ts'

export class Loudspeakers {
  readonly #elements: readonly HTMLAudioElement[]

  constructor(parent: HTMLElement) {
    this.#elements = Array.from({ length: SLOTS }, (_, slot) => {
      const audio = document.createElement('audio')
      audio.dataset['slot'] = String(slot)
      parent.append(audio)
      return audio
    })
  }

  /** Play these, slot by slot. */
  play(tracks: readonly MediaStreamTrack[]): void {
    this.#elements.forEach((audio, slot) => {
      const track = tracks[slot]
      audio.srcObject = track === undefined ? null : new MediaStream([track])
      // A browser may want a click first. There was one, on the button; after a reload of the page's own there is none.
      if (track !== undefined) audio.play().catch(() => addEventListener('click', () => void audio.play(), { once: true }))
    })
  }
}
