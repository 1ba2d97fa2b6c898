/** The join code of a dojo, in the tab in which it was made: the server shows it once and keeps only its hash. */

const key = (dojo: string) => `dojo.join-code:${dojo}`

export function keepCode(dojo: string, code: string): void {
  sessionStorage.setItem(key(dojo), code)
}

export function keptCode(dojo: string): string | null {
  return sessionStorage.getItem(key(dojo))
}

export function forgetCode(dojo: string): void {
  sessionStorage.removeItem(key(dojo))
}
