// Small models of random bytes, and a server of files that does as it is told: breaks off, lies, redirects.
import { createHash, randomBytes } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { ModelManifest, type ServedManifest } from '../../../protocol/model.ts'
import { ModelConfig } from '../../../provider-node/config.ts'
import type { Engine, TextEngine } from '../../../provider-node/engines/engine.ts'
import type { Log } from '../../../provider-node/log.ts'

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

export const someBytes = (length: number): Buffer => randomBytes(length)

/** A manifest that is true of these files. */
export const aManifest = (files: Readonly<Record<string, Uint8Array>>, over: object = {}): ModelManifest =>
  ModelManifest.parse({
    id: 'somebody/small',
    task: 'chat',
    description: 'for tests',
    licence: 'MIT',
    files: Object.fromEntries(Object.entries(files).map(([name, bytes]) => [name, sha256(bytes)])),
    sizes: Object.fromEntries(Object.entries(files).map(([name, bytes]) => [name, bytes.byteLength])),
    probes: [{ input: 'hello' }],
    royaltyBps: 0,
    ...over,
  })

/** Writes a folder with its manifest and those files that are said to be there. */
export async function writeModel(
  folder: string,
  manifest: ServedManifest,
  files: Readonly<Record<string, Uint8Array>> = {},
): Promise<void> {
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'manifest.json'), JSON.stringify(manifest))
  for (const [name, bytes] of Object.entries(files)) await writeFile(join(folder, name), bytes)
}

export const anEntry = (folder: string, over: Partial<ModelConfig> = {}): ModelConfig =>
  ModelConfig.parse({ folder, licence: 'MIT', prices: { inputPerMillion: '1', outputPerMillion: '1' }, ...over })

export interface Asked {
  readonly path: string
  readonly range: string | undefined
  readonly ifRange: string | undefined
}

export type Behaviour = (request: IncomingMessage, response: ServerResponse, asked: Asked) => void

export interface FileServer {
  readonly url: string
  readonly asked: Asked[]
  behave(behaviour: Behaviour): void
  close(): Promise<void>
}

export async function aFileServer(behaviour: Behaviour): Promise<FileServer> {
  let now = behaviour
  const asked: Asked[] = []
  const server = createServer((request, response) => {
    const ifRange = request.headers['if-range']
    const one = {
      path: request.url ?? '',
      range: request.headers.range,
      ifRange: typeof ifRange === 'string' ? ifRange : undefined,
    }
    asked.push(one)
    now(request, response, one)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo // it listens on an address, not on a pipe
  return {
    url: `http://127.0.0.1:${port}`,
    asked,
    behave: (next) => (now = next),
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** As a good server does: ranges, If-Range, an ETag. */
export const serves =
  (bytes: Buffer, etag = '"one"'): Behaviour =>
  (_, response, { range, ifRange }) => {
    const from = /^bytes=(\d+)-$/.exec(range ?? '')?.[1]
    const isPart = from !== undefined && (ifRange === undefined || ifRange === etag)
    const at = isPart ? Number(from) : 0
    const headers = { etag, 'content-length': bytes.byteLength - at }
    if (isPart)
      response.writeHead(206, {
        ...headers,
        'content-range': `bytes ${at}-${bytes.byteLength - 1}/${bytes.byteLength}`,
      })
    else response.writeHead(200, headers)
    response.end(bytes.subarray(at))
  }

/** A range that goes on behind what came over a broken connection, at most so many bytes: the last of them may be lost on the way. */
export const partly = (sent: number): unknown => ({
  asymmetricMatch(range: unknown) {
    const from = Number(/^bytes=(\d+)-$/.exec(String(range))?.[1])
    return from > 0 && from <= sent
  },
})

/** Sends what it should, and breaks the connection when so many bytes of the file have been sent. */
export const breaksAt =
  (bytes: Buffer, at: number, etag = '"one"'): Behaviour =>
  (_, response, { range, ifRange }) => {
    const asked = /^bytes=(\d+)-$/.exec(range ?? '')?.[1]
    const isPart = asked !== undefined && (ifRange === undefined || ifRange === etag)
    const from = isPart ? Number(asked) : 0
    const headers = { etag, 'content-length': bytes.byteLength - from }
    if (isPart)
      response.writeHead(206, {
        ...headers,
        'content-range': `bytes ${from}-${bytes.byteLength - 1}/${bytes.byteLength}`,
      })
    else response.writeHead(200, headers)
    response.write(bytes.subarray(from, at), () => setTimeout(() => response.destroy(), 20))
  }

export interface Line {
  readonly level: string
  readonly event: string
  readonly fields: Readonly<Record<string, unknown>>
}

export function aLog(): { log: Log; lines: Line[]; of(event: string): Line[] } {
  const lines: Line[] = []
  const log: Log = (level, event, fields = {}) => void lines.push({ level, event, fields })
  return { log, lines, of: (event) => lines.filter((line) => line.event === event) }
}

export interface FakeEngine extends TextEngine {
  /** ends the oldest call that is being computed */
  finish(): void
  die(reason: string): void
  readonly isClosed: () => boolean
}

/** A text engine whose calls last until they are told to end. */
export function aFakeEngine(): FakeEngine {
  const open: (() => void)[] = []
  let isClosed = false
  let isDead = false
  let report: (reason: string) => void = () => undefined
  const died = new Promise<string>((resolve) => (report = resolve))
  const end = { outcome: 'complete', texts: ['hi'], outputTokens: 1, tokensAfterAbort: 0, firstOutputAt: null } as const
  return {
    task: 'chat',
    start: () => {
      let settle: () => void = () => undefined
      const ended = new Promise<typeof end>((resolve) => (settle = () => resolve(end)))
      open.push(settle)
      return Promise.resolve({ inputTokens: 1, ended, steps: (async function* () {})() })
    },
    load: () => ({ inFlight: open.length, waiting: 0 }),
    isRunning: () => !isClosed && !isDead,
    describe: () => ({ engine: 'fake', threads: 1 }),
    honours: () => null,
    died,
    close: () => {
      isClosed = true
      for (const settle of open.splice(0)) settle()
      return Promise.resolve()
    },
    finish: () => open.shift()?.(),
    die(reason) {
      isDead = true
      report(reason)
    },
    isClosed: () => isClosed,
  }
}

export const asEngine = (engine: FakeEngine): Engine => engine
