/** What those who lead can do about everybody's voice in the room: a menu beside one's own buttons. */
import { element } from '../page/element.ts'
import { make, makeButton, makeMenu } from '../page/make.ts'
import { say } from '../page/wording.ts'
import type { RoomVoice } from './room-voice.ts'
import { explainRecordingWish } from './talk-words.ts'

/** Between the button and its menu, and below that, px. */
const GAP = 6
/** What the menu needs at least to be of use, px; the rest is scrolled. */
const LEAST = 260

export interface RoomVoiceHost {
  /** @throws as the API does; null: one is in no room yet. */
  read(): Promise<RoomVoice | null>
  /** @throws as the API does */
  change(change: Partial<RoomVoice>): Promise<RoomVoice | null>
  muteAll(muted: boolean): void
  /** An error in words. */
  explain(error: unknown): string
}

export interface RoomVoiceShown {
  /** Whether there is anything to lead. */
  readonly leads: boolean
  /** Whether one may set how the room talks. */
  readonly runs: boolean
  readonly recorded: boolean
  /** Whether somebody is muted by the host. */
  readonly anyMuted: boolean
}

export class RoomVoiceMenu {
  readonly #host: RoomVoiceHost
  readonly #button = element('talk-room-button', HTMLButtonElement)
  readonly #menu: HTMLElement
  readonly #unmuteAll: HTMLButtonElement
  readonly #greenOnly = new Tick(
    say('Talk on green only', 'Falar só no verde'),
    say(
      'While the code is red only pilot, co-pilot and sensei are heard.',
      'Enquanto o código está vermelho, só se ouvem piloto, copiloto e sensei.',
    ),
  )
  readonly #recording = new Tick(say('Record what is said', 'Gravar o que é dito'), '')
  readonly #terms: HTMLElement
  readonly #trouble = make('p', { class: 'trouble', role: 'alert' })
  #recorded = false
  /** Which question to the API is the newest: an older one's answer is news of yesterday. */
  #asked = 0

  constructor(host: RoomVoiceHost) {
    this.#host = host
    const mute = (muted: boolean) => () => {
      host.muteAll(muted)
      this.#menu.hidePopover()
    }
    const muteAll = makeButton(say('Mute all', 'Silenciar todos'), mute(true))
    this.#unmuteAll = makeButton(say('Let all talk again', 'Deixar todos falar'), mute(false))
    this.#terms = make('div', { class: 'menu-group' }, this.#greenOnly.line, this.#recording.line)
    const title = say('Voice in this room', 'Voz nesta sala')
    this.#menu = makeMenu('room-voice-menu', title, this.#button, muteAll, this.#unmuteAll, this.#terms, this.#trouble)
    this.#button.hidden = true
    this.#greenOnly.onChange((greenOnly) => this.#set({ greenOnly }))
    this.#recording.onChange((recording) => this.#set({ recording }))
    // Before it opens: there is nothing to see of it elsewhere.
    this.#button.addEventListener('click', () => this.#place())
    this.#menu.addEventListener('toggle', (event) => {
      if ((event as ToggleEvent).newState === 'open' && !this.#terms.hidden) void this.#ask(() => host.read())
    })
  }

  show({ leads, runs, recorded, anyMuted }: RoomVoiceShown): void {
    this.#button.hidden = !leads
    if (!leads && this.#menu.matches(':popover-open')) this.#menu.hidePopover()
    this.#terms.hidden = !runs
    this.#unmuteAll.hidden = !anyMuted
    if (recorded === this.#recorded) return
    this.#recorded = recorded
    // Whoever else runs the dojo may have begun it, or ended it.
    if (this.#menu.matches(':popover-open') && runs) void this.#ask(() => this.#host.read())
  }

  /** Under its button, so that what it changes is to be seen beside it. */
  #place(): void {
    const top = Math.min(this.#button.getBoundingClientRect().bottom + GAP, Math.max(GAP, innerHeight - LEAST))
    this.#menu.style.top = `${top}px`
    this.#menu.style.maxHeight = `${innerHeight - top - GAP}px`
  }

  #set(change: Partial<RoomVoice>): void {
    void this.#ask(() => this.#host.change(change))
  }

  async #ask(question: () => Promise<RoomVoice | null>): Promise<void> {
    const asked = (this.#asked += 1)
    this.#trouble.textContent = ''
    try {
      const set = await question()
      if (asked === this.#asked) this.#fill(set)
    } catch (error) {
      if (asked !== this.#asked) return
      this.#trouble.textContent = this.#host.explain(error)
      this.#greenOnly.reset()
      this.#recording.reset()
    }
  }

  #fill(set: RoomVoice | null): void {
    this.#greenOnly.fill(set?.greenOnly ?? null)
    this.#recording.fill(set?.recording ?? null)
    this.#recording.hint = explainRecordingWish(set?.recording === true, this.#recorded)
  }
}

/** A box to tick, with a line that says what it does. As long as nobody knows whether it is ticked it cannot be. */
class Tick {
  readonly line: HTMLElement
  readonly #box: HTMLInputElement
  readonly #hint: HTMLElement
  #known: boolean | null = null

  constructor(label: string, hint: string) {
    const id = `tick-${(ticks += 1)}`
    this.#box = make('input', { type: 'checkbox', 'aria-describedby': id, disabled: true })
    this.#hint = make('p', { class: 'tick-hint', id }, hint)
    this.line = make('div', {}, make('label', { class: 'tick' }, this.#box, make('span', {}, label)), this.#hint)
  }

  set hint(text: string) {
    if (this.#hint.textContent !== text) this.#hint.textContent = text
  }

  onChange(changed: (ticked: boolean) => void): void {
    this.#box.addEventListener('change', () => changed(this.#box.checked))
  }

  fill(ticked: boolean | null): void {
    this.#known = ticked
    this.reset()
  }

  /** As it is known to be. */
  reset(): void {
    this.#box.disabled = this.#known === null
    this.#box.checked = this.#known === true
  }
}

let ticks = 0
