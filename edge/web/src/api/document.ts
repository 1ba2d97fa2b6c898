/** As much of an OpenAPI 3.1 document as the page shows, and ways through it. */

export interface Schema {
  $ref?: string
  type?: string | string[]
  format?: string
  description?: string
  properties?: Record<string, Schema>
  required?: string[]
  items?: Schema
  additionalProperties?: boolean | Schema
  anyOf?: Schema[]
  allOf?: Schema[]
  enum?: unknown[]
  const?: unknown
  default?: unknown
  minimum?: number
  maximum?: number
  minLength?: number
  maxLength?: number
  maxItems?: number
}

export interface Parameter {
  name: string
  in: 'path' | 'query' | 'header'
  required: boolean
  description?: string
  schema: Schema
}

export interface Answer {
  $ref?: string
  description?: string
  content?: Record<string, { schema: Schema }>
}

export interface Operation {
  operationId: string
  tags: string[]
  summary: string
  description?: string
  security: unknown[]
  'x-roles'?: string[]
  parameters?: Parameter[]
  requestBody?: { content: Record<string, { schema: Schema }> }
  responses: Record<string, Answer>
}

export interface ApiDocument {
  info: { title: string; version: string; description: string }
  tags: { name: string }[]
  paths: Record<string, Record<string, Operation>>
  components: { schemas: Record<string, Schema>; responses?: Record<string, Answer> }
}

export interface Route {
  method: string
  path: string
  operation: Operation
}

/** All operations, in the order of their tags. */
export function routesOf(api: ApiDocument): Route[] {
  const routes = Object.entries(api.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
  )
  const order = new Map(api.tags.map((tag, index) => [tag.name, index]))
  const rank = (route: Route): number => order.get(route.operation.tags[0] ?? '') ?? order.size
  return routes.sort((one, other) => rank(one) - rank(other))
}

/** Whether every word of `wanted` stands somewhere in the route's method, path, name or summary. */
export function matches(route: Route, wanted: string): boolean {
  const { operationId, summary, tags } = route.operation
  const text = [route.method, route.path, operationId, summary, ...tags].join(' ').toLowerCase()
  return wanted.toLowerCase().split(/\s+/).every((word) => text.includes(word))
}

/** The name a reference ends in. */
export function nameOf(reference: string): string {
  return reference.slice(reference.lastIndexOf('/') + 1)
}

/** The answer itself, where one is shared by reference. */
export function answerOf(api: ApiDocument, answer: Answer): Answer {
  return answer.$ref === undefined ? answer : (api.components.responses?.[nameOf(answer.$ref)] ?? answer)
}

/** The codes that a problem of this answer can have; none if it is no problem. */
export function codesOf(answer: Answer): string[] {
  const code = answer.content?.['application/problem+json']?.schema.properties?.['code']
  return (code?.enum ?? []).map(String)
}

/** A schema's type in a few words: `string (uuid)`, `list of Session`, `"asc" or "desc"`. */
export function typeOf(schema: Schema): string {
  if (schema.$ref !== undefined) return nameOf(schema.$ref)
  if (schema.const !== undefined) return JSON.stringify(schema.const)
  if (schema.enum !== undefined) return schema.enum.map((each) => JSON.stringify(each)).join(' or ')
  if (schema.anyOf !== undefined) return schema.anyOf.map(typeOf).join(' or ')
  if (schema.items !== undefined) return `list of ${typeOf(schema.items)}`
  if (typeof schema.additionalProperties === 'object') return `map to ${typeOf(schema.additionalProperties)}`
  const type = Array.isArray(schema.type) ? schema.type.join(' or ') : (schema.type ?? 'anything')
  return schema.format === undefined ? type : `${type} (${schema.format})`
}

/** What else bounds a value: `1 to 100`, `3 to 254 characters`, `20 unless given`. */
export function boundsOf(schema: Schema): string {
  const bounds = [
    range(schema.minimum, schema.maximum, ''),
    range(schema.minLength, schema.maxLength, ' characters'),
    range(undefined, schema.maxItems, ' items'),
    schema.default === undefined || schema.default === null ? '' : `${JSON.stringify(schema.default)} unless given`,
    ...(schema.anyOf ?? []).map(boundsOf),
  ]
  return bounds.filter((each) => each !== '').join(', ')
}

function range(least: number | undefined, most: number | undefined, unit: string): string {
  if (least !== undefined && most !== undefined) return `${least} to ${most}${unit}`
  if (most !== undefined) return `at most ${most}${unit}`
  return least === undefined ? '' : `at least ${least}${unit}`
}

/** Names of the schemas that `schema` refers to, itself not followed. */
export function referencesOf(schema: Schema): string[] {
  if (schema.$ref !== undefined) return [nameOf(schema.$ref)]
  const inner = [
    ...Object.values(schema.properties ?? {}),
    ...(schema.anyOf ?? []),
    ...(schema.allOf ?? []),
    ...(schema.items === undefined ? [] : [schema.items]),
    ...(typeof schema.additionalProperties === 'object' ? [schema.additionalProperties] : []),
  ]
  return inner.flatMap(referencesOf)
}

/** The schemas reached from `schema`, each once, the nearest first. */
export function schemasFrom(api: ApiDocument, schema: Schema): [string, Schema][] {
  const found = new Map<string, Schema>()
  let next = referencesOf(schema)
  while (next.length > 0) {
    const fresh = next.filter((name, index) => !found.has(name) && next.indexOf(name) === index)
    next = fresh.flatMap((name) => {
      const reached = api.components.schemas[name]
      if (reached === undefined) return []
      found.set(name, reached)
      return referencesOf(reached)
    })
  }
  return [...found]
}
