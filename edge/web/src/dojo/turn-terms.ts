/** How turns are to be taken: the form that the host and the sensei have for it. */
import { element } from '../page/element.ts'
import { labelled, make, makeChoice, makeMenu } from '../page/make.ts'
import { say } from '../page/wording.ts'
import { leads, type Scene } from './scene.ts'
import { FORMAT_NAMES, ROTATION_NAMES } from './turn-words.ts'

/** The server's longest turn, min. */
const LONGEST = 240

export interface TurnTerms {
  readonly format: string
  readonly rotation: string
  /** 0: a turn ends by hand only. */
  readonly turnSeconds: number
}

export class TurnTermsMenu {
  readonly #button = element('turn-terms-button', HTMLButtonElement)
  readonly #menu: HTMLElement
  readonly #format = makeChoice(FORMAT_NAMES)
  readonly #rotation = makeChoice(ROTATION_NAMES)
  readonly #rotationField = labelled(say('Next pilot', 'Próximo piloto'), this.#rotation)
  readonly #minutes = make('input', {
    type: 'number',
    min: 0,
    max: LONGEST,
    step: 'any',
    required: true,
    inputmode: 'decimal',
  })
  readonly #trouble = make('p', { class: 'trouble', role: 'alert' })
  readonly #explain: (error: unknown) => string

  /** @param apply - take turns so from now on. @param explain - an error in words. */
  constructor(apply: (terms: TurnTerms) => Promise<void>, explain: (error: unknown) => string) {
    this.#explain = explain
    const save = make('button', { type: 'submit', class: 'primary' }, say('Apply', 'Aplicar'))
    const form = make(
      'form',
      { class: 'menu-form' },
      labelled(say('Format', 'Formato'), this.#format),
      this.#rotationField,
      labelled(say('Minutes each (0: no limit)', 'Minutos por vez (0: sem limite)'), this.#minutes),
      this.#trouble,
      save,
    )
    this.#menu = makeMenu('turn-terms-menu', say('How turns are taken', 'Como é o rodízio'), this.#button, form)
    this.#button.hidden = true
    this.#format.addEventListener('change', () => this.#fit())
    form.addEventListener('submit', (event) => {
      event.preventDefault()
      void this.#save(apply)
    })
  }

  show(scene: Scene, administrator: boolean): void {
    const { turn } = scene
    this.#button.hidden = turn === null || !leads(scene, administrator)
    // What somebody is choosing is left alone.
    if (turn === null || this.#menu.matches(':popover-open')) return
    this.#format.value = turn.format
    this.#rotation.value = turn.rotation
    this.#minutes.value = String(Math.round(turn.durationMs / 600) / 100)
    this.#fit()
  }

  #fit(): void {
    this.#rotationField.hidden = this.#format.value !== 'RANDORI'
  }

  async #save(apply: (terms: TurnTerms) => Promise<void>): Promise<void> {
    this.#trouble.textContent = ''
    const turnSeconds = Math.round(this.#minutes.valueAsNumber * 60)
    try {
      await apply({ format: this.#format.value, rotation: this.#rotation.value, turnSeconds })
      this.#menu.hidePopover()
    } catch (error) {
      this.#trouble.textContent = this.#explain(error)
    }
  }
}
