/** Signing in and all around it, as the dialog's forms: an account, a company, a forgotten password, links in mails. */
import { element } from '../page/element.ts'
import { say } from '../page/wording.ts'
import { ApiProblem, ask } from './api.ts'
import { Dialog } from './dialog.ts'
import type { MailLink } from './links.ts'
import type { AccountSession } from './session.ts'
import { membershipsIn, type Membership } from './trouble.ts'

export class SignIn {
  readonly #session: AccountSession
  readonly #dialog: Dialog
  readonly #company = element('sign-up-company', HTMLInputElement)
  readonly #companyField = element('sign-up-company-field', HTMLElement)
  readonly #choices = element('choices', HTMLUListElement)
  #email = ''
  #invitation: string | null = null
  #resetToken = ''

  constructor(session: AccountSession) {
    this.#session = session
    this.#dialog = new Dialog(() => this.#choices.replaceChildren())
    this.#wire('sign-in', (field) => this.#signIn(field('email'), field('password')))
    this.#wire('sign-up', (field) => this.#signUp(field))
    this.#wire('forgot', (field) => this.#forgot(field('email')))
    this.#wire('reset', (field) => this.#reset(field('password')))
    element('to-forgot', HTMLButtonElement).addEventListener('click', () => {
      element('forgot-email', HTMLInputElement).value = element('sign-in-email', HTMLInputElement).value
      this.#dialog.show('forgot', FORGOT)
    })
    for (const id of ['forgot-back', 'told-back']) {
      element(id, HTMLButtonElement).addEventListener('click', () => this.#back())
    }
    element('account-resend', HTMLButtonElement).addEventListener('click', () => {
      void this.#dialog.run(async () => {
        await ask('/api/v1/auth/email/verification', { body: { email: this.#email } })
        this.#tell(sent(this.#email))
      })
    })
  }

  open(lead = ''): void {
    if (!this.#dialog.isOpen) this.#dialog.show('sign-in', lead)
  }

  close(): void {
    this.#dialog.close()
  }

  /** Do what a mail's link is for. */
  async follow({ kind, token }: MailLink): Promise<void> {
    if (kind === 'reset') {
      this.#resetToken = token
      this.#dialog.show('reset')
    } else if (kind === 'verify') {
      this.#tell(say('Confirming your address…', 'Confirmando seu endereço…'))
      await this.#dialog.run(async () => {
        await ask('/api/v1/auth/email/verify', { body: { token } })
        const confirmed = say('Your address is confirmed.', 'Seu endereço está confirmado.')
        if (this.#session.state.kind === 'signed-in') this.#tell(confirmed)
        else this.#dialog.show('sign-in', `${confirmed} ${say('Now sign in.', 'Agora entre na sua conta.')}`)
      })
    } else {
      await this.#invited(token)
    }
  }

  async #invited(token: string): Promise<void> {
    const signedIn = await this.#session.resume().catch(() => null)
    if (signedIn === null) {
      this.#invitation = token
      this.#companyField.hidden = true
      this.#company.disabled = true
      this.#dialog.show('sign-up', INVITED)
      return
    }
    this.#tell(say('Accepting your invitation…', 'Aceitando seu convite…'))
    await this.#dialog.run(async () => {
      await this.#session.acceptInvitation(token)
      this.#tell(JOINED)
    })
  }

  async #signIn(email: string, password: string, tenantId?: string): Promise<void> {
    this.#email = email
    try {
      await this.#session.login(email, password, tenantId)
    } catch (error) {
      const memberships = membershipsIn(error)
      if (memberships === null) throw error
      this.#choose(memberships, email, password)
      return
    }
    this.#dialog.close()
  }

  #choose(memberships: readonly Membership[], email: string, password: string): void {
    const rows = memberships.map(({ tenantId, companyName }) => {
      const button = document.createElement('button')
      button.type = 'button'
      button.className = 'quiet'
      button.textContent = companyName
      button.addEventListener('click', () => void this.#dialog.run(() => this.#signIn(email, password, tenantId)))
      const row = document.createElement('li')
      row.append(button)
      return row
    })
    this.#choices.replaceChildren(...rows)
    this.#dialog.show('choose', say('You belong to several companies.', 'Você faz parte de várias empresas.'))
  }

  async #signUp(field: (name: string) => string): Promise<void> {
    const email = field('email')
    const password = field('password')
    const form = { fullName: field('fullName'), email, password }
    const tenant = await this.#session.signUp(
      this.#invitation === null
        ? { ...form, companyName: field('companyName') }
        : { ...form, invitationToken: this.#invitation },
    )
    try {
      await this.#signIn(email, password, tenant)
    } catch (error) {
      // The account stands; only signing in goes on elsewhere.
      if (error instanceof ApiProblem && error.code === 'email_not_verified') this.#tell(sent(email), true)
      else {
        this.#dialog.show('sign-in')
        throw error
      }
    }
  }

  async #forgot(email: string): Promise<void> {
    this.#email = email
    await ask('/api/v1/auth/password/reset', { body: { email } })
    this.#tell(
      say(
        `If ${email} has an account, a mail with a link is on its way. Open the link to choose a new password.`,
        `Se ${email} tiver uma conta, um e-mail com um link está a caminho. Abra o link para escolher a nova senha.`,
      ),
    )
  }

  async #reset(password: string): Promise<void> {
    try {
      await ask('/api/v1/auth/password/reset/confirm', { body: { token: this.#resetToken, newPassword: password } })
    } catch (error) {
      if (error instanceof ApiProblem && error.code === 'invalid_token') this.#dialog.show('forgot', FORGOT)
      throw error
    }
    this.#dialog.show('sign-in', say('Your new password is set. Sign in with it.', 'Senha nova salva. Entre com ela.'))
  }

  /** @param again - offers to send the mail again. */
  #tell(text: string, again = false): void {
    this.#dialog.show('told', text)
    element('account-resend', HTMLButtonElement).hidden = !again
  }

  #back(): void {
    if (this.#session.state.kind === 'signed-in') this.#dialog.close()
    else this.#dialog.show('sign-in')
  }

  #wire(view: string, work: (field: (name: string) => string) => Promise<void>): void {
    const form = element(`${view}-form`, HTMLFormElement)
    form.addEventListener('submit', (event) => {
      event.preventDefault()
      const fields = new FormData(form)
      void this.#dialog.run(() => work((name) => String(fields.get(name) ?? '')))
    })
  }
}

const FORGOT = say(
  'Tell us your address, and we send you a link to choose a new password.',
  'Informe seu endereço e enviaremos um link para escolher uma nova senha.',
)
const INVITED = say(
  'You were invited. Use the address the invitation went to; if it has an account already, give its password.',
  'Você foi convidado. Use o endereço que recebeu o convite; se ele já tem uma conta, informe a senha dela.',
)
const JOINED = say(
  'You have joined the company. To work there, sign out and sign in again.',
  'Você agora faz parte da empresa. Para trabalhar nela, saia e entre de novo.',
)

function sent(email: string): string {
  return say(
    `We sent a mail to ${email}. Open the link in it, then sign in.`,
    `Enviamos um e-mail para ${email}. Abra o link e depois entre.`,
  )
}
