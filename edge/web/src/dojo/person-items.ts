/** What this window's person can do about somebody else in the room. */
import { say } from '../page/wording.ts'
import type { DojoApi } from './dojo-api.ts'
import type { RoomsApi } from './rooms-api.ts'
import type { PersonItem } from './person-menu.ts'
import { leads, nameOf, type Scene } from './scene.ts'

export interface PersonTerms {
  readonly scene: Scene
  readonly administrator: boolean
  /** Whether one may run the dojo over HTTP. */
  readonly runs: boolean
  readonly dojo: string
  readonly api: DojoApi
  readonly rooms: RoomsApi
  /** About their voice; null: nothing. */
  readonly voice: PersonItem | null
  /** Over the socket; what comes of it is told there. */
  readonly say: (message: Readonly<Record<string, unknown>> & { readonly type: string }) => void
}

export function personItems(userId: string, terms: PersonTerms): readonly PersonItem[] {
  const { scene, administrator, runs, dojo, api } = terms
  const { me, turn, roles } = scene
  const person = scene.people.find((one) => one.userId === userId)
  if (me === null || person === undefined) return []
  const items: PersonItem[] = []
  const name = nameOf(scene, userId) ?? ''
  const mine = userId === me.userId
  const leading = leads(scene, administrator)
  const takesTurns = turn !== null && turn.state !== 'FREE'
  const able = person.role !== 'OBSERVER' && person.connected
  if (takesTurns && able && turn.pilot !== userId && turn.pilot !== null && (leading || turn.pilot === me.userId)) {
    const run = () => terms.say({ type: 'TURN_REQUEST', action: 'hand_over', to: userId })
    items.push({ label: mine ? say('Take over', 'Assumir') : say('Hand over to them', 'Passar o teclado'), run })
  }
  if (takesTurns && able && leading && turn.copilot !== userId && turn.pilot !== userId) {
    const run = () => terms.say({ type: 'ROLE_REQUEST', role: 'COPILOT', userId })
    items.push({ label: say('Make co-pilot', 'Tornar copiloto'), run })
  }
  if (leading && roles?.sensei !== userId && !person.isGuest && able) {
    const run = () => terms.say({ type: 'ROLE_REQUEST', role: 'SENSEI', userId })
    items.push({ label: say('Make sensei', 'Tornar sensei'), run })
  }
  if (runs && takesTurns && able && !mine) {
    const may = roles?.writers.includes(userId) !== true
    const label = may ? say('Let them write too', 'Deixar escrever também') : say('No longer write', 'Não escreve mais')
    items.push({ label, run: () => terms.rooms.allow(dojo, me.roomId, userId, may) })
  }
  if (terms.voice !== null) items.push(terms.voice)
  if (runs && !mine && !person.isHost) {
    const observes = person.role === 'OBSERVER'
    items.push({
      label: observes ? say('Let them take part', 'Deixar participar') : say('Only watch', 'Só assistir'),
      run: () => api.person(dojo, userId, observes ? 'PARTICIPANT' : 'OBSERVER'),
    })
    items.push({
      label: say('Remove', 'Remover'),
      question: say(`Take ${name} out of the dojo?`, `Tirar ${name} do dojo?`),
      run: () => api.person(dojo, userId, 'remove'),
    })
    items.push({
      label: say('Ban', 'Banir'),
      question: say(`Close the dojo to ${name} for good?`, `Fechar o dojo para ${name} de vez?`),
      run: () => api.person(dojo, userId, 'ban'),
    })
  }
  return items
}
