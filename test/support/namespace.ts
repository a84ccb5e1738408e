// A room of its own for a process, where Linux allows one to ordinary users (user_namespaces(7)): a network in which nothing is but loopback, with doors
// that lead to ports outside, and a small disk. A door is a socket inside that this file's own child listens on; it pipes each connection to a unix
// socket, and that leads to the real port. Whoever lives in the room can open connections through the doors and can be reached by nobody.
import { spawn, spawnSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { createConnection, createServer, type NetConnectOpts, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'

export interface NamespaceOptions {
  /** ports of 127.0.0.1 that are to be there inside too; absent: the network is everybody's */
  readonly doors?: readonly number[]
  /** an empty folder that becomes a disk of so many bytes */
  readonly disk?: { readonly path: string; readonly bytes: number }
}

export interface Namespace {
  /** what a command begins with so that it runs inside */
  readonly enter: readonly string[]
  /** a path inside, as it is read from outside */
  inside(path: string): string
  /** Whoever lives there has to have left. */
  close(): Promise<void>
}

/** Why this machine allows none; null: it does. */
export function namespaceRefusal(kind: 'network' | 'disk'): string | null {
  const [flags, script] =
    kind === 'network' ? ['-rn', 'ip link set lo up'] : ['-rm', 'mount -t tmpfs -o size=64k tmpfs /mnt']
  const { status, stderr, error } = spawnSync('unshare', [flags, 'sh', '-c', script], { encoding: 'utf8' })
  if (status === 0 && spawnSync('nsenter', ['--version']).status === 0) return null
  return error?.message ?? (stderr.trim() || 'nsenter is not there')
}

export async function openNamespace({ doors, disk }: NamespaceOptions): Promise<Namespace> {
  const folder = await mkdtemp(join(tmpdir(), 'souk-doors-'))
  const sockets = (doors ?? []).map((port) => ({ port, path: join(folder, `${port}.sock`) }))
  const hatches = await Promise.all(sockets.map(({ port, path }) => passage(path, { host: HOST, port })))
  const steps = [
    ...(doors ? ['ip link set lo up'] : []),
    ...(disk ? [`mount -t tmpfs -o size=${disk.bytes} tmpfs "${disk.path}"`] : []),
    'exec "$@"',
  ]
  const flags = ['-r', ...(doors ? ['-n'] : []), ...(disk ? ['-m'] : [])]
  const keeper = [process.execPath, '--import', import.meta.resolve('tsx'), fileURLToPath(import.meta.url)]
  const child = spawn('unshare', [...flags, 'sh', '-c', steps.join(' && '), 'sh', ...keeper], {
    env: { ...process.env, SOUK_DOORS: JSON.stringify(sockets) },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()))
  await new Promise<void>((resolve, reject) => {
    child.stdout.once('data', () => resolve())
    void ended.then(() => reject(new Error('the namespace could not be made')))
  })
  const kinds = ['--user', ...(doors ? ['--net'] : []), ...(disk ? ['--mount'] : [])]
  const pid = String(child.pid)
  return {
    enter: ['nsenter', '--target', pid, '--preserve-credentials', ...kinds, '--'],
    inside: (path) => (disk ? `/proc/${pid}/root${path}` : path),
    async close() {
      child.stdin.end()
      await ended
      for (const hatch of hatches) hatch.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

const HOST = '127.0.0.1'

/** Each connection to the one is a connection to the other, and ends with it. */
function passage(from: string | { readonly host: string; readonly port: number }, to: NetConnectOpts): Promise<Server> {
  const server = createServer({ allowHalfOpen: true }, (near) => {
    const far = createConnection({ ...to, allowHalfOpen: true })
    const pair: readonly [Socket, Socket] = [near, far]
    for (const [one, other] of [pair, [far, near] as const]) {
      one.pipe(other)
      // Said by `close`, which always follows.
      one.on('error', () => undefined)
      one.once('close', () => other.destroy())
    }
  })
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    const open = () => resolve(server)
    if (typeof from === 'string') server.listen(from, open)
    else server.listen(from.port, from.host, open)
  })
}

// What follows runs inside. It keeps the namespace open until whoever made it lets go of its input.
const Doors = z.array(z.object({ port: z.number(), path: z.string() }))

async function keepOpen(doors: z.infer<typeof Doors>): Promise<void> {
  await Promise.all(doors.map(({ port, path }) => passage({ host: HOST, port }, { path })))
  process.stdout.write('open\n')
  process.stdin.resume().once('end', () => process.exit(0))
}

if (process.env.SOUK_DOORS !== undefined) await keepOpen(Doors.parse(JSON.parse(process.env.SOUK_DOORS)))
