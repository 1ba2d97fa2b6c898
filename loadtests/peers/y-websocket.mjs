// @y/websocket-server as it comes, in memory. Prints one line `ready PORT` when it listens.
// The package's own entry point (src/server.js) is these lines, with a fixed port and without a ready line.
import http from 'node:http'
import { createRequire } from 'node:module'
import { setupWSConnection } from '@y/websocket-server/utils'

// The `ws` that the package itself depends on, whichever other version the workspace has.
const { Server } = createRequire(createRequire(import.meta.url).resolve('@y/websocket-server/package.json'))('ws')

const sockets = new Server({ noServer: true })
sockets.on('connection', setupWSConnection)
const server = http.createServer((_request, response) => response.end('okay'))
server.on('upgrade', (request, socket, head) => {
  sockets.handleUpgrade(request, socket, head, (ws) => sockets.emit('connection', ws, request))
})
server.listen({ port: 0, host: '127.0.0.1' }, () => {
  console.log(`ready ${server.address().port}`)
})
process.on('SIGTERM', () => process.exit(0))
