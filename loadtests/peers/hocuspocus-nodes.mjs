// Three @hocuspocus/server processes with its own Redis extension, in memory, behind one Redis started here.
// REDIS_SERVER names the binary. Prints one line `ready PORT PORT PORT` when all listen.
import { fork, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createConnection } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Redis } from '@hocuspocus/extension-redis'
import { Server } from '@hocuspocus/server'
import IORedis from 'ioredis'

const NODES = 3
const socket = process.env.REDIS_SOCKET

if (process.send) {
  const server = new Server({
    quiet: true,
    address: '127.0.0.1',
    port: 0,
    timeout: 600_000,
    extensions: [new Redis({ createClient: () => new IORedis(socket), prefix: 'bench' })],
  })
  await server.listen()
  process.send(server.address.port)
} else {
  const folder = mkdtempSync(join(tmpdir(), 'bench-redis-'))
  const path = join(folder, 'redis.sock')
  const redis = spawn(process.env.REDIS_SERVER, [
    '--port', '0', '--unixsocket', path, '--save', '', '--appendonly', 'no', '--dir', folder,
  ], { stdio: 'ignore' })
  await connectable(path)
  const nodes = []
  const ports = await Promise.all(Array.from({ length: NODES }, () => new Promise((resolve, reject) => {
    const node = fork(fileURLToPath(import.meta.url), { env: { ...process.env, REDIS_SOCKET: path } })
    nodes.push(node)
    node.once('message', resolve)
    node.once('exit', reject)
  })))
  const end = () => {
    for (const node of nodes) node.kill('SIGKILL')
    redis.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
    process.exit(0)
  }
  process.on('SIGTERM', end)
  process.on('SIGINT', end)
  console.log(`ready ${ports.join(' ')}`)
}

async function connectable (path) {
  for (let tries = 0; tries < 200; tries++) {
    const open = await new Promise((resolve) => {
      const probe = createConnection(path)
      probe.once('connect', () => { probe.destroy(); resolve(true) })
      probe.once('error', () => resolve(false))
    })
    if (open) return
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error('Redis does not listen')
}
