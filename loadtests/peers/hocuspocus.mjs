// @hocuspocus/server as it comes, in memory, no extensions. Prints one line `ready PORT` when it listens.
import { Server } from '@hocuspocus/server'

const server = new Server({
  quiet: true,
  address: '127.0.0.1',
  port: 0,
  // Idle members are measured for longer than its default of 60 s; nothing else differs from the defaults.
  timeout: 600_000,
})
await server.listen()
console.log(`ready ${server.address.port}`)
