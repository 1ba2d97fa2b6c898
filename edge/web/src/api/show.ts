/** Operations as elements. Everything from the document goes in as text, never as markup. */

import {
  answerOf,
  boundsOf,
  codesOf,
  schemasFrom,
  typeOf,
  type ApiDocument,
  type Operation,
  type Route,
  type Schema,
} from './document.ts'

type Child = Node | string

export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  className: string,
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag)
  if (className !== '') made.className = className
  made.append(...children)
  return made
}

/** One operation, closed; what is inside is made when it is first opened. */
export function show(api: ApiDocument, route: Route): HTMLDetailsElement {
  const { method, path, operation } = route
  const summary = make(
    'summary',
    '',
    make('span', `method ${method.toLowerCase()}`, method),
    make('code', 'path', path),
    make('span', 'about', operation.summary),
  )
  const shown = make('details', 'operation', summary)
  shown.id = operation.operationId
  shown.addEventListener('toggle', () => {
    if (shown.open && shown.childElementCount === 1) shown.append(...inside(api, operation))
  })
  return shown
}

function inside(api: ApiDocument, operation: Operation): Child[] {
  const roles = operation['x-roles']
  const children: Child[] = [
    make('p', 'roles', roles === undefined ? 'No access token is needed.' : `For: ${roles.join(', ')}.`),
  ]
  if (operation.description !== undefined) children.unshift(make('p', 'description', operation.description))
  const parameters = operation.parameters ?? []
  if (parameters.length > 0) {
    const rows = parameters.map((each) => [
      `${each.name} (${each.in})`,
      typeOf(each.schema),
      each.required,
      [boundsOf(each.schema), each.description ?? ''].filter((text) => text !== '').join('. '),
    ] as const)
    children.push(make('h3', '', 'Parameters'), fields(rows))
  }
  const body = operation.requestBody?.content['application/json']?.schema
  if (body !== undefined) children.push(make('h3', '', 'Body'), ...schema(api, body))
  for (const [status, given] of Object.entries(operation.responses)) {
    if (!status.startsWith('2')) continue
    const answer = answerOf(api, given)
    children.push(make('h3', '', `Answer ${status}`))
    const contents = Object.entries(answer.content ?? {})
    if (contents.length === 0) children.push(make('p', '', 'Nothing.'))
    for (const [type, content] of contents) children.push(make('p', '', type), ...schema(api, content.schema))
  }
  children.push(make('h3', '', 'Problems'), problems(api, operation))
  return children
}

function schema(api: ApiDocument, root: Schema): Child[] {
  const named = schemasFrom(api, root)
  if (named.length === 0) return [make('p', '', typeOf(root))]
  const title = root.$ref === undefined ? [make('p', '', typeOf(root))] : []
  return [
    ...title,
    ...named.flatMap(([name, each]) => {
      const required = new Set(each.required ?? [])
      const rows = Object.entries(each.properties ?? {}).map(
        ([field, type]) => [field, typeOf(type), required.has(field), boundsOf(type)] as const,
      )
      return [make('h4', '', name), rows.length > 0 ? fields(rows) : make('p', '', typeOf(each))]
    }),
  ]
}

function fields(rows: readonly (readonly [string, string, boolean, string])[]): HTMLElement {
  const body = make('tbody', '')
  for (const [name, type, required, more] of rows) {
    const heading = make('th', '', make('code', '', name))
    heading.scope = 'row'
    body.append(make('tr', '', heading, make('td', '', type), make('td', '', required ? 'required' : ''), make('td', '', more)))
  }
  return make('div', 'table', make('table', '', body))
}

function problems(api: ApiDocument, operation: Operation): HTMLElement {
  const list = make('dl', 'problems')
  for (const [status, given] of Object.entries(operation.responses)) {
    const answer = answerOf(api, given)
    const codes = codesOf(answer)
    if (codes.length === 0) continue
    const named = codes.flatMap((code, index) => [...(index > 0 ? [' '] : []), make('code', '', code)])
    list.append(make('dt', '', `${status} ${answer.description ?? ''}`), make('dd', '', ...named))
  }
  return list
}
