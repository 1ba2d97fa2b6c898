/** Where live sockets are opened. */
import { ask, textIn } from './api.ts'

/**
 * The address, without a path, of the node that a dojo prefers now; without a dojo, the one told to everybody.
 * @throws ApiAway
 */
export async function liveUrlOf(dojo: string | null): Promise<string> {
  const query = dojo === null ? '' : `?dojoId=${encodeURIComponent(dojo)}`
  return textIn(await ask(`/api/v1/config${query}`, { method: 'GET' }), 'liveUrl')
}
