/** The dialog's frame: which view shows, what went wrong in it, and one piece of work at a time. */
import { element } from '../page/element.ts'
import { say } from '../page/wording.ts'
import { duration, troubleOf } from './trouble.ts'

const VIEWS = ['sign-in', 'sign-up', 'choose', 'forgot', 'reset', 'told'] as const

export type View = (typeof VIEWS)[number]

const TITLES: Readonly<Record<View, string>> = {
  'sign-in': say('Sign in to Dojo', 'Entrar no Dojo'),
  'sign-up': say('Create your account', 'Criar sua conta'),
  choose: say('Which company?', 'Qual empresa?'),
  forgot: say('A new password', 'Uma nova senha'),
  reset: say('Choose a new password', 'Escolha uma nova senha'),
  told: say('Your account', 'Sua conta'),
}

export class Dialog {
  readonly #dialog = element('account-dialog', HTMLDialogElement)
  readonly #title = element('account-title', HTMLElement)
  readonly #lead = element('account-lead', HTMLElement)
  readonly #trouble = element('account-trouble', HTMLElement)
  readonly #resend = element('account-resend', HTMLButtonElement)
  readonly #tabs = element('account-tabs', HTMLElement)
  #view: View = 'sign-in'
  #busy = false
  #wait: ReturnType<typeof setInterval> | undefined
  #waiting = false

  /** @param onClose - the dialog went, by whatever way. */
  constructor(onClose: () => void) {
    element('account-close', HTMLButtonElement).addEventListener('click', () => this.#dialog.close())
    this.#dialog.addEventListener('close', () => {
      for (const form of this.#dialog.querySelectorAll('form')) {
        for (const secret of form.querySelectorAll<HTMLInputElement>('input[type=password]')) secret.value = ''
      }
      onClose()
    })
    for (const tab of this.#tabList()) {
      tab.addEventListener('click', () => this.show(tab.id === 'tab-sign-up' ? 'sign-up' : 'sign-in'))
    }
    this.#tabs.addEventListener('keydown', (event) => this.#onTabKey(event))
  }

  get isOpen(): boolean {
    return this.#dialog.open
  }

  close(): void {
    this.#dialog.close()
  }

  /** @param lead - a sentence above the fields. */
  show(view: View, lead = ''): void {
    this.#view = view
    this.clear()
    this.#title.textContent = TITLES[view]
    this.#lead.textContent = lead
    this.#lead.hidden = lead === ''
    for (const one of VIEWS) element(`view-${one}`, HTMLElement).hidden = one !== view
    this.#tabs.hidden = view !== 'sign-in' && view !== 'sign-up'
    for (const tab of this.#tabList()) {
      const selected = tab.id === `tab-${view}`
      tab.setAttribute('aria-selected', String(selected))
      tab.tabIndex = selected ? 0 : -1
    }
    if (!this.#dialog.open) this.#dialog.showModal()
    this.#focus()
  }

  /** Do one thing at a time; what goes wrong is told in the dialog. */
  async run(work: () => Promise<void>): Promise<void> {
    if (this.#busy || this.#waiting) return
    this.#setBusy(true)
    this.clear()
    try {
      await work()
    } catch (error) {
      this.fail(error)
    } finally {
      this.#setBusy(false)
    }
  }

  fail(error: unknown): void {
    const { text, wait, unconfirmed } = troubleOf(error)
    this.#trouble.textContent = text
    this.#resend.hidden = !unconfirmed
    if (wait > 0) this.#waitFor(wait)
    const first = element(`view-${this.#view}`, HTMLElement).querySelector<HTMLInputElement>('input[type=password]')
    first?.select()
  }

  clear(): void {
    this.#trouble.textContent = ''
    this.#resend.hidden = true
    clearInterval(this.#wait)
    this.#waiting = false
    for (const button of this.#submits()) button.textContent = button.dataset['usual'] ?? button.textContent
    this.#dim()
  }

  /** The buttons count down: trying earlier would only make it longer. */
  #waitFor(seconds: number): void {
    const until = performance.now() + seconds * 1000
    const tick = () => {
      const left = (until - performance.now()) / 1000
      if (left <= 0) {
        this.clear()
        return
      }
      for (const button of this.#submits()) {
        button.dataset['usual'] ??= button.textContent
        button.textContent = say(`Wait ${duration(left)}`, `Aguarde ${duration(left)}`)
      }
    }
    this.#waiting = true
    this.#wait = setInterval(tick, 1000)
    tick()
    this.#dim()
  }

  #setBusy(busy: boolean): void {
    this.#busy = busy
    this.#dialog.setAttribute('aria-busy', String(busy))
    this.#dim()
  }

  /** Not `disabled`: that would take the focus away from whoever has just pressed the button. */
  #dim(): void {
    for (const button of this.#submits()) button.setAttribute('aria-disabled', String(this.#busy || this.#waiting))
  }

  #focus(): void {
    const view = element(`view-${this.#view}`, HTMLElement)
    const fields = [...view.querySelectorAll('input')].filter((field) => field.offsetParent !== null)
    const next = fields.find((field) => field.value === '') ?? fields[0] ?? view.querySelector('button')
    next?.focus()
  }

  #submits(): NodeListOf<HTMLButtonElement> {
    return this.#dialog.querySelectorAll<HTMLButtonElement>('button.primary')
  }

  #tabList(): NodeListOf<HTMLButtonElement> {
    return this.#tabs.querySelectorAll<HTMLButtonElement>('[role=tab]')
  }

  #onTabKey(event: KeyboardEvent): void {
    if (!['ArrowLeft', 'ArrowRight', 'Home', 'End'].includes(event.key)) return
    event.preventDefault()
    const [first, last] = this.#tabList()
    const other = document.activeElement === first ? last : first
    const to = event.key === 'Home' ? first : event.key === 'End' ? last : other
    to?.click()
    to?.focus()
  }
}
