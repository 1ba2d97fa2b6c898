/** The page of a dojo's room: who is here and what they are, whose turn it is, the shared text, and the chat. */
import * as Y from 'yjs'
import type { Account } from '../account/account.ts'
import { Entrance } from '../account/entrance.ts'
import { leadBackToStart, type DojoAddress } from '../page/address.ts'
import { element } from '../page/element.ts'
import { Sheet } from '../page/sheet.ts'
import { say } from '../page/wording.ts'
import { PastApi } from '../looking-back/past-api.ts'
import type { LookingBack, PastView } from '../looking-back/looking-back.ts'
import { DojoProvider } from '../provider/index.ts'
import { Talk } from '../voice/talk.ts'
import { Chat } from './chat.ts'
import { DojoApi, explainError, type ChatPage, type DojoSummary } from './dojo-api.ts'
import { explainComplaint, explainDojoRefusal, explainHindrance, STATUS_NAMES } from './dojo-words.ts'
import { earlierMessages } from './earlier-chat.ts'
import { GuestGrants } from './guest-grants.ts'
import { HostMenu } from './host-menu.ts'
import { InvitationsApi } from './invitations-api.ts'
import { keptCode } from './kept-code.ts'
import { readMessage, type DojoMessage } from './messages.ts'
import { NewFile } from './new-file.ts'
import { ParticipantsView } from './participants.ts'
import { personItems } from './person-items.ts'
import { PersonMenu } from './person-menu.ts'
import { FileChoice, languageIn } from './room-files.ts'
import { RoomsApi, type FormatChange } from './rooms-api.ts'
import { RoomsMenu } from './rooms-menu.ts'
import { RunView } from './run-view.ts'
import { after, colorOfUser, EMPTY, hindranceOf, leads, nameOf, type Scene, type TurnAction } from './scene.ts'
import { TurnBar } from './turn-bar.ts'
import { TurnQueue } from './turn-queue.ts'
import { TurnTermsMenu } from './turn-terms.ts'

/** What the buttons add to a turn, and how long a break is, s. */
const EXTENSION = 60
const BREAK = 300
/** Between two looks at what the socket does not tell, ms; spread out, so that a class does not look at once. */
const LOOK_EVERY = 30_000

const WHEN = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' })

export function openDojo(address: DojoAddress, account: Account): void {
  new DojoPage(address, account).start()
}

class DojoPage {
  readonly #dojo: string
  readonly #room: string | null
  readonly #account: Account
  readonly #api: DojoApi
  readonly #rooms: RoomsApi
  readonly #guests: GuestGrants
  readonly #entrance: Entrance
  readonly #provider: DojoProvider
  readonly #sheet: Sheet
  readonly #files = new FileChoice((path) => this.#sheet.show(path))
  readonly #people = new ParticipantsView((userId, button) => this.#openPerson(userId, button))
  readonly #personMenu = new PersonMenu(explainError)
  readonly #turnBar = new TurnBar((action) => this.#act(action))
  readonly #turnQueue: TurnQueue
  readonly #turnTerms: TurnTermsMenu
  readonly #roomsMenu: RoomsMenu
  readonly #newFile: NewFile
  readonly #run: RunView
  readonly #hostMenu: HostMenu
  readonly #chat: Chat
  readonly #talk: Talk
  #scene: Scene = EMPTY
  #summary: DojoSummary | null = null
  #unread = 0
  /** Whether all that was said before this window was opened has come. */
  #caughtUp = false
  #boundDoc: Y.Doc | null = null
  #past: LookingBack | null = null

  constructor({ dojo, room }: DojoAddress, account: Account) {
    this.#dojo = dojo
    this.#room = room
    this.#account = account
    this.#api = new DojoApi(account.session)
    this.#rooms = new RoomsApi(account.session)
    this.#guests = new GuestGrants(dojo)
    this.#entrance = new Entrance(account.session, this.#guests, dojo)
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
    this.#hostMenu = new HostMenu(this.#api, new InvitationsApi(account.session), () => this.#look())
    this.#turnTerms = new TurnTermsMenu((terms) => this.#format(terms), explainError)
    this.#turnQueue = new TurnQueue({
      say: (message) => this.#say(message),
      order: (people) => this.#format({ order: people }),
      explain: explainError,
    })
    this.#roomsMenu = new RoomsMenu({
      api: this.#rooms,
      here: () => this.#here,
      look: () => this.#look(),
      lookBack: (room) => void this.#lookBack('replay', room),
      explain: explainError,
    })
    this.#newFile = new NewFile(() => this.#provider.doc, () => this.#sheet.file, (path) => this.#files.choose(path))
    this.#run = new RunView((ref) => this.#runFile(ref))
    this.#chat = new Chat({
      me: () => this.#scene.me?.userId ?? null,
      colorOf: (userId) => colorOfUser(this.#scene, userId),
      send: (content, ref) => this.#provider.send({ type: 'CHAT_MESSAGE', content, ref }),
      earlier: earlierMessages((before) => this.#said(before)),
      unread: (count) => {
        this.#unread = count
        this.#showTitle()
      },
    })
    this.#talk = new Talk({
      session: account.session,
      provider: this.#provider,
      dojo,
      room: () => this.#here,
      scene: () => this.#scene,
      administers: () => this.#administers,
      runs: () => this.#runs,
      marked: () => this.#showPeople(),
    })
    this.#sheet = new Sheet(this.#provider, {
      retry: () => this.#retry(),
      bound: () => this.#introduce(),
      barred: () => this.#bar(),
      explain: (refusal) => explainDojoRefusal(refusal, this.#roomOver),
    })
  }

  start(): void {
    const provider = this.#provider
    leadBackToStart()
    element('to-start', HTMLElement).hidden = true
    this.#showTitle()
    provider.on('message', (fields) => {
      const message = this.#talk.take(fields) ? null : readMessage(fields)
      if (message !== null) this.#take(message)
    })
    provider.on('synced', () => {
      this.#caughtUp = true
      this.#bindFiles()
    })
    provider.on('reset', () => this.#bindFiles())
    provider.on('status', ({ connection }) => {
      if (connection === 'waiting') this.#chat.interrupted()
      this.#allow()
    })
    provider.on('refused', () => void this.#look())
    this.#account.accompany(provider, this.#entrance, () => this.#sheet.atStake)
    provider.connect()
    for (const id of ['look-back-button', 'notice-look-back']) {
      element(id, HTMLButtonElement).addEventListener('click', () => void this.#lookBack(this.#over ? 'summary' : 'replay'))
    }
    void this.#look().then(() => {
      if (keptCode(this.#dojo) !== null && this.#runs) this.#hostMenu.open()
      // There is nothing else to see here.
      if (this.#over && !this.#caughtUp) void this.#lookBack('summary')
    })
    setInterval(() => {
      if (!document.hidden && this.#summary !== null && !this.#over) void this.#look()
    }, LOOK_EVERY * (1 + Math.random() / 2))
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

  get #here(): string | null {
    const meant = this.#summary?.rooms.find(({ roomId, isMain }) => (this.#room === null ? isMain : roomId === this.#room))
    return this.#scene.me?.roomId ?? meant?.roomId ?? null
  }

  get #over(): boolean {
    return this.#summary !== null && !['SCHEDULED', 'ACTIVE'].includes(this.#summary.status)
  }

  /** Whether this room has ended, and its dojo goes on. */
  get #roomOver(): boolean {
    const room = this.#summary?.rooms.find(({ roomId }) => roomId === this.#here)
    return this.#summary?.status === 'ACTIVE' && room?.active === false
  }

  // ---- what the server says ----------------------------------------------------------------------------------

  #take(message: DojoMessage): void {
    if (message.type === 'CHAT_MESSAGE') {
      this.#chat.add(message, !this.#caughtUp)
      return
    }
    if (message.type === 'CODE_EXECUTION_RESULT') {
      this.#run.take(message)
      return
    }
    if (message.type === 'ERROR') {
      if (this.#talk.fail(message)) return
      const text = explainComplaint(message.code) ?? message.message
      if (message.ref === null || !this.#chat.fail(message.ref, text)) this.#turnBar.fail(text)
      return
    }
    this.#scene = after(this.#scene, message, performance.now())
    this.#show()
    if (message.type === 'CONNECTION_STATUS' || message.type === 'PARTICIPANT_LIST') this.#introduce()
    if (message.type === 'CONNECTION_STATUS') {
      this.#provider.allow(message.role !== 'OBSERVER')
      this.#showTitle()
      // It has begun, or has another name: what else is another, the socket does not tell.
      if (this.#summary?.status !== message.dojoStatus || this.#summary.name !== message.dojoName) void this.#look()
    }
    // The editor takes no more keys by now, and all that was typed has gone out: edits are sent as they are made.
    if (message.type === 'turn.ending') {
      this.#provider.send({ type: 'turn.flushed', ...(message.number === null ? {} : { number: message.number }) })
    }
  }

  #show(): void {
    this.#sheet.refresh()
    this.#allow()
    this.#turnBar.show(this.#scene, this.#administers)
    this.#turnQueue.show(this.#scene, this.#administers)
    // Guests have no account to ask the API with.
    if (this.#summary !== null) this.#turnTerms.show(this.#scene, this.#administers)
    this.#showPeople()
    this.#talk.show()
  }

  #showPeople(): void {
    this.#people.show(this.#scene, (id) => this.#itemsFor(id).length > 0, (id) => this.#talk.markOf(id))
  }

  /** What only who may write may do. */
  #allow(): void {
    this.#newFile.allow(this.#sheet.editable)
    this.#run.allow(this.#sheet.editable)
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
    const { status, scheduledStartTime } = this.#summary
    const chip = element('dojo-status', HTMLElement)
    chip.hidden = false
    chip.dataset['dojoStatus'] = status
    const begins = status === 'SCHEDULED' ? scheduledStartTime : null
    const when = begins === null ? '' : ` · ${WHEN.format(new Date(begins))}`
    chip.textContent = `${STATUS_NAMES[status] ?? status}${when}`
    element('look-back-button', HTMLElement).hidden = false
    element('notice-look-back', HTMLElement).hidden = !this.#over
    this.#showTitle()
    this.#roomsMenu.show(this.#summary, { runs: this.#runs, userId: this.#scene.me?.userId ?? null })
    if (this.#runs) this.#hostMenu.show(this.#summary)
    this.#show()
  }

  #showTitle(): void {
    const name = this.#summary?.name ?? this.#scene.me?.dojoName ?? 'Dojo'
    element('room-name', HTMLElement).textContent = name
    document.title = `${this.#unread > 0 ? `(${this.#unread}) ` : ''}${name} · Dojo`
  }

  async #said(before: string | null): Promise<ChatPage | null> {
    const room = this.#scene.me?.roomId
    if (room === undefined) return null
    const guest = this.#account.session.state.kind === 'guest'
    return guest ? this.#guests.chat(room, before) : this.#api.chat(this.#dojo, room, before)
  }

  // ---- what people want --------------------------------------------------------------------------------------

  #retry(): void {
    if (this.#entrance.needsSignIn) this.#account.signIn.open()
    else this.#provider.connect()
    this.#provider.hurry()
  }

  #act(action: TurnAction): void {
    if (action === 'raise' || action === 'lower') this.#say({ type: 'RAISE_HAND', raised: action === 'raise' })
    else {
      const seconds = { extend: EXTENSION, break: BREAK }[action as string]
      this.#say({ type: 'TURN_REQUEST', action, ...(seconds === undefined ? {} : { seconds }) })
    }
  }

  /** @throws as the API does */
  async #format(change: FormatChange): Promise<void> {
    const room = this.#here
    if (room !== null) await this.#rooms.format(this.#dojo, room, change)
  }

  #runFile(ref: string): boolean {
    const file = this.#sheet.file
    if (file === null) return false
    return this.#provider.send({ type: 'RUN_CODE', file, language: languageIn(this.#provider.doc, file), ref })
  }

  async #lookBack(view: PastView, room: string | null = this.#here): Promise<void> {
    if (this.#past === null) {
      const { LookingBack } = await import('../looking-back/looking-back.ts')
      this.#past ??= new LookingBack({
        api: new PastApi(this.#account.session, this.#dojo),
        rooms: () => this.#summary?.rooms ?? [],
        here: () => this.#here,
        mayTake: () => this.#summary !== null,
        mayRestore: (of) => this.#mayRestore(of),
        nameOf: (userId) => nameOf(this.#scene, userId),
        people: () => [...this.#scene.colors.keys()],
        explain: explainError,
      })
    }
    this.#past.open(view, room)
  }

  #mayRestore(roomId: string): boolean {
    const { me, turn } = this.#scene
    const room = this.#summary?.rooms.find((one) => one.roomId === roomId)
    if (this.#over || room?.active !== true) return false
    if (this.#runs || room.senseiId === me?.userId) return true
    return roomId === me?.roomId && (leads(this.#scene, this.#administers) || turn?.pilot === me.userId)
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
      rooms: this.#rooms,
      voice: this.#talk.muteItem(userId),
      say: (message) => this.#say(message),
    })
  }

  #openPerson(userId: string, button: HTMLButtonElement): void {
    this.#personMenu.open(nameOf(this.#scene, userId) ?? '', this.#itemsFor(userId), button)
  }
}
