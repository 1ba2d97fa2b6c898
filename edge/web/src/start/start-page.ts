/** The way in: the dojos one may know of, a new one, and a code to join with. */
import type { Account } from '../account/account.ts'
import { DojoApi, explainError, type DojoSummary } from '../dojo/dojo-api.ts'
import { joinAsGuest } from '../dojo/guest-grants.ts'
import { dojoFragment, goToDojo, leadBackToStart, type StartAddress } from '../page/address.ts'
import { element } from '../page/element.ts'
import { OwnName } from '../page/own-name.ts'
import { say } from '../page/wording.ts'
import { acceptInvitation } from './accept-invitation.ts'
import { NewDojoDialog } from './new-dojo.ts'

/** Between two looks at the lists, ms. */
const LOOK_EVERY = 20_000

/** Past dojos shown; older ones are found by their links. */
const PAST = 10

const WHEN = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' })

export function openStart({ joinCode, invitation }: StartAddress, account: Account): void {
  const { session, signIn } = account
  const api = new DojoApi(session)
  const ownName = new OwnName()
  const newDojo = new NewDojoDialog(api)
  document.title = say('Dojos · Dojo', 'Dojos · Dojo')
  leadBackToStart()
  element('start', HTMLElement).hidden = false
  for (const id of ['room', 'copy-link', 'status', 'to-start']) element(id, HTMLElement).hidden = true
  element('start-sign-in', HTMLButtonElement).addEventListener('click', () => signIn.open())
  element('new-dojo', HTMLButtonElement).addEventListener('click', () => newDojo.open())
  const code = element('join-code-field', HTMLInputElement)
  const name = element('join-name', HTMLInputElement)
  name.value = ownName.value
  code.value = joinCode
  // A code or a token in the address bar would stay in the history, for whoever comes next.
  history.replaceState(null, '', `${location.pathname}#start`)
  const trouble = element('join-trouble', HTMLElement)
  element('join-form', HTMLFormElement).addEventListener('submit', (event) => {
    event.preventDefault()
    trouble.textContent = ''
    const join =
      session.state.kind === 'signed-in' ? api.join(code.value) : joinAsGuest(code.value, ownName.set(name.value))
    join.then(goToDojo, (error: unknown) => {
      trouble.textContent = explainError(error)
      code.select()
    })
  })

  const look = async () => {
    const identity = await session.resume().catch(() => null)
    const signedIn = identity !== null
    element('start-guest', HTMLElement).hidden = signedIn
    element('dojos', HTMLElement).hidden = !signedIn
    element('join-name-part', HTMLElement).hidden = signedIn
    name.disabled = signedIn
    if (!signedIn) return
    session.meet().catch((error: unknown) => console.warn('dojo:', error))
    try {
      const lists = [api.list('ACTIVE'), api.list('SCHEDULED'), api.list('COMPLETED')] as const
      const [active, upcoming, past] = await Promise.all(lists)
      fill('dojos-active', active, say('Nothing is going on.', 'Nada acontecendo.'))
      fill('dojos-upcoming', upcoming, say('Nothing is planned.', 'Nada planejado.'))
      fill('dojos-past', past.slice(0, PAST), say('Nothing yet.', 'Nada ainda.'))
      element('dojos-trouble', HTMLElement).textContent = ''
    } catch (error) {
      element('dojos-trouble', HTMLElement).textContent = explainError(error)
    }
  }
  session.on('change', () => void look())
  setInterval(() => {
    if (!document.hidden && session.state.kind === 'signed-in') void look()
  }, LOOK_EVERY)
  void look()
  if (invitation !== '') acceptInvitation(invitation, account)
}

function fill(id: string, dojos: readonly DojoSummary[], nothing: string): void {
  const list = element(id, HTMLUListElement)
  // A list that is the same is left alone: the focus may be in it.
  const key = JSON.stringify(dojos)
  if (list.dataset['key'] === key) return
  list.dataset['key'] = key
  list.replaceChildren(...(dojos.length === 0 ? [emptyRow(nothing)] : dojos.map(row)))
}

function row(dojo: DojoSummary): HTMLLIElement {
  const item = document.createElement('li')
  const link = document.createElement('a')
  link.className = 'dojo'
  link.href = dojoFragment(dojo.dojoId)
  link.append(line('dojo-name', dojo.name), line('dojo-more', more(dojo)))
  item.append(link)
  return item
}

function more(dojo: DojoSummary): string {
  const pilot = dojo.rooms.find((room) => room.pilotName !== null)?.pilotName ?? null
  const { participantCount: people, scheduledStartTime: start } = dojo
  const parts = [
    dojo.language,
    dojo.creatorName,
    dojo.status === 'SCHEDULED' && start !== null ? WHEN.format(new Date(start)) : '',
    dojo.status === 'ACTIVE'
      ? say(`${people} ${people === 1 ? 'person' : 'people'}`, `${people} ${people === 1 ? 'pessoa' : 'pessoas'}`)
      : '',
    pilot === null ? '' : say(`${pilot} pilots`, `${pilot} pilota`),
    dojo.isPrivate ? say('private', 'privado') : '',
    dojo.waitingRoom && dojo.status !== 'COMPLETED' ? say('waiting room', 'sala de espera') : '',
  ]
  return parts.filter((part) => part !== '').join(' · ')
}

function emptyRow(text: string): HTMLLIElement {
  const item = document.createElement('li')
  item.className = 'nothing'
  item.textContent = text
  return item
}

function line(className: string, text: string): HTMLSpanElement {
  const made = document.createElement('span')
  made.className = className
  made.textContent = text
  return made
}
