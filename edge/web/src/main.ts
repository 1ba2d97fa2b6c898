/** The room page: one room, one shared file, the people in it. */
import * as Y from 'yjs'
import { Entrance } from './account/entrance.ts'
import { takeLink } from './account/links.ts'
import { AccountMenu } from './account/menu.ts'
import { AccountSession } from './account/session.ts'
import { SignIn } from './account/sign-in.ts'
import { Editor } from './editor/editor.ts'
import { currentAddress, reloadOnChange } from './page/address.ts'
import { wireCopyLink } from './page/copy-link.ts'
import { element } from './page/element.ts'
import { say, translatePage } from './page/wording.ts'
import { OwnName } from './page/own-name.ts'
import { PeopleView } from './page/people.ts'
import { colorInsteadOf, randomColor } from './page/person.ts'
import { ResetDialog } from './page/reset-dialog.ts'
import { standingOf } from './page/standing.ts'
import { StatusView } from './page/status-view.ts'
import { TicketDesk } from './page/ticket.ts'
import { DojoProvider } from './provider/index.ts'

function start(): void {
  translatePage()
  const link = takeLink()
  const address = currentAddress()
  reloadOnChange(address)
  document.title = `${address.room} · Dojo`
  element('room-name', HTMLElement).textContent = address.room
  element('file-name', HTMLElement).textContent = address.file
  wireCopyLink()

  const ownName = new OwnName()
  const nameField = element('name', HTMLInputElement)
  nameField.value = ownName.value
  const session = new AccountSession()
  const signIn = new SignIn(session)
  const entrance = new Entrance(session, new TicketDesk(address.room, () => ownName.value))
  const provider = new DojoProvider({
    liveUrl: () => entrance.liveUrl,
    room: address.room,
    doc: new Y.Doc(),
    credential: (wish) => entrance.credential(wish),
    renew: () => entrance.renew(),
  })
  const editor = new Editor(element('editor', HTMLElement), address.file)
  const resetDialog = new ResetDialog()
  const statusView = new StatusView(() => (entrance.needsSignIn ? signIn.open() : provider.connect()))
  let edited = false
  let known = false
  let color = randomColor()
  const shownName = () => session.profile?.name || ownName.value

  const introduce = () => provider.awareness.setLocalStateField('user', { name: shownName(), color })

  const people = new PeopleView((others) => {
    const other = colorInsteadOf(color, provider.awareness.clientID, others)
    if (other === null) return
    color = other
    introduce()
  })

  const showStanding = () => {
    const standing = standingOf(provider.status, edited, known)
    statusView.show(standing)
    editor.setEditable(standing.editable)
  }

  const bind = () => {
    const { doc, awareness } = provider
    doc.on('update', (_update: Uint8Array, _origin: unknown, _doc: Y.Doc, { local }: Y.Transaction) => {
      if (!local || edited) return
      edited = true
      showStanding()
    })
    introduce()
    editor.bind(doc, awareness)
    people.bind(awareness)
  }

  const showName = () => {
    nameField.readOnly = session.profile !== null
    nameField.value = shownName()
    introduce()
  }
  const rename = () => {
    if (nameField.readOnly) return
    nameField.value = ownName.set(nameField.value)
    introduce()
  }
  nameField.addEventListener('change', rename)
  element('you', HTMLFormElement).addEventListener('submit', (event) => {
    event.preventDefault()
    rename()
    editor.focus()
  })

  provider.on('status', showStanding)
  provider.on('synced', () => {
    if (known) return
    known = true
    showStanding()
    // Unless somebody is typing their name already.
    if (document.activeElement === document.body) editor.focus()
  })
  provider.on('reset', (reset) => {
    edited = false
    bind()
    showStanding()
    resetDialog.show(reset)
  })
  provider.on('error', (error) => console.warn('dojo:', error.message))

  // Leaving would lose what the server has not committed yet.
  const atStake = () => edited && !provider.status.saved && provider.status.canWrite
  let giveUp = false
  addEventListener('beforeunload', (event) => {
    const agreed = giveUp && session.state.kind === 'guest'
    if (atStake() && !agreed) event.preventDefault()
  })

  new AccountMenu(
    session,
    () => signIn.open(),
    () => {
      giveUp = atStake() && confirm(UNSAVED)
      return giveUp || !atStake()
    },
  )
  session.on('profile', showName)
  session.on('change', () => {
    if (entrance.outgrown) location.reload()
    else if (session.state.kind === 'ended') signIn.open(ENDED)
    else if (session.state.kind === 'signed-in') provider.connect()
  })
  provider.on('refused', () => {
    if (entrance.needsSignIn) signIn.open()
  })

  bind()
  showStanding()
  provider.connect()
  if (link !== null) void signIn.follow(link)
}

const UNSAVED = say(
  'Some of your edits are not saved yet, and signing out loses them. Sign out all the same?',
  'Algumas edições ainda não foram salvas e se perderão se você sair. Sair mesmo assim?',
)
const ENDED = say('You are no longer signed in.', 'Sua sessão terminou.')

start()
