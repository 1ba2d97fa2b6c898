/** What was said in a room before this window was opened, page by page, as the chat wants it. */
import type { ChatPage } from './dojo-api.ts'

/**
 * @param read - the page that ends at a place, null: the newest one; answers null while there is no room to read of.
 * @returns what reads the next older messages, at each call
 */
export function earlierMessages(read: (before: string | null) => Promise<ChatPage | null>): () => Promise<ChatPage['items']> {
  let before: string | null = null
  let asked = false
  const older = async (): Promise<ChatPage['items'] | null> => {
    const page = await read(before)
    if (page !== null) before = page.before
    return page?.items ?? null
  }
  return async () => {
    const first = asked ? [] : await older()
    if (first === null) return []
    asked = true
    // The newest page is mostly what the socket told already.
    if (before === null) return first
    return [...((await older()) ?? []), ...first]
  }
}
