/** Plays a recording: a slider over its time, play and pause, and the text with who typed what. */
import { colorsOf } from '../page/person.ts'
import { make, makeButton, makeChoice } from '../page/make.ts'
import { say } from '../page/wording.ts'
import type { Recording } from './recording.ts'
import { ReplayText } from './replay-text.ts'

/** Steps of the slider: an arrow key moves by one. */
const STEPS = 400
/** The choice of file that goes where the typing is. */
const FOLLOW = ''
const TIME = new Intl.DateTimeFormat(undefined, { dateStyle: 'short', timeStyle: 'medium' })

export class Player {
  readonly element: HTMLElement
  readonly #recording: Recording
  readonly #names: ReadonlyMap<string, string>
  readonly #text: ReplayText
  readonly #play: HTMLButtonElement
  readonly #slider: HTMLInputElement
  readonly #speed = makeChoice({ 1: '1×', 2: '2×', 8: '8×', 32: '32×' }, { 'aria-label': say('Speed', 'Velocidade') })
  readonly #files = makeChoice({}, { 'aria-label': say('File', 'Arquivo') })
  readonly #moment = make('p', { class: 'replay-moment' })
  readonly #who = make('p', { class: 'replay-who' })
  /** As the player counts, ms. */
  #place: number
  #shown = -1
  #file = FOLLOW
  #frame = 0
  #before = 0

  /** @param known - people who have a colour elsewhere in the page, in their order there. */
  constructor(recording: Recording, known: readonly string[]) {
    this.#recording = recording
    this.#names = new Map(recording.people.map(({ userId, userName }) => [userId, userName]))
    const typists = [...new Set(recording.changes.map(({ by }) => by))]
    const colors = colorsOf(new Set([...known, ...typists]))
    this.#place = recording.length
    this.#play = makeButton('', () => this.#toggle(), { class: 'primary' })
    this.#slider = make('input', {
      type: 'range',
      class: 'replay-slider',
      min: 0,
      max: STEPS,
      value: STEPS,
      'aria-label': say('Moment of the replay', 'Momento do replay'),
    })
    this.#slider.addEventListener('input', () => {
      this.#pause()
      this.#go((this.#slider.valueAsNumber / STEPS) * recording.length)
    })
    this.#speed.value = '8'
    this.#files.addEventListener('change', () => {
      this.#file = this.#files.value
      this.#show(true)
    })
    const legend = make('ul', { class: 'replay-legend', 'aria-label': say('Who typed', 'Quem digitou') })
    for (const userId of typists) {
      const mark = make('span', { class: 'replay-mark', 'aria-hidden': 'true' })
      mark.style.setProperty('--of', colors.get(userId) ?? '')
      legend.append(make('li', {}, mark, this.#nameOf(userId)))
    }
    const controls = make('div', { class: 'replay-controls' }, this.#play, this.#slider, this.#speed, this.#files)
    const sheet = make('div', { class: 'replay-text' })
    const line = make('div', { class: 'replay-line' }, this.#moment, this.#who)
    this.element = make('div', { class: 'replay' }, controls, line, legend, sheet)
    this.#text = new ReplayText(sheet, (userId) => colors.get(userId) ?? '')
    this.#showPlaying(false)
    this.#show(true)
  }

  /** Nobody looks any more. */
  stop(): void {
    this.#pause()
  }

  #nameOf(userId: string): string {
    return this.#names.get(userId) ?? say('Somebody', 'Alguém')
  }

  #toggle(): void {
    if (this.#frame !== 0) {
      this.#pause()
      return
    }
    if (this.#place >= this.#recording.length) this.#place = 0
    this.#before = performance.now()
    this.#frame = requestAnimationFrame((now) => this.#tick(now))
    this.#showPlaying(true)
  }

  #pause(): void {
    cancelAnimationFrame(this.#frame)
    this.#frame = 0
    this.#showPlaying(false)
  }

  #tick(now: number): void {
    const passed = Math.max(0, now - this.#before) * Number(this.#speed.value)
    this.#before = now
    this.#go(Math.min(this.#place + passed, this.#recording.length))
    if (this.#place >= this.#recording.length) this.#pause()
    else this.#frame = requestAnimationFrame((next) => this.#tick(next))
  }

  #go(place: number): void {
    this.#place = place
    const { length } = this.#recording
    this.#slider.value = String(length === 0 ? STEPS : Math.round((place / length) * STEPS))
    this.#show(false)
  }

  #show(anew: boolean): void {
    const recording = this.#recording
    const count = recording.countAt(this.#place)
    if (count === this.#shown && !anew) return
    this.#shown = count
    const files = recording.filesAfter(count)
    const change = recording.changes[count - 1]
    this.#offer([...files.keys()])
    const file = this.#file !== FOLLOW && files.has(this.#file) ? this.#file : (change?.file ?? [...files.keys()][0] ?? '')
    const edit = change?.file === file ? change.edits.at(-1) : undefined
    this.#text.show(file, files.get(file) ?? [], edit === undefined ? null : edit.from + edit.insert.length)
    const moment = recording.momentOf(count)
    const turn = recording.turnAt(moment)
    this.#moment.textContent = TIME.format(moment)
    this.#slider.setAttribute('aria-valuetext', TIME.format(moment))
    const told: string[] = []
    if (change !== undefined) {
      const typist = this.#nameOf(change.by)
      told.push(say(`${typist} types in ${change.file}`, `${typist} digita em ${change.file}`))
    }
    if (turn !== null) {
      const pilot = this.#nameOf(turn.pilot)
      told.push(say(`turn ${turn.number}, ${pilot} pilots`, `vez ${turn.number}, ${pilot} pilota`))
    }
    this.#who.textContent = told.join(' · ')
  }

  #offer(paths: readonly string[]): void {
    if (paths.join('\n') === this.#files.dataset['paths']) return
    this.#files.dataset['paths'] = paths.join('\n')
    this.#files.replaceChildren(
      new Option(say('Follow the typing', 'Seguir quem digita'), FOLLOW),
      ...paths.map((path) => new Option(path, path)),
    )
    this.#files.value = paths.includes(this.#file) ? this.#file : FOLLOW
    this.#files.hidden = paths.length < 2
  }

  #showPlaying(plays: boolean): void {
    this.#play.textContent = plays ? say('Pause', 'Pausar') : say('Play', 'Reproduzir')
    this.element.dataset['playing'] = String(plays)
  }
}
