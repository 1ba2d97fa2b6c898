/** The header's corner: a button to sign in, or who is signed in and the way out. */
import { element } from '../page/element.ts'
import { say } from '../page/wording.ts'
import { initials } from '../page/person.ts'
import type { AccountSession } from './session.ts'
import { troubleOf } from './trouble.ts'

export class AccountMenu {
  readonly #session: AccountSession
  readonly #signIn = element('sign-in', HTMLButtonElement)
  readonly #button = element('account-button', HTMLButtonElement)
  readonly #menu = element('account-menu', HTMLElement)
  readonly #trouble = element('account-menu-trouble', HTMLElement)

  /**
   * @param onSignIn - the button was pressed.
   * @param mayLeave - asked before signing out; false to stay.
   */
  constructor(session: AccountSession, onSignIn: () => void, mayLeave: () => boolean) {
    this.#session = session
    this.#signIn.addEventListener('click', onSignIn)
    element('sign-out', HTMLButtonElement).addEventListener('click', () => {
      if (mayLeave()) void this.#signOut()
    })
    session.on('change', () => this.#render())
    session.on('profile', () => this.#render())
    this.#render()
  }

  async #signOut(): Promise<void> {
    this.#trouble.textContent = ''
    try {
      await this.#session.signOut()
    } catch (error) {
      this.#trouble.textContent = troubleOf(error).text
    }
  }

  #render(): void {
    const { state, profile } = this.#session
    const signedIn = state.kind === 'signed-in'
    this.#signIn.hidden = state.kind !== 'guest' && state.kind !== 'ended'
    this.#button.hidden = !signedIn
    if (!signedIn && this.#menu.matches(':popover-open')) this.#menu.hidePopover()
    const name = profile?.name ?? ''
    this.#button.textContent = name === '' ? '…' : initials(name)
    this.#button.setAttribute('aria-label', `${say('Account', 'Conta')} ${name}`.trimEnd())
    element('account-name', HTMLElement).textContent = name
    element('account-email', HTMLElement).textContent = profile?.email ?? ''
    element('account-company', HTMLElement).textContent = profile?.company ?? ''
  }
}
