/** The elements of index.html, found by id and checked for their kind. */

/** @throws Error if the page has no such element: index.html and the code have parted. */
export function element<T extends HTMLElement>(id: string, kind: abstract new () => T): T {
  const found = document.getElementById(id)
  if (!(found instanceof kind)) throw new Error(`the page has no ${kind.name} #${id}`)
  return found
}
