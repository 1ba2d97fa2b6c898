/** The room page: one room, one shared file, the people in it. */
import * as Y from 'yjs'
import { Editor } from './editor/editor.ts'
import { currentAddress, reloadOnChange } from './page/address.ts'
import { wireCopyLink } from './page/copy-link.ts'
import { element } from './page/element.ts'
import { OwnName } from './page/own-name.ts'
import { PeopleView } from './page/people.ts'
import { colorInsteadOf, randomColor } from './page/person.ts'
import { ResetDialog } from './page/reset-dialog.ts'
import { standingOf } from './page/standing.ts'
import { StatusView } from './page/status-view.ts'
import { TicketDesk } from './page/ticket.ts'
import { DojoProvider } from './provider/index.ts'

function start(): void {
  const address = currentAddress()
  reloadOnChange(address)
  document.title = `${address.room} · Dojo`
  element('room-name', HTMLElement).textContent = address.room
  element('file-name', HTMLElement).textContent = address.file
  wireCopyLink()

  const ownName = new OwnName()
  const desk = new TicketDesk(address.room, () => ownName.value)
  const provider = new DojoProvider({
    liveUrl: () => desk.liveUrl,
    room: address.room,
    doc: new Y.Doc(),
    getToken: ({ fresh }) => desk.token(fresh),
  })
  const editor = new Editor(element('editor', HTMLElement), address.file)
  const resetDialog = new ResetDialog()
  const statusView = new StatusView(() => provider.connect())
  let edited = false
  let known = false
  let color = randomColor()

  const introduce = () => provider.awareness.setLocalStateField('user', { name: ownName.value, color })

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

  const nameField = element('name', HTMLInputElement)
  nameField.value = ownName.value
  const rename = () => {
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
  addEventListener('beforeunload', (event) => {
    const { saved, canWrite } = provider.status
    if (edited && !saved && canWrite) event.preventDefault()
  })

  bind()
  showStanding()
  provider.connect()
}

start()
