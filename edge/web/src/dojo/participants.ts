/** The people of a room as the server names them: their parts, who is away for a moment, whose hand is up. */
import { element } from '../page/element.ts'
import { initials, inkOn } from '../page/person.ts'
import { say } from '../page/wording.ts'
import type { VoiceMark } from '../voice/talk.ts'
import { ROLE_NAMES } from './dojo-words.ts'
import type { Participant, Role } from './messages.ts'
import { colorOfUser, roleOf, type Scene } from './scene.ts'

/** Rows shown; the count above them is complete. */
const ROWS = 60

const FIRST: readonly Role[] = ['PILOT', 'COPILOT', 'SENSEI', 'HOST', 'PARTICIPANT', 'OBSERVER']

const VOICES: Readonly<Record<Exclude<VoiceMark, null>, string>> = {
  speaking: say('speaking', 'falando'),
  silent: say('can talk', 'pode falar'),
  muted: say('muted', 'sem microfone'),
  silenced: say('muted by the host', 'silenciado pelo anfitrião'),
}

export class ParticipantsView {
  readonly #list = element('participants', HTMLUListElement)
  readonly #count = element('people-count', HTMLElement)
  /** By user id: rows are changed, not made anew, so that a focus in one stays. */
  readonly #rows = new Map<string, Row>()
  readonly #onMenu: (userId: string, button: HTMLButtonElement) => void

  /** @param onMenu - the button of somebody's row was pressed. */
  constructor(onMenu: (userId: string, button: HTMLButtonElement) => void) {
    this.#onMenu = onMenu
    this.#list.hidden = false
    for (const id of ['you', 'others', 'alone']) element(id, HTMLElement).hidden = true
  }

  /** @param mayAct - whether this window's person can do something about somebody. */
  show(scene: Scene, mayAct: (userId: string) => boolean, voiceOf: (userId: string) => VoiceMark): void {
    const hands = scene.turn?.hands ?? []
    const rank = (person: Participant) => FIRST.indexOf(roleOf(scene, person)) - (hands.includes(person.userId) ? 0.5 : 0)
    const people = [...scene.people].sort((a, b) => rank(a) - rank(b) || a.userName.localeCompare(b.userName))
    this.#count.textContent = String(people.filter((person) => person.connected).length)
    const shown = people.slice(0, ROWS)
    const gone = new Set(this.#rows.keys())
    shown.forEach((person, at) => {
      gone.delete(person.userId)
      const row = this.#rowOf(person.userId)
      row.show(person, {
        role: roleOf(scene, person),
        color: colorOfUser(scene, person.userId),
        mine: person.userId === scene.me?.userId,
        hand: hands.includes(person.userId),
        voice: voiceShown(person, voiceOf(person.userId)),
        menu: mayAct(person.userId),
      })
      if (this.#list.children[at] !== row.item) this.#list.insertBefore(row.item, this.#list.children[at] ?? null)
    })
    for (const userId of gone) {
      this.#rows.get(userId)?.item.remove()
      this.#rows.delete(userId)
    }
  }

  #rowOf(userId: string): Row {
    const known = this.#rows.get(userId)
    if (known !== undefined) return known
    const row = new Row((button) => this.#onMenu(userId, button))
    this.#rows.set(userId, row)
    return row
  }
}

/** Who is away may still be heard; that nobody has ended their connection yet is nothing to see. */
function voiceShown({ connected }: Participant, voice: VoiceMark): VoiceMark {
  return connected || voice === 'speaking' ? voice : null
}

interface RowMarks {
  readonly color: string
  readonly role: Role
  readonly mine: boolean
  readonly hand: boolean
  readonly voice: VoiceMark
  readonly menu: boolean
}

class Row {
  readonly item = document.createElement('li')
  readonly #avatar = span('avatar')
  readonly #name = span('name')
  readonly #role = span('role')
  readonly #hand = span('hand')
  readonly #voice = span('voice')
  readonly #menu = document.createElement('button')

  constructor(onMenu: (button: HTMLButtonElement) => void) {
    this.item.className = 'person'
    this.#avatar.setAttribute('aria-hidden', 'true')
    this.#hand.setAttribute('role', 'img')
    this.#hand.setAttribute('aria-label', say('hand raised', 'mão levantada'))
    this.#voice.setAttribute('role', 'img')
    this.#menu.type = 'button'
    this.#menu.className = 'row-menu'
    this.#menu.textContent = '⋯'
    this.#menu.addEventListener('click', () => onMenu(this.#menu))
    this.item.append(this.#avatar, this.#name, this.#role, this.#hand, this.#voice, this.#menu)
  }

  show(person: Participant, { color, role, mine, hand, voice, menu }: RowMarks): void {
    const { userId, userName, connected, isGuest } = person
    this.item.dataset['user'] = userId
    this.item.dataset['role'] = role
    this.item.classList.toggle('away', !connected)
    this.#avatar.textContent = initials(userName)
    this.#avatar.style.backgroundColor = color
    this.#avatar.style.color = inkOn(color)
    this.#name.textContent = userName
    const notes = [
      ROLE_NAMES[role],
      mine ? say('you', 'você') : '',
      isGuest ? say('guest', 'convidado') : '',
      connected ? '' : say('away', 'ausente'),
    ]
    this.#role.textContent = notes.filter((note) => note !== '').join(' · ')
    this.#hand.hidden = !hand
    this.#voice.hidden = voice === null
    if (voice === null) delete this.item.dataset['voice']
    else {
      this.item.dataset['voice'] = voice
      this.#voice.setAttribute('aria-label', VOICES[voice])
    }
    this.#menu.hidden = !menu
    this.#menu.setAttribute('aria-label', say(`What to do with ${userName}`, `Ações para ${userName}`))
  }
}

function span(className: string): HTMLSpanElement {
  const made = document.createElement('span')
  made.className = className
  return made
}
