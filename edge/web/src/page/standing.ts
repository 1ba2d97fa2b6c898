/** How things stand, in words for people. Nothing here may sound better than it is. */
import type { ProviderStatus, Refusal } from '../provider/index.ts'
import { say } from './wording.ts'

export type StandingKey =
  | 'connecting'
  | 'live'
  | 'saving'
  | 'saved'
  | 'unsaved'
  | 'offline'
  | 'paused'
  | 'read-only'
  /** Somebody else has the keyboard. */
  | 'watching'
  /** At the door, where others decide. */
  | 'waiting'
  | 'refused'
  /** Only signing in leads on. */
  | 'sign-in'

export interface Standing {
  readonly key: StandingKey
  readonly label: string
  /** A sentence to show above the text, where there is more to say. */
  readonly detail: string | null
  /** Whether the text may be edited. */
  readonly editable: boolean
}

/** Why a text may not be edited that the connection would take edits of. */
export interface Bar {
  readonly label: string
  readonly detail: string
}

/** What a page knows besides. */
export interface StandingTerms {
  readonly bar?: Bar | null
  /** A refusal in words of the page's own; null for the usual ones. */
  readonly explain?: (refusal: Refusal) => string | null
}

const KEPT = ' Your text stays in this window; copy what you need.'

/** Attempts in vain after which it is more than a hitch. */
const HITCHES = 3

/** At the door, by the server's word. */
const HELD: Readonly<Record<string, string>> = {
  waiting_room: say(
    'The host has not let you in yet. Keep this window open: you come in by yourself.',
    'O anfitrião ainda não liberou sua entrada. Deixe esta janela aberta: você entrará sozinho.',
  ),
  not_started: say(
    'The dojo has not begun yet. Keep this window open: you come in by yourself.',
    'O dojo ainda não começou. Deixe esta janela aberta: você entrará sozinho.',
  ),
}

const PAUSED: Readonly<Record<string, string>> = {
  backlog_full: say(
    'Storage has not answered for a while, so the room takes no more edits until it does.',
    'O armazenamento não responde há algum tempo; até que responda, a sala não aceita edições.',
  ),
  engine_faults: say(
    'The room takes no edits for a few minutes, because some of them could not be processed.',
    'A sala não aceita edições por alguns minutos, porque algumas não puderam ser processadas.',
  ),
}

/** The provider explains in English. */
const REFUSED_PT: Readonly<Record<number, string>> = {
  4400: 'O servidor não conseguiu ler o que esta janela enviou.',
  4401: 'O acesso a esta sala não é mais válido.',
  4403: 'Você não pode entrar nesta sala ou não pode editar nela.',
  4404: 'Esta sala não existe.',
  4409: 'A sala está cheia.',
  4413: 'O documento ou uma edição é grande demais.',
  4422: 'Uma edição cortou um caractere ao meio.',
  4429: 'Edições demais em pouco tempo.',
}

/**
 * @param edited - whether this window has edited since it was opened: only then "saved" says something.
 * @param known - whether the room's text has arrived here at least once.
 */
export function standingOf(
  status: ProviderStatus,
  edited: boolean,
  known: boolean,
  { bar = null, explain }: StandingTerms = {},
): Standing {
  const standing = ofConnection(status, edited, known, explain)
  return standing.editable && bar !== null ? { key: 'watching', ...bar, editable: false } : standing
}

function ofConnection(
  status: ProviderStatus,
  edited: boolean,
  known: boolean,
  explain: StandingTerms['explain'],
): Standing {
  const { connection, refusal } = status
  if (refusal !== null) {
    if (refusal.code === 4401 && refusal.reason === 'no_token') {
      const label = say('Not signed in', 'Sem login')
      return { key: 'sign-in', label, detail: refusal.explanation, editable: false }
    }
    const kept = edited
      ? say(KEPT, ' Seu texto fica nesta janela; copie o que precisar.')
      : ''
    const label = say('Not connected', 'Sem conexão')
    return { key: 'refused', label, detail: (explain?.(refusal) ?? explanation(refusal)) + kept, editable: false }
  }
  if (connection === 'open' && status.synced) return connectedStanding(status, edited)
  const held = HELD[status.lastReason ?? '']
  if (held !== undefined) return { key: 'waiting', label: say('Waiting', 'Aguardando'), detail: held, editable: false }
  if (status.failures > 0 || connection === 'idle') return away(status, edited, known)
  return { key: 'connecting', label: say('Connecting…', 'Conectando…'), detail: null, editable: known && status.canWrite }
}

/** Without a connection: why, what is tried, and what becomes of the text. */
function away(status: ProviderStatus, edited: boolean, known: boolean): Standing {
  const { connection, failures } = status
  // The first attempts come within seconds: that is no more than a hitch.
  const soon = connection === 'connecting' || failures < HITCHES
  const label = soon && connection !== 'idle' ? say('Reconnecting…', 'Reconectando…') : 'Offline'
  const cause = known
    ? say('No connection at the moment.', 'Sem conexão no momento.')
    : say('No connection to the server yet.', 'Ainda sem conexão.')
  const promise = !known
    ? say('Trying again.', 'Tentando de novo.')
    : edited
      ? say(
          'Your edits are kept in this window and follow as soon as it is back.',
          'Suas edições ficam nesta janela e seguem assim que ela voltar.',
        )
      : say('What others type shows as soon as it is back.', 'O que os outros digitam aparece assim que ela voltar.')
  return { key: 'offline', label, detail: `${cause} ${promise}`, editable: known && status.canWrite }
}

function connectedStanding(status: ProviderStatus, edited: boolean): Standing {
  if (!status.canWrite) {
    const detail = say('You are watching: you may not edit here.', 'Você está assistindo: não pode editar aqui.')
    return { key: 'read-only', label: say('Read-only', 'Só leitura'), detail, editable: false }
  }
  if (!status.writable) {
    const detail =
      PAUSED[status.writableReason ?? ''] ??
      say('The room takes no edits at the moment.', 'A sala não aceita edições no momento.')
    return { key: 'paused', label: say('Edits paused', 'Edições pausadas'), detail, editable: false }
  }
  if (!status.saved && status.unsavedReason !== null) {
    const detail = say(
      'Everybody sees your edits, but storage does not answer. They are saved as soon as it does.',
      'Todos veem suas edições, mas o armazenamento não responde. Elas serão salvas assim que responder.',
    )
    return { key: 'unsaved', label: say('Not saved yet', 'Ainda não salvo'), detail, editable: true }
  }
  if (!edited) return { key: 'live', label: say('Live', 'Ao vivo'), detail: null, editable: true }
  if (!status.saved) return { key: 'saving', label: say('Saving…', 'Salvando…'), detail: null, editable: true }
  return { key: 'saved', label: say('Saved', 'Salvo'), detail: null, editable: true }
}

/** What the API said (`no_token`) comes as it is; what the provider says is known by its code. */
function explanation({ code, reason, explanation: english }: Refusal): string {
  return reason === 'no_token' ? english : say(english, REFUSED_PT[code] ?? english)
}
