/** What went wrong with an account, in words for the person, and what they can do. */
import { say } from '../page/wording.ts'
import { ApiAway, ApiProblem, isRecord } from './api.ts'

export interface Trouble {
  readonly text: string
  /** Seconds before which trying again is in vain; 0 for none. */
  readonly wait: number
  /** Whether a new mail with the confirmation link would help. */
  readonly unconfirmed: boolean
}

/** A company one may sign in to. */
export interface Membership {
  readonly tenantId: string
  readonly companyName: string
}

/** The server names a wait with every 429; this is for one that something in between sent, seconds. */
const USUAL_WAIT = 30

const WORDS: Readonly<Record<string, string>> = {
  invalid_credentials: say('The e-mail or the password is not right.', 'O e-mail ou a senha não está certo.'),
  email_not_verified: say(
    'Your address is not confirmed yet. Open the link in the mail we sent you.',
    'Seu endereço ainda não foi confirmado. Abra o link no e-mail que enviamos.',
  ),
  account_suspended: say(
    'This account is suspended. Ask your company’s administrator.',
    'Esta conta está suspensa. Fale com o administrador da sua empresa.',
  ),
  email_taken: say(
    'There is an account with this address already: sign in with it, or use its password here.',
    'Já existe uma conta com este endereço: entre com ela ou use aqui a senha dela.',
  ),
  invalid_token: say(
    'This link has expired or was used already. Ask for a new one.',
    'Este link expirou ou já foi usado. Peça um novo.',
  ),
  invalid_invitation: say(
    'This invitation is no longer valid, or it went to another address.',
    'Este convite não vale mais ou foi enviado a outro endereço.',
  ),
  already_member: say('You belong to this company already.', 'Você já faz parte desta empresa.'),
  busy: say(
    'Many people are signing in right now. Try again in a moment.',
    'Há muita gente entrando agora. Tente de novo em instantes.',
  ),
  origin_not_allowed: say(
    'This page’s address may not sign in here. Open Dojo at the address its operator set.',
    'Não é possível entrar a partir deste endereço. Abra o Dojo no endereço que o operador definiu.',
  ),
}

/** Why a new password is not taken. */
const WEAK: Readonly<Record<string, string>> = {
  too_short: say('The password needs at least 10 characters.', 'A senha precisa de pelo menos 10 caracteres.'),
  too_long: say('The password is too long: 256 bytes at most.', 'A senha é longa demais: no máximo 256 bytes.'),
  common: say(
    'This password is one of the first that anybody would try. Choose another.',
    'Esta senha é uma das primeiras que qualquer um tentaria. Escolha outra.',
  ),
  personal: say(
    'The password must be more than your name or your address.',
    'A senha precisa ser mais que seu nome ou seu endereço.',
  ),
}

export function troubleOf(error: unknown): Trouble {
  if (error instanceof ApiAway) {
    return trouble(say('No connection to the server. Try again.', 'Sem conexão com o servidor. Tente de novo.'))
  }
  if (!(error instanceof ApiProblem)) {
    return trouble(say('Something went wrong in this page. Load it again.', 'Algo deu errado. Recarregue a página.'))
  }
  const { status, code, retryAfter } = error
  if (status === 429) {
    const wait = Math.max(1, retryAfter ?? USUAL_WAIT)
    const text = say(
      `Too many attempts. You can try again in ${duration(wait)}.`,
      `Tentativas demais. Você pode tentar de novo em ${duration(wait)}.`,
    )
    return { ...trouble(text), wait }
  }
  if (status === 503) {
    const unready = say(
      'The server is not ready. Try again in a moment.',
      'O servidor não está pronto. Tente de novo em instantes.',
    )
    const text = WORDS[code] ?? unready
    return { ...trouble(text), wait: retryAfter ?? 0 }
  }
  const reason = error.document['reason']
  const known = WORDS[code] ?? (typeof reason === 'string' ? WEAK[reason] : undefined)
  if (known !== undefined) return { ...trouble(known), unconfirmed: code === 'email_not_verified' }
  if (status < 500) return trouble(error.message)
  const id = error.requestId
  return trouble(
    say(
      `Something went wrong on the server. If it stays so, tell your operator this number: ${id}`,
      `Algo deu errado no servidor. Se continuar, informe este número ao operador: ${id}`,
    ),
  )
}

/** The companies in a `choose_tenant` answer; null if it is another one. */
export function membershipsIn(error: unknown): readonly Membership[] | null {
  if (!(error instanceof ApiProblem) || error.code !== 'choose_tenant') return null
  const listed = error.document['memberships']
  if (!Array.isArray(listed)) return null
  const items: readonly unknown[] = listed
  return items.flatMap((item) => {
    if (!isRecord(item)) return []
    const { tenantId, companyName } = item
    return typeof tenantId === 'string' && typeof companyName === 'string' ? [{ tenantId, companyName }] : []
  })
}

/** Seconds in words: `40 s`, `5 min`. Never shorter than it is. */
export function duration(seconds: number): string {
  return seconds < 90 ? `${Math.ceil(seconds)} s` : `${Math.ceil(seconds / 60)} min`
}

function trouble(text: string): Trouble {
  return { text, wait: 0, unconfirmed: false }
}
