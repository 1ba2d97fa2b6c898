/** Taking the seat in a dojo that a mail invited to. */
import type { Account } from '../account/account.ts'
import { explainError } from '../dojo/dojo-api.ts'
import { InvitationsApi } from '../dojo/invitations-api.ts'
import { goToDojo } from '../page/address.ts'
import { element } from '../page/element.ts'
import { say } from '../page/wording.ts'

/** Accept as soon as somebody is signed in; whoever is not is asked to. @param token - what the mail brought. */
export function acceptInvitation(token: string, { session, signIn }: Account): void {
  const api = new InvitationsApi(session)
  const told = element('invitation-told', HTMLElement)
  const trouble = element('invitation-trouble', HTMLElement)
  element('invitation', HTMLElement).hidden = false
  let busy = false
  const accept = async () => {
    if (busy) return
    busy = true
    trouble.textContent = ''
    try {
      if ((await session.resume()) === null) {
        told.textContent = say(
          'Sign in with the address that the mail came to, and you are in.',
          'Entre com o e-mail que recebeu o convite e você estará dentro.',
        )
        signIn.open(say('Sign in to take part in the dojo.', 'Entre para participar do dojo.'))
        return
      }
      told.textContent = say('Taking your seat…', 'Reservando seu lugar…')
      goToDojo(await api.accept(token))
    } catch (error) {
      told.textContent = ''
      trouble.textContent = explainError(error)
    } finally {
      busy = false
    }
  }
  session.on('change', ({ kind }) => {
    if (kind === 'signed-in') void accept()
  })
  void accept()
}
