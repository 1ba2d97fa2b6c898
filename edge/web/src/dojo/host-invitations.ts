/** Inviting to a dojo by e-mail, in the host's menu: an address, and who is invited so far. */
import { element } from '../page/element.ts'
import { labelled, make, makeButton, makeChoice } from '../page/make.ts'
import { say } from '../page/wording.ts'
import { explainError } from './dojo-api.ts'
import type { Invitation, InvitationsApi } from './invitations-api.ts'

export class HostInvitations {
  readonly #api: InvitationsApi
  readonly #list = make('ul', { class: 'waiting', id: 'invitations' })
  readonly #email = make('input', { type: 'email', name: 'email', maxlength: 254, required: true, autocomplete: 'off' })
  readonly #role = makeChoice({
    PARTICIPANT: say('takes part', 'participa'),
    OBSERVER: say('only watches', 'só assiste'),
  })
  readonly #told = make('p', { class: 'menu-more', role: 'status' })
  readonly #trouble = make('p', { class: 'trouble', role: 'alert' })
  #dojo: string | null = null

  constructor(api: InvitationsApi) {
    this.#api = api
    const invite = make('button', { type: 'submit', class: 'quiet' }, say('Invite', 'Convidar'))
    const form = make(
      'form',
      { class: 'menu-form' },
      labelled(say('E-mail', 'E-mail'), this.#email),
      labelled(say('As somebody who', 'Como alguém que'), this.#role),
      invite,
    )
    form.addEventListener('submit', (event) => {
      event.preventDefault()
      this.#do(async (dojo) => {
        await this.#api.invite(dojo, this.#email.value, this.#role.value)
        this.#told.textContent = say(`A mail goes to ${this.#email.value}.`, `Um e-mail segue para ${this.#email.value}.`)
        this.#email.value = ''
      })
    })
    const title = make('h2', {}, say('Invite by e-mail', 'Convidar por e-mail'))
    element('invite', HTMLElement).replaceChildren(title, form, this.#told, this.#list, this.#trouble)
    element('host-menu', HTMLElement).addEventListener('toggle', (event) => {
      if ((event as ToggleEvent).newState === 'open') this.#do(() => Promise.resolve())
    })
  }

  show(dojo: string): void {
    this.#dojo = dojo
  }

  #row(dojo: string, { invitationId, email, role }: Invitation): HTMLLIElement {
    const observes = role === 'OBSERVER' ? say(' · watches', ' · assiste') : ''
    const revoke = makeButton(say('Revoke', 'Revogar'), () => this.#do(() => this.#api.revoke(dojo, invitationId)))
    revoke.setAttribute('aria-label', say(`Revoke the invitation of ${email}`, `Revogar o convite de ${email}`))
    return make('li', { 'data-invitation': invitationId }, make('span', { class: 'name' }, `${email}${observes}`), revoke)
  }

  #do(work: (dojo: string) => Promise<void>): void {
    const dojo = this.#dojo
    if (dojo === null) return
    this.#trouble.textContent = ''
    this.#told.textContent = ''
    void (async () => {
      try {
        await work(dojo)
        const open = await this.#api.pending(dojo)
        this.#list.replaceChildren(...open.map((each) => this.#row(dojo, each)))
      } catch (error) {
        this.#trouble.textContent = explainError(error)
      }
    })()
  }
}
