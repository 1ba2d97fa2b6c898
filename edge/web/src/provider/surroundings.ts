/** What happens around a provider in its browser: the network, the window, the page cache. Nothing outside browsers. */

export interface SurroundingsListener {
  /** The network is back, or the window is seen again. */
  back(): void
  /** The page goes away: for good, or into the page cache. */
  hidden(): void
  /** The page has come out of the page cache. */
  shown(): void
}

export class Surroundings {
  readonly #listener: SurroundingsListener

  constructor(listener: SurroundingsListener) {
    this.#listener = listener
    globalThis.addEventListener?.('online', this.#onOnline)
    globalThis.addEventListener?.('pagehide', this.#onPageHide)
    globalThis.addEventListener?.('pageshow', this.#onPageShow)
    globalThis.document?.addEventListener('visibilitychange', this.#onVisibility)
  }

  end(): void {
    globalThis.removeEventListener?.('online', this.#onOnline)
    globalThis.removeEventListener?.('pagehide', this.#onPageHide)
    globalThis.removeEventListener?.('pageshow', this.#onPageShow)
    globalThis.document?.removeEventListener('visibilitychange', this.#onVisibility)
  }

  readonly #onOnline = (): void => this.#listener.back()

  readonly #onPageHide = (): void => this.#listener.hidden()

  readonly #onPageShow = (event: Event): void => {
    if ((event as PageTransitionEvent).persisted) this.#listener.shown()
  }

  readonly #onVisibility = (): void => {
    if (document.visibilityState === 'visible') this.#listener.back()
  }
}
