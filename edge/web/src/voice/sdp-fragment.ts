/** Restarts of ICE as fragments of SDP (RFC 8840): what is asked, and the answer made whole for the browser. */

/** The fragment that asks for what the browser's new offer says of ICE. @throws Error if it says nothing of it */
export function fragmentOf(offer: string): string {
  const lines = offer.split(/\r?\n/)
  const value = (name: string) => lines.find((line) => line.startsWith(`a=${name}:`))
  const [fragment, password, mid] = [value('ice-ufrag'), value('ice-pwd'), value('mid')]
  const group = lines.find((line) => line.startsWith('a=group:BUNDLE'))
  if (fragment === undefined || password === undefined || mid === undefined) throw new Error('an offer without ICE')
  const rows = [...(group === undefined ? [] : [group]), fragment, password, 'm=audio 9 UDP/TLS/RTP/SAVPF 0', mid]
  return `${rows.join('\r\n')}\r\n`
}

/**
 * The server's answer to a restart: its last answer, with the credentials and candidates of the fragment.
 * @throws Error if the fragment has no credentials
 */
export function answerWith(before: string, fragment: string): string {
  const said = fragment.split(/\r?\n/)
  const value = (name: string) => said.find((line) => line.startsWith(`a=${name}:`))
  const [name, password] = [value('ice-ufrag'), value('ice-pwd')]
  if (name === undefined || password === undefined) throw new Error('the server answered a restart without credentials')
  const candidates = said.filter((line) => line.startsWith('a=candidate:') || line === 'a=end-of-candidates')
  let placed = false
  const rows = before.split(/\r?\n/).flatMap((line) => {
    if (line.startsWith('o=')) return [nextVersion(line)]
    if (line.startsWith('a=ice-ufrag:')) return [name]
    if (line.startsWith('a=candidate:') || line === 'a=end-of-candidates') return []
    if (!line.startsWith('a=ice-pwd:')) return [line]
    if (placed) return [password]
    placed = true
    return [password, ...candidates]
  })
  return rows.join('\r\n')
}

/** `o=- 7 1 IN …` is followed by `o=- 7 2 IN …` (RFC 8866, 5.2). */
function nextVersion(origin: string): string {
  const fields = origin.split(' ')
  fields[2] = String(Number(fields[2]) + 1)
  return fields.join(' ')
}
