/** The HTTP API of invitations to a dojo. */
import { isRecord, textIn } from '../account/api.ts'
import type { AccountSession } from '../account/session.ts'
import { records } from './messages.ts'

export interface Invitation {
  readonly invitationId: string
  readonly email: string
  readonly role: string
}

/** Open invitations that are listed; the newest. */
const LISTED = 50

export class InvitationsApi {
  readonly #session: AccountSession

  constructor(session: AccountSession) {
    this.#session = session
  }

  /** Those that can still be accepted. @throws as all of these: SessionEnded, ApiProblem, ApiAway */
  async pending(dojo: string): Promise<readonly Invitation[]> {
    const path = `/api/v1/dojos/${dojo}/invitations?status=PENDING&sortOrder=desc&pageSize=${LISTED}`
    const answer = await this.#session.ask(path, { method: 'GET' })
    return records(isRecord(answer) ? answer['items'] : null).map((each) => ({
      invitationId: textIn(each, 'invitationId'),
      email: textIn(each, 'email'),
      role: textIn(each, 'role'),
    }))
  }

  async invite(dojo: string, email: string, role: string): Promise<void> {
    await this.#session.ask(`/api/v1/dojos/${dojo}/invitations`, { body: { email, role } })
  }

  async revoke(dojo: string, invitation: string): Promise<void> {
    await this.#session.ask(`/api/v1/dojos/${dojo}/invitations/${invitation}`, { method: 'DELETE' })
  }

  /** Take the seat one was invited to; answers the dojo's id. @param token - what the mail brought. */
  async accept(token: string): Promise<string> {
    return textIn(await this.#session.ask('/api/v1/dojos/invitations/accept', { body: { token } }), 'dojoId')
  }
}
