/** The page of a room of its own: one shared file, the people in it, and everybody writes. */
import * as Y from 'yjs'
import type { Account } from '../account/account.ts'
import { Entrance } from '../account/entrance.ts'
import { DojoProvider } from '../provider/index.ts'
import type { RoomAddress } from './address.ts'
import { element } from './element.ts'
import { OwnName } from './own-name.ts'
import { PeopleView } from './people.ts'
import { colorInsteadOf, randomColor } from './person.ts'
import { Sheet } from './sheet.ts'
import { TicketDesk } from './ticket.ts'

export function openRoom(address: RoomAddress, account: Account): void {
  const { session, signIn } = account
  document.title = `${address.room} · Dojo`
  element('room-name', HTMLElement).textContent = address.room

  const ownName = new OwnName()
  const nameField = element('name', HTMLInputElement)
  nameField.value = ownName.value
  const entrance = new Entrance(session, new TicketDesk(address.room, () => ownName.value))
  const provider = new DojoProvider({
    liveUrl: () => entrance.liveUrl,
    room: address.room,
    doc: new Y.Doc(),
    credential: (wish) => entrance.credential(wish),
    renew: () => entrance.renew(),
  })
  let color = randomColor()
  const shownName = () => session.profile?.name || ownName.value
  const introduce = () => provider.awareness.setLocalStateField('user', { name: shownName(), color })
  const people = new PeopleView((others) => {
    const other = colorInsteadOf(color, provider.awareness.clientID, others)
    if (other === null) return
    color = other
    introduce()
  })
  const sheet = new Sheet(provider, {
    retry: () => {
      if (entrance.needsSignIn) signIn.open()
      else provider.connect()
      provider.hurry()
    },
    bound: () => {
      introduce()
      people.bind(provider.awareness)
    },
  })
  sheet.show(address.file)

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
    sheet.focus()
  })

  session.on('profile', showName)
  account.accompany(provider, entrance, () => sheet.atStake)
  provider.connect()
}
