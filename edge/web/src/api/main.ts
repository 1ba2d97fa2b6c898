/** The reference page: what the API can be asked, read from the server that would be asked. */

import { element } from '../page/element.ts'
import { matches, routesOf, type ApiDocument, type Route } from './document.ts'
import { make, show } from './show.ts'

const PATH = '/api/v1/openapi.json'

const list = element('operations', HTMLElement)
const filter = element('filter', HTMLInputElement)
const found = element('found', HTMLParagraphElement)

try {
  const answer = await fetch(PATH, { credentials: 'omit' })
  if (!answer.ok) throw new Error(`${PATH} answered ${answer.status}`)
  start((await answer.json()) as ApiDocument)
} catch (error) {
  list.append(make('p', 'trouble', `The description could not be loaded. ${String(error)}`))
} finally {
  list.removeAttribute('aria-busy')
}

function start(api: ApiDocument): void {
  element('title', HTMLHeadingElement).textContent = `${api.info.title} API, version ${api.info.version}`
  element('description', HTMLParagraphElement).textContent = api.info.description
  const routes = routesOf(api)
  const shown = new Map<Route, HTMLDetailsElement>()
  const sections = new Map<string, HTMLElement>()
  for (const route of routes) {
    const tag = route.operation.tags[0] ?? ''
    let section = sections.get(tag)
    if (section === undefined) {
      section = make('section', '', make('h2', '', tag))
      sections.set(tag, section)
      list.append(section)
    }
    const made = show(api, route)
    shown.set(route, made)
    section.append(made)
  }

  const narrow = (): void => {
    let count = 0
    for (const [route, made] of shown) {
      made.hidden = !matches(route, filter.value)
      if (!made.hidden) count += 1
    }
    for (const section of sections.values()) section.hidden = section.querySelector('details:not([hidden])') === null
    found.textContent = `${count} of ${routes.length} operations`
  }
  filter.addEventListener('input', narrow)
  narrow()

  const open = (): void => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)))
    if (!(target instanceof HTMLDetailsElement)) return
    target.open = true
    target.scrollIntoView()
  }
  addEventListener('hashchange', open)
  open()
}
