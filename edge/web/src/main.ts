/** The page: a room of its own, a dojo, or the way to one. */
import { Account } from './account/account.ts'
import { takeLink } from './account/links.ts'
import { currentAddress, reloadOnChange } from './page/address.ts'
import { wireCopyLink } from './page/copy-link.ts'
import { translatePage } from './page/wording.ts'
import { openStart } from './start/start-page.ts'

async function start(): Promise<void> {
  translatePage()
  const link = takeLink()
  const account = new Account()
  const address = currentAddress(account.session.state.kind !== 'guest')
  reloadOnChange(address)
  document.body.dataset['page'] = address.kind
  wireCopyLink()
  // The editor is most of what the page weighs, and the way in has none.
  if (address.kind === 'room') (await import('./page/room-page.ts')).openRoom(address, account)
  else if (address.kind === 'dojo') (await import('./dojo/dojo-page.ts')).openDojo(address, account)
  else openStart(address, account)
  if (link !== null) void account.signIn.follow(link)
}

void start()
