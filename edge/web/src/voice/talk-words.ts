/** A call, a microphone and a refusal in the reader's language. */
import { say } from '../page/wording.ts'
import type { CallState } from './call-plan.ts'
import type { NoMicrophone } from './microphone.ts'

const NO_MICROPHONE: Readonly<Record<NoMicrophone, string>> = {
  refused: say(
    'Your browser does not let this page use the microphone. Allow it in the address bar.',
    'Seu navegador não deixa esta página usar o microfone. Permita na barra de endereço.',
  ),
  missing: say('No microphone was found.', 'Nenhum microfone foi encontrado.'),
  busy: say('The microphone does not answer; perhaps another program has it.', 'O microfone não responde; talvez outro programa o esteja usando.'),
  barred: say('Browsers give a microphone to https pages only.', 'Navegadores só dão o microfone a páginas https.'),
}

const REFUSALS: Readonly<Record<string, string>> = {
  voice_unavailable: say('There is no voice here at the moment.', 'Não há voz aqui no momento.'),
  away: say('The server does not answer.', 'O servidor não responde.'),
  not_participant: say('Only who takes part can talk here.', 'Só quem participa pode falar aqui.'),
  not_started: say('The dojo has not begun yet.', 'O dojo ainda não começou.'),
  dojo_over: say('This dojo has ended.', 'Este dojo terminou.'),
  room_over: say('This room is closed.', 'Esta sala foi encerrada.'),
  session_ended: say('You are no longer signed in.', 'Sua sessão terminou.'),
}

export function explainVoiceRefusal(code: string): string {
  return REFUSALS[code] ?? say('Talking did not work. Try again.', 'Não foi possível falar. Tente de novo.')
}

export interface OwnVoice {
  /** Why there is no microphone; null: there is one. `observer`: it was not asked for. */
  readonly without: NoMicrophone | 'observer' | null
  readonly muted: boolean
  /** As the server has it. */
  readonly mutedByHost: boolean
  readonly maySpeak: boolean
}

/** What becomes of the host's wish to record. @param recorded - whether it is being done. */
export function explainRecordingWish(wanted: boolean, recorded: boolean): string {
  if (!wanted) {
    return say(
      'Everybody is told, and who comes later too.',
      'Todos são avisados, também quem chegar depois.',
    )
  }
  return recorded
    ? say('Everybody sees that it is being recorded.', 'Todos veem que está sendo gravado.')
    : say('It begins as soon as somebody talks.', 'Começa assim que alguém falar.')
}

/** @param trouble - the server's words; empty if there is none. */
export function explainRecordingTrouble(trouble: string): string {
  return trouble === '' ? '' : `${say('Recording:', 'Gravação:')} ${trouble}`
}

/** How things stand with one's own voice, in a sentence; empty while one is not in. */
export function explainCall({ phase }: CallState, own: OwnVoice): string {
  switch (phase) {
    case 'off':
      return ''
    case 'connecting':
      return say('Connecting…', 'Conectando…')
    case 'interrupted':
      return say('Interrupted. Looking for another way…', 'Interrompido. Procurando outro caminho…')
    case 'waiting':
      return say('The voice server is away. Trying again…', 'O servidor de voz não responde. Tentando de novo…')
    case 'dropped':
      return say('You talk in another window, or were taken out.', 'Você fala em outra janela, ou foi retirado.')
    case 'connected':
      return explainOwn(own)
  }
}

function explainOwn({ without, muted, mutedByHost, maySpeak }: OwnVoice): string {
  if (without === 'observer') return say('You listen: observers do not talk.', 'Você ouve: observadores não falam.')
  if (without !== null) return `${say('You only listen.', 'Você só ouve.')} ${NO_MICROPHONE[without]}`
  if (muted) return say('You are muted.', 'Seu microfone está desligado.')
  if (mutedByHost) return say('The host has muted you.', 'O anfitrião desligou seu microfone.')
  if (!maySpeak) return say('Only those at the keyboard talk now.', 'Agora só fala quem está no teclado.')
  return say('You can be heard.', 'Você pode ser ouvido.')
}
