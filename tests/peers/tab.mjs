// Tabs of one browser. Within one JavaScript realm lib0 hands BroadcastChannel messages over synchronously, which no
// two tabs do. So each tab gets an instance of its own of the provider and of lib0's channel module, as if loaded in
// its own page; between the instances runs the real, asynchronous BroadcastChannel. The sources are unmodified.
import { registerHooks } from 'node:module'

const TAB = /\?tab=\d+$/
let opened = 0

registerHooks({
  resolve (specifier, context, nextResolve) {
    const resolved = nextResolve(specifier, context)
    const tab = TAB.exec(context.parentURL ?? '')
    return tab !== null && specifier === 'lib0/broadcastchannel' ? { ...resolved, url: resolved.url + tab[0] } : resolved
  }
})

/** A `WebsocketProvider` class of a tab of its own. */
export const providerOfNewTab = async () => {
  const { WebsocketProvider } = await import(`${import.meta.resolve('y-websocket')}?tab=${++opened}`)
  return WebsocketProvider
}
