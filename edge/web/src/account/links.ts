/** The links in our mails: `/#verify=TOKEN`, `/#reset=TOKEN`, `/#invite=TOKEN`. */

export type LinkKind = 'verify' | 'reset' | 'invite'

export interface MailLink {
  readonly kind: LinkKind
  readonly token: string
}

const KINDS: readonly LinkKind[] = ['verify', 'reset', 'invite']

/** The link in a fragment, and the fragment without it (without `#`). */
export function splitLink(hash: string): { readonly link: MailLink | null; readonly rest: string } {
  const fields = new URLSearchParams(hash.replace(/^#/, ''))
  let link: MailLink | null = null
  for (const kind of KINDS) {
    const token = fields.get(kind)
    if (token !== null && token !== '') link ??= { kind, token }
    fields.delete(kind)
  }
  return { link, rest: link === null ? hash.replace(/^#/, '') : fields.toString() }
}

/** The link this page was opened with. Its token leaves the address bar and the history at once. */
export function takeLink(): MailLink | null {
  const { link, rest } = splitLink(location.hash)
  if (link !== null) history.replaceState(null, '', location.pathname + (rest === '' ? '' : `#${rest}`))
  return link
}
