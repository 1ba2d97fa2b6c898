/** The page of a dojo's room: who is here and what they are, whose turn it is, the shared text, and the chat. */
import * as Y from 'yjs'
import type { Account } from '../account/account.ts'
import { Entrance } from '../account/entrance.ts'
import { goToDojo, leadBackToStart, type DojoAddress } from '../page/address.ts'
import { element } from '../page/element.ts'
import { Sheet } from '../page/sheet.ts'
import { say } from '../page/wording.ts'
import { DojoProvider } from '../provider/index.ts'
import { Chat } from './chat.ts'
import { DojoApi, explainError, type DojoSummary } from './dojo-api.ts'
import { explainComplaint, explainDojoRefusal, explainHindrance, STATUS_NAMES } from './dojo-words.ts'
import { GuestGrants } from './guest-grants.ts'
import { HostMenu } from './host-menu.ts'
import { keptCode } from './kept-code.ts'
import { readMessage, type DojoMessage } from './messages.ts'
import { ParticipantsView } from './participants.ts'
import { personItems } from './person-items.ts'
import { PersonMenu } from './person-menu.ts'
import { FileChoice } from './room-files.ts'
import { after, colorOfUser, EMPTY, hindranceOf, nameOf, type Scene, type TurnAction } from './scene.ts'
import { TurnBar, type TurnTerms } from './turn-bar.ts'

/** What the buttons add to a turn, and how long a break is, s. */
const EXTENSION = 60
const BREAK = 300

export function openDojo(address: DojoAddress, account: Account): void {
  new DojoPage(address, account).start()
}

class DojoPage {
  readonly #dojo: string
  readonly #account: Account
  readonly #api: DojoApi
  readonly #entrance: Entrance
  readonly #provider: DojoProvider
  readonly #sheet: Sheet
  readonly #files = new FileChoice((path) => this.#sheet.show(path))
  readonly #people = new ParticipantsView((userId, button) => this.#openPerson(userId, button))
  readonly #personMenu = new PersonMenu(explainError)
  readonly #turnBar = new TurnBar((action, terms) => this.#act(action, terms))
  readonly #hostMenu: HostMenu
  readonly #chat: Chat
  #scene: Scene = EMPTY
  #summary: DojoSummary | null = null
  #unread = 0
  /** Whether all that was said before this window was opened has come. */
  #caughtUp = false
  #boundDoc: Y.Doc | null = null

  constructor({ dojo, room }: DojoAddress, account: Account) {
    this.#dojo = dojo
    this.#account = account
    this.#api = new DojoApi(account.session)
    this.#entrance = new Entrance(account.session, new GuestGrants(dojo))
    this.#provider = new DojoProvider({
      liveUrl: () => this.#entrance.liveUrl,
      room: `dojo/${dojo}/${room ?? ''}`,
      path: () => {
        const query = new URLSearchParams({ ...(room === null ? {} : { room }), since: this.#chat.lastId })
        return `/api/v1/dojos/${encodeURIComponent(dojo)}/live?${query}`
      },
      doc: new Y.Doc(),
      credential: (wish) => this.#entrance.credential(wish),
      renew: () => this.#entrance.renew(),
    })
    this.#hostMenu = new HostMenu(this.#api, () => this.#look())
    this.#chat = new Chat({
      me: () => this.#scene.me?.userId ?? null,
      colorOf: (userId) => colorOfUser(this.#scene, userId),
      send: (content, ref) => this.#provider.send({ type: 'CHAT_MESSAGE', content, ref }),
      earlier: account.session.state.kind === 'guest' ? null : this.#earlierMessages(),
      unread: (count) => {
        this.#unread = count
        this.#showTitle()
      },
    })
    this.#sheet = new Sheet(this.#provider, {
      retry: () => (this.#entrance.needsSignIn ? account.signIn.open() : this.#provider.connect()),
      bound: () => this.#introduce(),
      barred: () => this.#bar(),
      explain: explainDojoRefusal,
    })
  }

  start(): void {
    const provider = this.#provider
    leadBackToStart()
    element('to-start', HTMLElement).hidden = true
    this.#showTitle()
    provider.on('message', (fields) => {
      const message = readMessage(fields)
      if (message !== null) this.#take(message)
    })
    provider.on('synced', () => {
      this.#caughtUp = true
      this.#bindFiles()
    })
    provider.on('reset', () => this.#bindFiles())
    provider.on('status', ({ connection }) => {
      if (connection === 'waiting') this.#chat.interrupted()
    })
    provider.on('refused', () => void this.#look())
    this.#account.accompany(provider, this.#entrance, () => this.#sheet.atStake)
    provider.connect()
    void this.#look().then(() => {
      if (keptCode(this.#dojo) !== null && this.#runs) this.#hostMenu.open()
    })
  }

  /** Whether this window's person may run the dojo over HTTP. */
  get #runs(): boolean {
    const { state } = this.#account.session
    if (this.#summary === null || state.kind !== 'signed-in') return false
    return this.#administers || state.identity.endsWith(`/${this.#summary.creatorId}`)
  }

  get #administers(): boolean {
    return this.#account.session.profile?.role === 'admin'
  }

  // ---- what the server says ----------------------------------------------------------------------------------

  #take(message: DojoMessage): void {
    if (message.type === 'CHAT_MESSAGE') {
      this.#chat.add(message, !this.#caughtUp)
      return
    }
    if (message.type === 'ERROR') {
      const text = explainComplaint(message.code) ?? message.message
      if (message.ref === null || !this.#chat.fail(message.ref, text)) this.#turnBar.fail(text)
      return
    }
    this.#scene = after(this.#scene, message, performance.now())
    this.#show()
    if (message.type === 'CONNECTION_STATUS' || message.type === 'PARTICIPANT_LIST') this.#introduce()
    if (message.type === 'CONNECTION_STATUS') {
      this.#provider.allow(message.role !== 'OBSERVER')
      if (this.#summary?.status !== 'ACTIVE') void this.#look()
    }
    // The editor takes no more keys by now, and all that was typed has gone out: edits are sent as they are made.
    if (message.type === 'turn.ending') {
      this.#provider.send({ type: 'turn.flushed', ...(message.number === null ? {} : { number: message.number }) })
    }
  }

  #show(): void {
    this.#sheet.refresh()
    this.#turnBar.show(this.#scene, this.#administers)
    this.#people.show(this.#scene, (userId) => this.#itemsFor(userId).length > 0)
  }

  #bar() {
    const hindrance = hindranceOf(this.#scene)
    if (hindrance === null) return null
    return explainHindrance(hindrance, nameOf(this.#scene, this.#scene.turn?.pilot ?? null))
  }

  #introduce(): void {
    const { me } = this.#scene
    if (me === null) return
    const user = { name: me.userName, color: colorOfUser(this.#scene, me.userId) }
    const shown = this.#provider.awareness.getLocalState()?.['user']
    if (JSON.stringify(shown) !== JSON.stringify(user)) this.#provider.awareness.setLocalStateField('user', user)
  }

  #bindFiles(): void {
    const { doc } = this.#provider
    if (doc === this.#boundDoc) return
    this.#boundDoc = doc
    this.#files.bind(doc)
  }

  // ---- the dojo itself ---------------------------------------------------------------------------------------

  /** Read over HTTP what the socket does not tell. Guests have no account to ask with. */
  async #look(): Promise<void> {
    const identity = await this.#account.session.resume().catch(() => null)
    if (identity === null) return
    try {
      this.#summary = await this.#api.get(this.#dojo)
    } catch (error) {
      // The socket says what is wrong.
      console.warn('dojo:', error)
      return
    }
    const { status, rooms } = this.#summary
    const chip = element('dojo-status', HTMLElement)
    chip.hidden = false
    chip.dataset['dojoStatus'] = status
    chip.textContent = STATUS_NAMES[status] ?? status
    this.#showTitle()
    this.#showRooms(rooms.filter((room) => room.active))
    if (this.#runs) this.#hostMenu.show(this.#summary)
    this.#show()
  }

  #showRooms(rooms: DojoSummary['rooms']): void {
    const choice = element('room-choice', HTMLSelectElement)
    choice.hidden = rooms.length < 2
    const here = this.#scene.me?.roomId
    choice.replaceChildren(...rooms.map(({ roomId, name }) => new Option(name, roomId, false, roomId === here)))
    choice.onchange = () => {
      const main = rooms.find((room) => room.roomId === choice.value)?.isMain === true
      goToDojo(this.#dojo, main ? null : choice.value)
    }
  }

  #showTitle(): void {
    const name = this.#summary?.name ?? 'Dojo'
    element('room-name', HTMLElement).textContent = name
    document.title = `${this.#unread > 0 ? `(${this.#unread}) ` : ''}${name} · Dojo`
  }

  #earlierMessages() {
    let before: string | null = null
    let asked = false
    return async () => {
      const room = this.#scene.me?.roomId
      if (room === undefined) return []
      const first = asked ? [] : (await this.#api.chat(this.#dojo, room, null).then((page) => ((before = page.before), page.items)))
      asked = true
      // The newest page is mostly what the socket told already.
      if (before === null) return first
      const page = await this.#api.chat(this.#dojo, room, before)
      before = page.before
      return [...page.items, ...first]
    }
  }

  // ---- what people want --------------------------------------------------------------------------------------

  #act(action: TurnAction, terms: TurnTerms): void {
    if (action === 'raise' || action === 'lower') this.#say({ type: 'RAISE_HAND', raised: action === 'raise' })
    else if (action === 'start') void this.#startTurns(terms)
    else {
      const seconds = { extend: EXTENSION, break: BREAK }[action as string]
      this.#say({ type: 'TURN_REQUEST', action, ...(seconds === undefined ? {} : { seconds }) })
    }
  }

  async #startTurns({ seconds, rotation }: TurnTerms): Promise<void> {
    const { me, turn } = this.#scene
    try {
      if (me !== null && turn?.rotation !== rotation) await this.#api.rotate(this.#dojo, me.roomId, rotation)
    } catch (error) {
      this.#turnBar.fail(explainError(error))
      return
    }
    this.#say({ type: 'TURN_REQUEST', action: 'start', seconds })
  }

  #say(message: Readonly<Record<string, unknown>> & { readonly type: string }): void {
    if (!this.#provider.send(message)) this.#turnBar.fail(say('No connection at the moment.', 'Sem conexão no momento.'))
  }

  #itemsFor(userId: string) {
    return personItems(userId, {
      scene: this.#scene,
      administrator: this.#administers,
      runs: this.#runs,
      dojo: this.#dojo,
      api: this.#api,
      say: (message) => this.#say(message),
    })
  }

  #openPerson(userId: string, button: HTMLButtonElement): void {
    this.#personMenu.open(nameOf(this.#scene, userId) ?? '', this.#itemsFor(userId), button)
  }
}
