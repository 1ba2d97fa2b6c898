// A real OpenID provider (npm oidc-provider) over https on loopback, driven by JSON lines.
//
// argv: certificate file, private key file. stdin: {"do": "rotate"} makes new keys and forgets the old ones.
// stdout, one line each: {"issuer": ..., "kids": {alg: kid}}. Ends when stdin does.
import { generateKeyPairSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import { createInterface } from 'node:readline'
import Provider from 'oidc-provider'

const ALGORITHMS = ['RS256', 'PS256', 'ES256', 'EdDSA']
const REDIRECT = 'https://app.example/callback'
const [certificate, key] = process.argv.slice(2, 4).map((file) => readFileSync(file))

let generation = 0
const privateKey = {
  RS256: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
  PS256: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
  ES256: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  EdDSA: () => generateKeyPairSync('ed25519')
}
const newKeys = () => {
  generation += 1
  return ALGORITHMS.map((alg) => ({
    ...privateKey[alg]().privateKey.export({ format: 'jwk' }), alg, use: 'sig', kid: `${alg}-${generation}`
  }))
}

const client = (clientId, alg) => ({
  client_id: clientId,
  redirect_uris: [REDIRECT],
  response_types: ['code'],
  grant_types: ['authorization_code'],
  token_endpoint_auth_method: 'none',
  id_token_signed_response_alg: alg
})

const start = (issuer) => {
  const keys = newKeys()
  const provider = new Provider(issuer, {
    clients: [...ALGORITHMS.map((alg) => client(`dojo-${alg}`, alg)), client('another-app', 'RS256')],
    jwks: { keys },
    enabledJWA: { idTokenSigningAlgValues: ALGORITHMS },
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
    conformIdTokenClaims: false,
    cookies: { keys: ['only for tests'] },
    pkce: { required: () => true },
    ttl: { AccessToken: 600, AuthorizationCode: 60, IdToken: 600, Interaction: 600, Grant: 600, Session: 600 },
    findAccount: (_, id) => ({
      accountId: id,
      claims: () => ({ sub: id, email: `${id}@Example.com`, email_verified: true, name: `Person ${id}` })
    })
  })
  return { handle: provider.callback(), kids: Object.fromEntries(keys.map(({ alg, kid }) => [alg, kid])) }
}

let current = null
const server = createServer({ cert: certificate, key }, (request, response) => current.handle(request, response))
server.listen(0, '127.0.0.1', () => {
  const issuer = `https://localhost:${server.address().port}`
  const restart = () => {
    current = start(issuer)
    process.stdout.write(JSON.stringify({ issuer, kids: current.kids }) + '\n')
  }
  restart()
  const lines = createInterface({ input: process.stdin })
  lines.on('line', (line) => { if (JSON.parse(line).do === 'rotate') restart() })
  lines.on('close', () => process.exit(0))
})
