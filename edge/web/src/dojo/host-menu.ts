/** What the host of a dojo can do about the whole of it: its code, its door, its beginning and its end. */
import { copyText } from '../page/clipboard.ts'
import { element } from '../page/element.ts'
import { say } from '../page/wording.ts'
import { DojoSettings } from './dojo-settings.ts'
import { explainError, type DojoApi, type DojoSummary } from './dojo-api.ts'
import { HostInvitations } from './host-invitations.ts'
import type { InvitationsApi } from './invitations-api.ts'
import { forgetCode, keptCode, keepCode } from './kept-code.ts'

/** Between two looks at who waits, ms. Nobody is told of them. */
const LOOK_EVERY = 5_000

export class HostMenu {
  readonly #api: DojoApi
  readonly #changed: () => Promise<void>
  readonly #menu = element('host-menu', HTMLElement)
  readonly #button = element('host-button', HTMLButtonElement)
  readonly #code = element('join-code', HTMLOutputElement)
  readonly #hint = element('join-code-hint', HTMLElement)
  readonly #copy = element('copy-code', HTMLButtonElement)
  readonly #newCode = element('new-code', HTMLButtonElement)
  readonly #waiting = element('waiting', HTMLUListElement)
  readonly #trouble = element('host-trouble', HTMLElement)
  readonly #invitations: HostInvitations
  readonly #settings: DojoSettings
  #dojo: DojoSummary | null = null
  #looking: ReturnType<typeof setInterval> | undefined

  /** @param changed - the dojo is another now: look at it again. */
  constructor(api: DojoApi, invitations: InvitationsApi, changed: () => Promise<void>) {
    this.#api = api
    this.#changed = changed
    this.#invitations = new HostInvitations(invitations)
    this.#settings = new DojoSettings(api, changed)
    element('dojo-settings-button', HTMLButtonElement).addEventListener('click', () => {
      if (this.#dojo === null) return
      this.#menu.hidePopover()
      this.#settings.open(this.#dojo)
    })
    this.#copy.addEventListener('click', () => {
      void copyText(this.#code.value).then((copied) => {
        this.#copy.textContent = copied ? say('Copied', 'Copiado') : say('Not copied', 'Não copiado')
      })
    })
    this.#newCode.addEventListener('click', () =>
      this.#do(async (dojo) => keepCode(dojo.dojoId, await api.rotateCode(dojo.dojoId))),
    )
    this.#wire('start-dojo', (dojo) => api.put(dojo.dojoId, 'start'))
    this.#wire('end-dojo', (dojo) => api.put(dojo.dojoId, 'end'), END)
    this.#wire('cancel-dojo', (dojo) => api.put(dojo.dojoId, 'cancel'), CANCEL)
    this.#tick('locked', (dojo, ticked) => api.put(dojo.dojoId, ticked ? 'lock' : 'unlock'))
    this.#tick('guests', (dojo, ticked) => api.change(dojo.dojoId, { allowGuests: ticked }))
    this.#tick('waits', (dojo, ticked) => api.change(dojo.dojoId, { waitingRoom: ticked }))
  }

  /** Show the dojo as it is. */
  show(dojo: DojoSummary): void {
    this.#dojo = dojo
    this.#invitations.show(dojo.dojoId)
    const over = !['SCHEDULED', 'ACTIVE'].includes(dojo.status)
    if (over) forgetCode(dojo.dojoId)
    this.#button.hidden = over
    if (over && this.#menu.matches(':popover-open')) this.#menu.hidePopover()
    const code = keptCode(dojo.dojoId)
    this.#code.value = code ?? '·····-·····'
    this.#copy.hidden = code === null
    this.#copy.textContent = say('Copy', 'Copiar')
    this.#hint.textContent =
      code === null
        ? say('It was shown once. A new one makes it void.', 'Foi mostrado uma vez. Um novo o invalida.')
        : say('Share it with those who shall join.', 'Passe a quem deve participar.')
    element('start-dojo', HTMLElement).hidden = dojo.status !== 'SCHEDULED'
    element('cancel-dojo', HTMLElement).hidden = dojo.status !== 'SCHEDULED'
    element('end-dojo', HTMLElement).hidden = dojo.status !== 'ACTIVE'
    element('locked', HTMLInputElement).checked = dojo.locked
    element('guests', HTMLInputElement).checked = dojo.allowGuests
    element('waits', HTMLInputElement).checked = dojo.waitingRoom
    clearInterval(this.#looking)
    if (over) return
    this.#looking = setInterval(() => void this.#look(), LOOK_EVERY)
    void this.#look()
  }

  /** Show the menu: somebody has just made the dojo and wants its code. */
  open(): void {
    if (!this.#button.hidden && !this.#menu.matches(':popover-open')) this.#menu.showPopover()
  }

  /** Who waits at the door. */
  async #look(): Promise<void> {
    const dojo = this.#dojo
    if (dojo === null || document.hidden) return
    try {
      const people = await this.#api.waiting(dojo.dojoId)
      const known = [...this.#waiting.querySelectorAll<HTMLElement>('li')].map((row) => row.dataset['user'])
      if (people.map((person) => person.userId).join() === known.join()) return
      this.#waiting.replaceChildren(...people.map(({ userId, userName }) => this.#row(dojo, userId, userName)))
      element('waiting-room', HTMLElement).hidden = people.length === 0
      this.#button.dataset['count'] = people.length === 0 ? '' : String(people.length)
      const who = people.map((person) => person.userName).join(', ')
      if (people.length > 0) {
        element('announcer', HTMLElement).textContent = say(`Waiting to be let in: ${who}`, `Aguardando: ${who}`)
      }
    } catch {
      // The next look comes soon.
    }
  }

  #row(dojo: DojoSummary, userId: string, userName: string): HTMLLIElement {
    const row = document.createElement('li')
    row.dataset['user'] = userId
    const name = document.createElement('span')
    name.className = 'name'
    name.textContent = userName
    const admit = document.createElement('button')
    admit.type = 'button'
    admit.className = 'quiet'
    admit.textContent = say('Let in', 'Liberar')
    admit.setAttribute('aria-label', say(`Let ${userName} in`, `Liberar ${userName}`))
    admit.addEventListener('click', () => this.#do(() => this.#api.person(dojo.dojoId, userId, 'admit')))
    const turnAway = document.createElement('button')
    turnAway.type = 'button'
    turnAway.className = 'quiet'
    turnAway.textContent = say('No', 'Não')
    turnAway.setAttribute('aria-label', say(`Turn ${userName} away`, `Recusar ${userName}`))
    turnAway.addEventListener('click', () => this.#do(() => this.#api.person(dojo.dojoId, userId, 'remove')))
    row.append(name, admit, turnAway)
    return row
  }

  #wire(id: string, work: (dojo: DojoSummary) => Promise<void>, question?: string): void {
    element(id, HTMLButtonElement).addEventListener('click', () => {
      if (question === undefined || confirm(question)) this.#do(work)
    })
  }

  #tick(id: string, work: (dojo: DojoSummary, ticked: boolean) => Promise<void>): void {
    const box = element(id, HTMLInputElement)
    box.addEventListener('change', () => this.#do((dojo) => work(dojo, box.checked)))
  }

  #do(work: (dojo: DojoSummary) => Promise<void> | void): void {
    const dojo = this.#dojo
    if (dojo === null) return
    this.#trouble.textContent = ''
    void (async () => {
      try {
        await work(dojo)
      } catch (error) {
        this.#trouble.textContent = explainError(error)
      }
      // Also after a failure: a box that was ticked in vain goes back.
      await this.#changed()
    })()
  }
}

const END = say(
  'End the dojo for everybody? Its text can be read afterwards, but not changed.',
  'Encerrar o dojo para todos? O texto poderá ser lido depois, mas não alterado.',
)
const CANCEL = say('Cancel this dojo?', 'Cancelar este dojo?')
