/**
 * What the tabs of one browser tell each other: that a document was refused by the server. A tab that holds
 * any of it (over a shared local store) would bring it back, so it starts over too.
 */

/** The client id whose edits were refused, and how many of its clock ticks the server does have. */
export interface VoidNotice {
  readonly clientId: number
  readonly known: number
}

/** Why a document starts over that another tab was told to drop. */
export const OTHER_TAB = 'other_tab'

export class OtherTabs {
  readonly #channel: BroadcastChannel | null

  /** @param room - any name that is the same for all tabs of one room. */
  constructor(room: string, onVoid: (notice: VoidNotice) => void) {
    if (typeof BroadcastChannel === 'undefined') {
      this.#channel = null
      return
    }
    this.#channel = new BroadcastChannel(`dojo.v1:${room}`)
    this.#channel.onmessage = (event: MessageEvent<unknown>) => {
      if (isNotice(event.data)) onVoid(event.data)
    }
  }

  announce({ clientId, known }: VoidNotice): void {
    this.#channel?.postMessage({ clientId, known })
  }

  close(): void {
    this.#channel?.close()
  }
}

function isNotice(value: unknown): value is VoidNotice {
  if (typeof value !== 'object' || value === null) return false
  const { clientId, known } = value as Partial<Record<keyof VoidNotice, unknown>>
  return typeof clientId === 'number' && typeof known === 'number'
}
