/** The chat of a room: what was said, what is new, and saying something. */
import { element } from '../page/element.ts'
import { say } from '../page/wording.ts'
import type { ChatMessage } from './messages.ts'

/** Messages kept in the page; older ones are fetched again. */
const KEPT = 500
/** Messages from before that the socket tells a newcomer. */
const TOLD = 50
/** Distance from the end within which the list follows new messages, px. */
const AT_END = 40
/** New messages that come within this are announced together, ms. */
const ANNOUNCE_AFTER = 700
/** Rows the text field grows to. */
const MOST_ROWS = 5

const TIME = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' })

export interface ChatHost {
  /** Whose window this is, if that is known yet. */
  me(): string | null
  colorOf(userId: string): string
  /** Send a message; false if there is no connection. */
  send(content: string, ref: string): boolean
  /** Messages before the oldest one shown; empty if there are none. */
  readonly earlier: () => Promise<readonly ChatMessage[]>
  /** How many messages were not seen yet. */
  unread(count: number): void
}

export class Chat {
  readonly #host: ChatHost
  readonly #toggle = element('chat-toggle', HTMLButtonElement)
  readonly #badge = element('chat-unread', HTMLElement)
  readonly #body = element('chat-body', HTMLElement)
  readonly #list = element('chat-list', HTMLOListElement)
  readonly #text = element('chat-text', HTMLTextAreaElement)
  readonly #trouble = element('chat-trouble', HTMLElement)
  readonly #earlier = element('chat-earlier', HTMLButtonElement)
  readonly #announcer = element('chat-announcer', HTMLElement)
  readonly #shown = new Map<string, HTMLLIElement>()
  /** Sent from here and not come back yet, by `ref`. */
  readonly #pending = new Map<string, string>()
  #last: ChatMessage | null = null
  #unread = 0
  #refs = 0
  #fresh: ChatMessage[] = []
  #announcing: ReturnType<typeof setTimeout> | undefined

  constructor(host: ChatHost) {
    this.#host = host
    element('chat', HTMLElement).hidden = false
    this.#toggle.addEventListener('click', () => this.#open(!this.isOpen))
    this.#earlier.addEventListener('click', () => void this.#fetchEarlier())
    element('chat-form', HTMLFormElement).addEventListener('submit', (event) => {
      event.preventDefault()
      this.#send()
    })
    this.#text.addEventListener('keydown', (event) => {
      // Enter ends a composition (Japanese, say) as well as a message.
      if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return
      event.preventDefault()
      this.#send()
    })
    this.#text.addEventListener('input', () => {
      this.#text.rows = Math.min(MOST_ROWS, this.#text.value.split('\n').length)
    })
    document.addEventListener('visibilitychange', () => this.#see())
    // A narrow screen has room for the text or for the chat.
    this.#open(!matchMedia('(max-width: 760px)').matches)
  }

  get isOpen(): boolean {
    return this.#toggle.getAttribute('aria-expanded') === 'true'
  }

  /** The id of the newest message here; empty if there is none. */
  get lastId(): string {
    return this.#last?.messageId ?? ''
  }

  /** Show a message. @param backlog - it was said before this window was opened. */
  add(message: ChatMessage, backlog: boolean): void {
    if (message.ref !== null) this.#pending.delete(message.ref)
    if (this.#shown.has(message.messageId)) return
    const follows = this.#list.scrollHeight - this.#list.scrollTop - this.#list.clientHeight < AT_END
    const item = this.#item(message)
    this.#shown.set(message.messageId, item)
    this.#insert(item)
    this.#last = message
    if (this.#shown.size > KEPT) this.#dropOldest()
    // The socket tells so many of those before; with fewer there are none.
    if (backlog && this.#shown.size === TOLD) this.#earlier.hidden = false
    const own = message.userId === this.#host.me()
    if (follows || own) this.#list.scrollTop = this.#list.scrollHeight
    if (backlog || own) return
    this.#announce(message)
    if (!this.isOpen || document.hidden) this.#setUnread(this.#unread + 1)
  }

  /** The server did not take something that was said. */
  fail(ref: string, text: string): boolean {
    const content = this.#pending.get(ref)
    if (content === undefined) return false
    this.#pending.delete(ref)
    this.#trouble.textContent = text
    if (this.#text.value === '') this.#text.value = content
    return true
  }

  /** The connection is gone: whether what was sent last got through shows when it is back. */
  interrupted(): void {
    for (const ref of [...this.#pending.keys()]) this.fail(ref, LOST)
  }

  #send(): void {
    const content = this.#text.value.trim()
    if (content === '') return
    const ref = String((this.#refs += 1))
    this.#trouble.textContent = ''
    if (!this.#host.send(content, ref)) {
      this.#trouble.textContent = say('No connection at the moment.', 'Sem conexão no momento.')
      return
    }
    this.#pending.set(ref, content)
    this.#text.value = ''
    this.#text.rows = 1
  }

  async #fetchEarlier(): Promise<void> {
    try {
      const before = this.#shown.size
      const height = this.#list.scrollHeight
      for (const message of await this.#host.earlier()) {
        if (this.#shown.has(message.messageId)) continue
        const item = this.#item(message)
        this.#shown.set(message.messageId, item)
        this.#insert(item)
      }
      if (this.#shown.size === before) this.#earlier.hidden = true
      // What one was reading stays where it was.
      this.#list.scrollTop += this.#list.scrollHeight - height
    } catch {
      this.#trouble.textContent = say('Earlier messages cannot be had now.', 'Não foi possível buscar as anteriores.')
    }
  }

  /** By time: a message from the history goes before what is shown already. */
  #insert(item: HTMLLIElement): void {
    const at = item.dataset['at'] ?? ''
    let after = this.#list.lastElementChild
    while (after instanceof HTMLElement && (after.dataset['at'] ?? '') > at) after = after.previousElementSibling
    if (after === null) this.#list.prepend(item)
    else after.after(item)
  }

  #item({ messageId, userId, userName, content, timestamp }: ChatMessage): HTMLLIElement {
    const item = document.createElement('li')
    item.className = 'said'
    item.dataset['id'] = messageId
    item.dataset['at'] = timestamp
    item.dataset['mine'] = String(userId === this.#host.me())
    const head = document.createElement('p')
    head.className = 'said-head'
    const name = document.createElement('span')
    name.className = 'said-name'
    name.textContent = userName
    name.style.setProperty('--of', this.#host.colorOf(userId))
    const time = document.createElement('time')
    const when = new Date(timestamp)
    if (!Number.isNaN(when.getTime())) {
      time.dateTime = timestamp
      time.textContent = TIME.format(when)
    }
    head.append(name, ' ', time)
    const text = document.createElement('p')
    text.className = 'said-text'
    text.textContent = content
    item.append(head, text)
    return item
  }

  #dropOldest(): void {
    const oldest = this.#list.firstElementChild
    if (!(oldest instanceof HTMLElement)) return
    this.#shown.delete(oldest.dataset['id'] ?? '')
    oldest.remove()
  }

  #open(open: boolean): void {
    this.#toggle.setAttribute('aria-expanded', String(open))
    this.#body.hidden = !open
    if (open) this.#list.scrollTop = this.#list.scrollHeight
    this.#see()
  }

  #see(): void {
    if (this.isOpen && !document.hidden) this.#setUnread(0)
  }

  #setUnread(count: number): void {
    this.#unread = count
    this.#badge.hidden = count === 0
    this.#badge.textContent = say(`${count} new`, `${count} ${count === 1 ? 'nova' : 'novas'}`)
    this.#host.unread(count)
  }

  #announce(message: ChatMessage): void {
    this.#fresh.push(message)
    clearTimeout(this.#announcing)
    this.#announcing = setTimeout(() => {
      const [only] = this.#fresh
      const count = this.#fresh.length
      this.#fresh = []
      if (only === undefined) return
      this.#announcer.textContent =
        count === 1 ? `${only.userName}: ${only.content}` : say(`${count} new messages`, `${count} mensagens novas`)
    }, ANNOUNCE_AFTER)
  }
}

const LOST = say(
  'The connection broke off: perhaps the message did not get through.',
  'A conexão caiu: talvez a mensagem não tenha chegado.',
)
