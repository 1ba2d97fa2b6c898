/** Running the file that is shown, and what came of it. */
import { element } from '../page/element.ts'
import { make, makeButton } from '../page/make.ts'
import { say } from '../page/wording.ts'
import type { RunResult } from './messages.ts'

/** What the server answers where nothing can run code. */
const NOT_AVAILABLE = 'not available'
/** For the server to say anything, ms. */
const ANSWER_TIME = 30_000

export class RunView {
  readonly #button = element('run', HTMLButtonElement)
  readonly #result = element('run-result', HTMLElement)
  readonly #head = make('p', { class: 'run-head', role: 'status' })
  readonly #output = make('pre', { tabindex: 0, 'aria-label': say('Output', 'Saída') })
  #refs = 0
  #awaited: string | null = null
  #late: ReturnType<typeof setTimeout> | undefined

  /** @param run - send the wish; false if there is no connection. */
  constructor(run: (ref: string) => boolean) {
    const close = makeButton(say('Close', 'Fechar'), () => {
      this.#result.hidden = true
      this.#button.focus()
    })
    this.#result.replaceChildren(make('div', { class: 'run-line' }, this.#head, close), this.#output)
    this.#button.hidden = false
    this.#button.addEventListener('click', () => {
      const ref = `run-${(this.#refs += 1)}`
      this.#awaited = ref
      clearTimeout(this.#late)
      if (!run(ref)) {
        this.#show(say('No connection at the moment.', 'Sem conexão no momento.'), '', 'ERROR')
        return
      }
      this.#show(say('Running…', 'Executando…'), '', 'RUNNING')
      this.#late = setTimeout(() => this.#show(say('No answer came.', 'Não veio resposta.'), '', 'ERROR'), ANSWER_TIME)
    })
  }

  /** Only who may write may run. */
  allow(may: boolean): void {
    this.#button.disabled = !may
  }

  take({ status, output, error, executionTime, ref }: RunResult): void {
    if (ref !== null && ref !== this.#awaited) return
    clearTimeout(this.#late)
    if (error === NOT_AVAILABLE) {
      const text = say(
        'This server does not run code yet. Everything else goes on as before.',
        'Este servidor ainda não executa código. Todo o resto continua como antes.',
      )
      this.#show(text, '', 'UNAVAILABLE')
      return
    }
    const took = executionTime > 0 ? ` · ${Math.round(executionTime)} ms` : ''
    const head = status === 'ERROR' || error !== '' ? say('It failed', 'Falhou') : say('It ran', 'Executou')
    this.#show(head + took, [output, error].filter((part) => part !== '').join('\n'), status)
  }

  #show(head: string, output: string, status: string): void {
    this.#result.hidden = false
    this.#result.dataset['run'] = status
    this.#head.textContent = head
    this.#output.textContent = output
    this.#output.hidden = output === ''
  }
}
