import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ChatPage } from '../src/dojo/dojo-api.ts'
import { earlierMessages } from '../src/dojo/earlier-chat.ts'

function said(messageId: string): ChatPage['items'][number] {
  const timestamp = '2026-01-01T12:00:00Z'
  return { type: 'CHAT_MESSAGE', messageId, userId: 'a', userName: 'Ana', content: messageId, timestamp, ref: null }
}

/** Pages by the place they end at. */
const PAGES: Readonly<Record<string, ChatPage>> = {
  newest: { items: [said('5'), said('6')], before: '5' },
  5: { items: [said('3'), said('4')], before: '3' },
  3: { items: [said('1'), said('2')], before: null },
}

const ids = (items: ChatPage['items']) => items.map(({ messageId }) => messageId)

test('the newest page comes with the one before it, then each page alone, then nothing', async () => {
  const earlier = earlierMessages(async (before) => PAGES[before ?? 'newest'] ?? null)
  assert.deepEqual(ids(await earlier()), ['3', '4', '5', '6'])
  assert.deepEqual(ids(await earlier()), ['1', '2'])
  assert.deepEqual(await earlier(), [])
})

test('while there is no room to read of nothing is, and then all', async () => {
  let there = false
  const earlier = earlierMessages(async (before) => (there ? (PAGES[before ?? 'newest'] ?? null) : null))
  assert.deepEqual(await earlier(), [])
  there = true
  assert.deepEqual(ids(await earlier()), ['3', '4', '5', '6'])
})

test('a page that could not be read is read again', async () => {
  const fails = new Set(['newest', '3'])
  const earlier = earlierMessages(async (before) => {
    const name = before ?? 'newest'
    if (fails.delete(name)) throw new Error(name)
    return PAGES[name] ?? null
  })
  await assert.rejects(earlier)
  assert.deepEqual(ids(await earlier()), ['3', '4', '5', '6'])
  await assert.rejects(earlier)
  assert.deepEqual(ids(await earlier()), ['1', '2'])
})
