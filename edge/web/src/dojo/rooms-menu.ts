/** The rooms of a dojo side by side: who pilots in each, a way into it, and for who runs it making and closing them. */
import { dojoFragment } from '../page/address.ts'
import { element } from '../page/element.ts'
import { labelled, make, makeButton, makeMenu } from '../page/make.ts'
import { say } from '../page/wording.ts'
import type { DojoSummary, RoomSummary } from './dojo-api.ts'
import type { RoomsApi } from './rooms-api.ts'

/** Between two looks while the menu is open, ms. Nobody is told of other rooms. */
const LOOK_EVERY = 5_000

export interface RoomsHost {
  readonly api: RoomsApi
  /** Which room this window is in; null before it is in one. */
  here(): string | null
  /** Look at the dojo again. */
  look(): Promise<void>
  lookBack(room: string): void
  explain(error: unknown): string
}

export interface RoomsRights {
  /** Whether one runs the dojo. */
  readonly runs: boolean
  readonly userId: string | null
}

export class RoomsMenu {
  readonly #host: RoomsHost
  readonly #button = element('rooms-button', HTMLButtonElement)
  readonly #list = make('ul', { class: 'rooms', id: 'rooms' })
  readonly #form: HTMLFormElement
  readonly #name = make('input', { name: 'room', maxlength: 100, required: true, autocomplete: 'off' })
  readonly #trouble = make('p', { class: 'trouble', role: 'alert' })
  #dojo: DojoSummary | null = null
  #drawn = ''
  #looking: ReturnType<typeof setInterval> | undefined

  constructor(host: RoomsHost) {
    this.#host = host
    const open = make('button', { type: 'submit', class: 'quiet' }, say('Open a room', 'Abrir sala'))
    const name = labelled(say('Another room', 'Outra sala'), this.#name)
    this.#form = make('form', { class: 'menu-form menu-group', hidden: true }, name, open)
    this.#form.addEventListener('submit', (event) => {
      event.preventDefault()
      this.#do(async (dojo) => {
        await host.api.create(dojo.dojoId, this.#name.value)
        this.#name.value = ''
      })
    })
    const menu = makeMenu('rooms-menu', say('Rooms', 'Salas'), this.#button, this.#list, this.#form, this.#trouble)
    this.#button.hidden = true
    menu.addEventListener('toggle', (event) => {
      clearInterval(this.#looking)
      if ((event as ToggleEvent).newState !== 'open') return
      void host.look()
      this.#looking = setInterval(() => void host.look(), LOOK_EVERY)
    })
  }

  show(dojo: DojoSummary, rights: RoomsRights): void {
    this.#dojo = dojo
    const { rooms, status } = dojo
    const active = rooms.filter((room) => room.active)
    this.#button.hidden = rooms.length < 2 && !rights.runs
    this.#button.dataset['count'] = active.length < 2 ? '' : String(active.length)
    this.#form.hidden = !rights.runs || !['SCHEDULED', 'ACTIVE'].includes(status)
    const here = this.#host.here()
    const drawn = JSON.stringify([rooms, here, rights])
    if (drawn === this.#drawn) return
    this.#drawn = drawn
    this.#list.replaceChildren(...rooms.map((room) => this.#row(dojo, room, here, rights)))
  }

  #row(dojo: DojoSummary, room: RoomSummary, here: string | null, { runs, userId }: RoomsRights): HTMLLIElement {
    const { roomId, name, active, isMain, pilotName, people } = room
    const facts = [
      pilotName === null ? '' : say(`${pilotName} pilots`, `${pilotName} pilota`),
      active ? say(`${people} here`, `${people} aqui`) : say('closed', 'encerrada'),
      roomId === here ? say('you are here', 'você está aqui') : '',
    ]
    const about = make('span', { class: 'menu-more' }, facts.filter((fact) => fact !== '').join(' · '))
    const told = make('span', { class: 'room-about' }, make('span', { class: 'name' }, name), about)
    const item = make('li', { 'data-room': roomId }, told)
    if (roomId === here) item.setAttribute('aria-current', 'true')
    if (active && roomId !== here) {
      const label = say(`Go into ${name}`, `Entrar em ${name}`)
      const href = dojoFragment(dojo.dojoId, isMain ? null : roomId)
      item.append(make('a', { class: 'quiet', href, 'aria-label': label }, say('Go in', 'Entrar')))
    }
    if (!active) item.append(makeButton(say('Look back', 'Rever'), () => this.#host.lookBack(roomId)))
    if (active && !isMain && (runs || room.senseiId === userId)) {
      item.append(
        makeButton(say('Solved', 'Resolvido'), () => this.#close(room, 'FINISHED')),
        makeButton(say('Not solved', 'Não resolvido'), () => this.#close(room, 'FAILED')),
      )
    }
    return item
  }

  #close({ roomId, name }: RoomSummary, outcome: 'FINISHED' | 'FAILED'): void {
    const question = say(
      `Close “${name}” for everybody? It can be read afterwards.`,
      `Encerrar “${name}” para todos? Dá para reler depois.`,
    )
    if (confirm(question)) this.#do((dojo) => this.#host.api.complete(dojo.dojoId, roomId, outcome))
  }

  #do(work: (dojo: DojoSummary) => Promise<void>): void {
    const dojo = this.#dojo
    if (dojo === null) return
    this.#trouble.textContent = ''
    void work(dojo)
      .catch((error: unknown) => (this.#trouble.textContent = this.#host.explain(error)))
      .then(() => this.#host.look())
  }
}
