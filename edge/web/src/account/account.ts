/** The account in the corner of every page, and what its coming and going means for a connection. */
import { say } from '../page/wording.ts'
import type { DojoProvider } from '../provider/index.ts'
import type { Entrance } from './entrance.ts'
import { AccountMenu } from './menu.ts'
import { AccountSession } from './session.ts'
import { SignIn } from './sign-in.ts'

export class Account {
  readonly session = new AccountSession()
  readonly signIn = new SignIn(this.session)
  #atStake = (): boolean => false
  #giveUp = false

  constructor() {
    new AccountMenu(
      this.session,
      () => this.signIn.open(),
      () => {
        this.#giveUp = this.#atStake() && confirm(UNSAVED)
        return this.#giveUp || !this.#atStake()
      },
    )
    addEventListener('beforeunload', (event) => {
      const agreed = this.#giveUp && this.session.state.kind === 'guest'
      if (this.#atStake() && !agreed) event.preventDefault()
    })
  }

  /**
   * Keep a connection and the account in step.
   * @param atStake - whether leaving would lose what the server has not committed yet.
   */
  accompany(provider: DojoProvider, entrance: Entrance, atStake: () => boolean): void {
    this.#atStake = atStake
    this.session.on('change', () => {
      if (entrance.outgrown) location.reload()
      else if (this.session.state.kind === 'ended') this.signIn.open(ENDED)
      else if (this.session.state.kind === 'signed-in') provider.connect()
    })
    provider.on('refused', () => {
      if (entrance.needsSignIn) this.signIn.open()
    })
  }
}

const UNSAVED = say(
  'Some of your edits are not saved yet, and signing out loses them. Sign out all the same?',
  'Algumas edições ainda não foram salvas e se perderão se você sair. Sair mesmo assim?',
)
const ENDED = say('You are no longer signed in.', 'Sua sessão terminou.')
