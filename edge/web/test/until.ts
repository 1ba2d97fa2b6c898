/** Waiting for a condition, with a deadline that names what did not happen. */

const DEADLINE = 5_000

/** Resolve once `condition` holds. It is looked at after every turn of the event loop. */
export async function until(what: string, condition: () => boolean, deadline = DEADLINE): Promise<void> {
  const end = performance.now() + deadline
  while (!condition()) {
    if (performance.now() > end) throw new Error(`not within ${deadline} ms: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}
