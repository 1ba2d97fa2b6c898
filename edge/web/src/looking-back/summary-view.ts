/** What a dojo came to: who typed, talked, piloted and was there for how long. */
import { make } from '../page/make.ts'
import { say } from '../page/wording.ts'
import type { PersonSummary, RoomTotals, Summary } from './past-api.ts'

const WHEN = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' })
const COUNT = new Intl.NumberFormat()

export function summaryView(summary: Summary): HTMLElement {
  const { startedAt, endedAt, duration, people, rooms } = summary
  const parts = [
    startedAt === null ? say('It has not begun.', 'Ainda não começou.') : WHEN.format(new Date(startedAt)),
    endedAt === null ? say('under way', 'em andamento') : '',
    duration > 0 ? lasting(duration) : '',
    people.length === 1 ? say('1 person', '1 pessoa') : say(`${people.length} people`, `${people.length} pessoas`),
  ]
  const head = make('p', { class: 'summary-head' }, parts.filter((part) => part !== '').join(' · '))
  const view = make('div', { class: 'summary' }, head)
  view.append(peopleTable(people))
  view.append(roomsTable(rooms))
  if (rooms.some((room) => !room.complete)) {
    const text = say(
      'A part of what was typed is not kept any more and is not counted.',
      'Parte do que foi digitado não é mais guardada e não entra na conta.',
    )
    view.append(make('p', { class: 'menu-more' }, text))
  }
  return view
}

function peopleTable(people: readonly PersonSummary[]): HTMLElement {
  const busiest = Math.max(1, ...people.map((person) => person.typed))
  const rows = [...people]
    .sort((a, b) => b.typed - a.typed || b.piloted - a.piloted || a.userName.localeCompare(b.userName))
    .map((person) => {
      const name = person.isGuest ? `${person.userName} · ${say('guest', 'convidado')}` : person.userName
      const typed = make('td', { class: 'bar-cell' }, COUNT.format(person.typed))
      typed.style.setProperty('--part', String(person.typed / busiest))
      const cells = [COUNT.format(person.deleted), COUNT.format(person.messages)]
      const times = [person.piloted, person.copiloted, person.present].map(lasting)
      const who = make('th', { scope: 'row' }, name)
      return make('tr', { 'data-user': person.userId }, who, typed, ...[...cells, ...times].map(cell))
    })
  const heads = [
    say('Who', 'Quem'),
    say('Typed', 'Digitou'),
    say('Deleted', 'Apagou'),
    say('Messages', 'Mensagens'),
    say('Piloted', 'Pilotou'),
    say('Co-piloted', 'Copilotou'),
    say('Present', 'Presente'),
  ]
  return table(say('People', 'Pessoas'), heads, rows)
}

function roomsTable(rooms: readonly RoomTotals[]): HTMLElement {
  const rows = rooms.map(({ name, turns, duration, typed, deleted, messages }) => {
    const cells = [turns, typed, deleted, messages].map((count) => COUNT.format(count))
    return make('tr', {}, make('th', { scope: 'row' }, name), ...[...cells, lasting(duration)].map(cell))
  })
  const heads = [
    say('Room', 'Sala'),
    say('Turns', 'Vezes'),
    say('Typed', 'Digitado'),
    say('Deleted', 'Apagado'),
    say('Messages', 'Mensagens'),
    say('Time', 'Tempo'),
  ]
  return table(say('Rooms', 'Salas'), heads, rows)
}

function table(caption: string, heads: readonly string[], rows: readonly HTMLTableRowElement[]): HTMLElement {
  const head = make('tr', {}, ...heads.map((text) => make('th', { scope: 'col' }, text)))
  const made = make('table', {}, make('caption', {}, caption), make('thead', {}, head), make('tbody', {}, ...rows))
  // On a narrow screen it moves sideways within its frame, not the page with it.
  return make('div', { class: 'table-frame', tabindex: 0, role: 'region', 'aria-label': caption }, made)
}

function cell(text: string): HTMLTableCellElement {
  return make('td', {}, text)
}

/** `42 s`, `5 min`, `1 h 05 min`. @param seconds - as the API counts. */
export function lasting(seconds: number): string {
  if (seconds < 60) return `${Math.round(seconds)} s`
  const minutes = Math.round(seconds / 60)
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, '0')} min`
}
