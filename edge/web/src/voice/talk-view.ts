/** The buttons of talking, and how one's own voice does. */
import { element } from '../page/element.ts'
import { say } from '../page/wording.ts'

export interface TalkShown {
  readonly inCall: boolean
  readonly muted: boolean
  readonly hasMicrophone: boolean
  /** Whether a microphone may be asked for (again). */
  readonly mayAsk: boolean
  readonly recording: boolean
  /** What is wrong with the recording, for who can do something about it. */
  readonly recordingTrouble: string
  readonly standing: string
  readonly trouble: string
}

export interface TalkButtons {
  join(): void
  leave(): void
  mute(): void
  microphone(): void
}

export class TalkView {
  readonly #section = element('talk', HTMLElement)
  readonly #join = element('talk-join', HTMLButtonElement)
  readonly #mute = element('talk-mute', HTMLButtonElement)
  readonly #microphone = element('talk-microphone', HTMLButtonElement)
  readonly #leave = element('talk-leave', HTMLButtonElement)
  readonly #standing = element('talk-standing', HTMLElement)
  readonly #trouble = element('talk-trouble', HTMLElement)
  readonly #recording = element('talk-recording', HTMLElement)
  readonly #recordingTrouble = element('talk-recording-trouble', HTMLElement)

  constructor(buttons: TalkButtons) {
    this.#join.addEventListener('click', () => buttons.join())
    this.#mute.addEventListener('click', () => buttons.mute())
    this.#microphone.addEventListener('click', () => buttons.microphone())
    this.#leave.addEventListener('click', () => buttons.leave())
  }

  /** Where there is nobody to talk to there is no button. */
  offer(offered: boolean): void {
    this.#section.hidden = !offered
  }

  show({ inCall, muted, hasMicrophone, mayAsk, recording, recordingTrouble, standing, trouble }: TalkShown): void {
    const focused = document.activeElement
    this.#join.hidden = inCall
    this.#leave.hidden = !inCall
    this.#mute.hidden = !inCall || !hasMicrophone
    this.#mute.setAttribute('aria-pressed', String(muted))
    this.#microphone.hidden = !inCall || !mayAsk
    // The keyboard stays where it was: on the button that took the place of the one that was pressed.
    if (focused === this.#join && inCall) this.#leave.focus()
    if (focused === this.#leave && !inCall) this.#join.focus()
    tell(this.#recording, recording ? say('This room is being recorded.', 'Esta sala está sendo gravada.') : '')
    tell(this.#recordingTrouble, recordingTrouble)
    tell(this.#standing, standing)
    tell(this.#trouble, trouble)
  }
}

/** What is said again is read out again. */
function tell(where: HTMLElement, text: string): void {
  if (where.textContent !== text) where.textContent = text
}
