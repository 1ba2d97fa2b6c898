/** A dojo's roles, states and refusals in the reader's language. */
import { say } from '../page/wording.ts'
import type { Role } from './messages.ts'
import type { Hindrance } from './scene.ts'

export const ROLE_NAMES: Readonly<Record<Role, string>> = {
  HOST: say('host', 'anfitrião'),
  SENSEI: say('sensei', 'sensei'),
  PILOT: say('pilot', 'piloto'),
  COPILOT: say('co-pilot', 'copiloto'),
  PARTICIPANT: '',
  OBSERVER: say('observer', 'observador'),
}

export const STATUS_NAMES: Readonly<Record<string, string>> = {
  SCHEDULED: say('Scheduled', 'Agendado'),
  ACTIVE: say('Active', 'Ativo'),
  COMPLETED: say('Completed', 'Concluído'),
  CANCELLED: say('Cancelled', 'Cancelado'),
  FAILED: say('Not completed', 'Não concluído'),
}

/** The server's last word on a connection, by the word. */
const REFUSALS: Readonly<Record<string, string>> = {
  ended: say('This dojo has ended.', 'Este dojo terminou.'),
  removed: say(
    'The host has taken you out of this dojo. The join code or an invitation lets you in again.',
    'O anfitrião tirou você deste dojo. O código ou um convite permite voltar.',
  ),
  left: say('You have left this room in another window.', 'Você saiu desta sala em outra janela.'),
  banned: say('The host has closed this dojo to you.', 'O anfitrião fechou este dojo para você.'),
  locked: say('The host lets nobody new in at the moment.', 'O anfitrião não aceita mais ninguém no momento.'),
}

const BY_CODE: Readonly<Record<number, string>> = {
  4401: say('Your way into this dojo is no longer valid.', 'Seu acesso a este dojo não vale mais.'),
  4403: say('You may not enter this dojo.', 'Você não pode entrar neste dojo.'),
  4404: say(
    'There is no such dojo, or not for you. Perhaps you need its join code.',
    'Este dojo não existe, ou não para você. Talvez você precise do código.',
  ),
  4409: say('The dojo is full.', 'O dojo está lotado.'),
}

const ROOM_OVER = say(
  'This room is closed; the dojo goes on in another one: see Rooms.',
  'Esta sala foi encerrada; o dojo continua em outra: veja Salas.',
)

/**
 * A refusal in words; null if the usual ones will do.
 * @param roomOver - it is only the room that has ended.
 */
export function explainDojoRefusal(
  { code, reason }: { readonly code: number; readonly reason: string },
  roomOver: boolean,
): string | null {
  if (reason === 'ended' && roomOver) return ROOM_OVER
  return reason === 'no_token' ? null : (REFUSALS[reason] ?? BY_CODE[code] ?? null)
}

/** Why one may not write: a word for the bar, and a sentence. */
export function explainHindrance(hindrance: Hindrance, pilot: string | null) {
  const somebody = pilot ?? say('Somebody else', 'Outra pessoa')
  switch (hindrance) {
    case 'observer':
      return {
        label: say('Watching', 'Assistindo'),
        detail: say('You are an observer: you may not edit here.', 'Você é observador: não pode editar aqui.'),
      }
    case 'ending':
      return {
        label: say('Handing over', 'Passando a vez'),
        detail: say('Your turn is over. What you typed counts.', 'Sua vez acabou. O que você digitou vale.'),
      }
    case 'beginning':
      return {
        label: say('Turns begin', 'O rodízio começa'),
        detail: say('Turns begin. What you typed counts.', 'O rodízio começa. O que você digitou vale.'),
      }
    case 'other-pilot':
      return {
        label: say('Watching', 'Assistindo'),
        detail: say(`${somebody} pilots now. Only the pilot writes.`, `${somebody} pilota agora. Só o piloto escreve.`),
      }
    case 'nobody-pilots':
      return {
        label: say('Watching', 'Assistindo'),
        detail: say('Nobody pilots at the moment.', 'Ninguém pilota no momento.'),
      }
  }
}

const COMPLAINTS: Readonly<Record<string, string>> = {
  not_host: say('Only the host and the sensei can do this.', 'Só o anfitrião e o sensei podem fazer isso.'),
  not_pilot: say('Only the pilot and the host can do this.', 'Só o piloto e o anfitrião podem fazer isso.'),
  not_in_room: say('They are not in the room, or only watch.', 'A pessoa não está na sala, ou só assiste.'),
  nobody_here: say('There is nobody here who could pilot.', 'Não há ninguém aqui que possa pilotar.'),
  not_running: say('There is no turn for this at the moment.', 'Não há uma vez em curso para isso.'),
  already_running: say('Turns are being taken already.', 'O rodízio já começou.'),
  turn_ending: say('The turn is just ending. Try again in a second.', 'A vez está acabando. Tente em um segundo.'),
  turn_taken: say('Somebody else was faster.', 'Outra pessoa foi mais rápida.'),
  stale_version: say('It has changed meanwhile. Look again.', 'Mudou nesse meio-tempo. Veja de novo.'),
  room_ended: say('This room has ended.', 'Esta sala terminou.'),
  too_many_messages: say('Wait a moment before the next message.', 'Espere um momento antes da próxima mensagem.'),
  message_too_long: say('A message has at most 2,000 characters.', 'Uma mensagem tem no máximo 2.000 caracteres.'),
  empty_message: say('There is nothing in this message.', 'Não há nada nesta mensagem.'),
  chat_unavailable: say('The message was not stored. Try again.', 'A mensagem não foi salva. Tente de novo.'),
  invalid_join_code: say(
    'This code lets nobody in, not any more, or not you.',
    'Este código não dá acesso, não mais, ou não a você.',
  ),
  dojo_full: say('The dojo is full.', 'O dojo está lotado.'),
  dojo_over: say('This dojo has ended.', 'Este dojo terminou.'),
  not_possible: say('This cannot be done with the dojo as it is now.', 'Isso não é possível com o dojo como está.'),
  host_stays: say('The host stays in.', 'O anfitrião permanece.'),
  invalid_name: say('Choose another name.', 'Escolha outro nome.'),
  room_over: say('This room is closed.', 'Esta sala foi encerrada.'),
  too_many_rooms: say('The dojo has as many rooms as it may have.', 'O dojo já tem o máximo de salas.'),
  not_sensei: say('Only the room’s sensei and the host can do this.', 'Só o sensei da sala e o anfitrião podem fazer isso.'),
  not_participant: say('Only who takes part can do this.', 'Só quem participa pode fazer isso.'),
  bad_duration: say(
    'A turn takes from 10 seconds to 4 hours, or has no limit (0).',
    'Uma vez dura de 10 segundos a 4 horas, ou não tem limite (0).',
  ),
  bad_order: say('Somebody of the queue has left. Look again.', 'Alguém da fila saiu. Veja de novo.'),
  invalid_email: say('This is no address that a mail can go to.', 'Este endereço não pode receber e-mail.'),
  already_accepted: say('It was accepted already. Remove the person instead.', 'Já foi aceito. Remova a pessoa.'),
  too_many_snapshots: say('The room has as many snapshots as it may have.', 'A sala já tem o máximo de snapshots.'),
  too_large: say('The files are too large for a snapshot.', 'Os arquivos são grandes demais para um snapshot.'),
  history_dropped: say('What was typed then is not kept any more.', 'O que foi digitado naquela época não é mais guardado.'),
  replay_busy: say('Many are looking back right now. Try again in a moment.', 'Muita gente está revendo agora. Tente em instantes.'),
  summary_busy: say('Many are looking back right now. Try again in a moment.', 'Muita gente está revendo agora. Tente em instantes.'),
  not_in_voice: say('They do not talk here.', 'A pessoa não está na conversa.'),
  muted_by_host: say('The host has muted you.', 'O anfitrião desligou seu microfone.'),
  voice_unavailable: say('There is no voice here at the moment.', 'Não há voz aqui no momento.'),
  too_many_dojos: say('You have too many open dojos. End one first.', 'Você tem dojos abertos demais. Encerre um antes.'),
}

/** What went wrong, by its stable code; null if this page has no words of its own for it. */
export function explainComplaint(code: string): string | null {
  return COMPLAINTS[code] ?? null
}
