/** A dojo's room as this window knows it: who is here, who pilots, and what one may do. Values; nothing is shown here. */
import { colorsOf } from '../page/person.ts'
import type { Connected, DojoMessage, Participant, Phase, Role, Roles, Turn } from './messages.ts'

export interface Scene {
  readonly me: Connected | null
  readonly people: readonly Participant[]
  /** Of those people, by user id. */
  readonly colors: ReadonlyMap<string, string>
  readonly roles: Roles | null
  readonly turn: Turn | null
  /** When the turn was told, ms of this window's own clock that only goes forward. */
  readonly turnHeardAt: number
  /** The server has said that this window's turn ends; nothing more may be typed in turn number this. */
  readonly ending: number | null
}

export const EMPTY: Scene = {
  me: null,
  people: [],
  colors: new Map(),
  roles: null,
  turn: null,
  turnHeardAt: 0,
  ending: null,
}

/** What one can do about the turn. */
export type TurnAction =
  | 'start'
  | 'pause'
  | 'resume'
  | 'skip'
  | 'extend'
  | 'break'
  | 'stop'
  | 'take'
  | 'raise'
  | 'lower'

/** The scene after a message that was heard at `now`. The very scene before it if nothing changed. */
export function after(scene: Scene, message: DojoMessage, now: number): Scene {
  switch (message.type) {
    case 'CONNECTION_STATUS':
      return { ...scene, me: message }
    case 'PARTICIPANT_LIST':
      return {
        ...scene,
        people: message.participants,
        colors: colorsOf(message.participants.map((person) => person.userId)),
      }
    case 'ROLES':
      return { ...scene, roles: message }
    case 'TURN': {
      const over = scene.ending !== null && (message.number !== scene.ending || message.state !== 'ENDING')
      return { ...scene, turn: message, turnHeardAt: now, ending: over ? null : scene.ending }
    }
    case 'turn.ending':
      return { ...scene, ending: message.number ?? scene.turn?.number ?? 0 }
    default:
      return scene
  }
}

/** The part somebody plays now; pilot and copilot come before what they are in the dojo. */
export function roleOf(scene: Scene, person: Pick<Participant, 'userId' | 'role' | 'isHost'>): Role {
  const { userId } = person
  const turn = scene.turn
  if (turn !== null && turn.state !== 'FREE') {
    if (turn.pilot === userId) return 'PILOT'
    if (turn.copilot === userId) return 'COPILOT'
  }
  if (scene.roles?.sensei === userId) return 'SENSEI'
  if (person.isHost) return 'HOST'
  return person.role === 'OBSERVER' ? 'OBSERVER' : 'PARTICIPANT'
}

export function nameOf(scene: Scene, userId: string | null): string | null {
  return scene.people.find((person) => person.userId === userId)?.userName ?? null
}

/** The colour that is a person's in every window. */
export function colorOfUser(scene: Scene, userId: string): string {
  return scene.colors.get(userId) ?? colorsOf([userId]).get(userId) ?? ''
}

/** Why this window may not write; null if it may. */
export type Hindrance = 'observer' | 'ending' | 'beginning' | 'other-pilot' | 'nobody-pilots'

export function hindranceOf(scene: Scene): Hindrance | null {
  const { me, turn, roles } = scene
  if (me?.role === 'OBSERVER') return 'observer'
  // Before the first turn everybody is heard out but whoever has it.
  if (scene.ending !== null && turn?.pilot !== me?.userId) return 'beginning'
  if (turn === null || turn.state === 'FREE' || (turn.state === 'ENDING' && turn.pilot === null)) return null
  if (me !== null && roles?.writers.includes(me.userId)) return null
  if (turn.pilot === null) return 'nobody-pilots'
  if (turn.pilot !== me?.userId) return 'other-pilot'
  return scene.ending !== null || turn.state === 'ENDING' ? 'ending' : null
}

/** Whether the window's person runs the room: its host, its sensei, or an administrator of the company. */
export function leads(scene: Scene, administrator: boolean): boolean {
  const { me } = scene
  return me !== null && (administrator || me.role === 'HOST' || scene.roles?.sensei === me.userId)
}

/** What is said to the server over the socket. */
export type SocketRequest = Readonly<Record<string, unknown>> & { readonly type: string }

/** What gives somebody the keyboard, said by the one who leads; null where that cannot be. */
export function handOverTo(scene: Scene, userId: string): SocketRequest | null {
  const { turn } = scene
  const person = scene.people.find((one) => one.userId === userId)
  if (turn === null || turn.state === 'FREE' || turn.state === 'ENDING' || turn.pilot === userId) return null
  if (person === undefined || person.role === 'OBSERVER' || !person.connected) return null
  if (turn.pilot === null) return { type: 'ROLE_REQUEST', role: 'PILOT', userId }
  return { type: 'TURN_REQUEST', action: 'hand_over', to: userId }
}

const STOPPED: readonly Phase[] = ['PAUSED', 'BREAK']

/** What the window's person can do about the turn now. */
export function actionsOf(scene: Scene, administrator: boolean): ReadonlySet<TurnAction> {
  const { me, turn } = scene
  const actions = new Set<TurnAction>()
  if (me === null || turn === null) return actions
  const leading = leads(scene, administrator)
  const pilots = turn.pilot === me.userId
  const underWay = turn.pilot !== null && ['RUNNING', 'PAUSED', 'BREAK'].includes(turn.state)
  if (turn.state === 'FREE') {
    if (leading) actions.add('start')
  } else {
    if (leading) actions.add('stop')
    if (leading && turn.state === 'RUNNING') actions.add('pause').add('break')
    if (leading && STOPPED.includes(turn.state)) actions.add('resume')
    if (leading && underWay && turn.remainingMs !== null) actions.add('extend')
    if ((leading || pilots) && underWay) actions.add('skip')
    if (turn.pilot === null && me.role !== 'OBSERVER') actions.add('take')
  }
  if (me.role !== 'OBSERVER' && !pilots) actions.add(turn.hands.includes(me.userId) ? 'lower' : 'raise')
  return actions
}
