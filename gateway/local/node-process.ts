// A provider node beside the gateway: the operator's own program, run with its real commands in processes of their own. It is made once
// (`init`), registered with the operator's wallet at every start (an update that keeps its history), and keeps its port unless that is taken.
import { spawn, type ChildProcess } from 'node:child_process'
import { createWriteStream, existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { parse as parseJsonc } from 'jsonc-parser'
import { z } from 'zod'
import { LINK_ENDPOINT } from '../../protocol/link.ts'
import { NodeView } from '../../protocol/node.ts'
import { ExpectedFailure, oneLine } from './expected.ts'
import { ROOT } from './root.ts'
import type { DevWallet } from './secrets.ts'

export interface NodeOptions {
  /** the node's state folder; its log stands beside it as `<home>.log` */
  readonly home: string
  readonly gatewayUrl: string
  readonly operator: DevWallet
  readonly name: string
  /** model folders for `init`; absent: those the program ships */
  readonly models?: readonly string[]
  /** reached by its own link: it listens nowhere */
  readonly isLinked?: boolean
  /** Told of the process before it is ready, so that it can be ended whatever happens. */
  onSpawn?(pid: number): void
}

export interface NodeProcess {
  readonly id: string
  /** an address, or LINK_ENDPOINT */
  readonly endpoint: string
  readonly pid: number
  /** Resolves with what it last said when it ends. */
  readonly exited: Promise<string>
  /** SIGTERM, and SIGKILL when it is still there after {@link STOP_MS}. */
  stop(): Promise<void>
  kill(): Promise<void>
}

/** ms a node gets to stop by itself */
const STOP_MS = 5_000
/** ms until a node that says nothing has failed: models load in one or two seconds */
const READY_MS = 60_000
const HOST = '127.0.0.1'

/** @throws ExpectedFailure with the program's own sentence */
export async function startNodeProcess(options: NodeOptions): Promise<NodeProcess> {
  if (!existsSync(join(options.home, 'config.json'))) await init(options)
  const { endpoint, env } = options.isLinked ? linked(options) : await listening(options)
  const register = { ...env, SOUK_OPERATOR_KEY: options.operator.privateKey }
  const registered = await finished(['register', '--home', options.home, '--json'], register)
  const { id } = NodeView.parse(JSON.parse(registered))
  return { id, endpoint, ...(await serve(options, env)) }
}

interface Reached {
  readonly endpoint: string
  readonly env: NodeJS.ProcessEnv
}

const linked = ({ gatewayUrl }: NodeOptions): Reached => ({
  endpoint: LINK_ENDPOINT,
  env: { SOUK_NODE_GATEWAY: gatewayUrl },
})

async function listening({ home, gatewayUrl }: NodeOptions): Promise<Reached> {
  const port = await usablePort(portOf(home))
  const endpoint = `http://${HOST}:${port}`
  return {
    endpoint,
    env: { SOUK_NODE_GATEWAY: gatewayUrl, SOUK_NODE_ENDPOINT: endpoint, SOUK_NODE_PORT: String(port) },
  }
}

async function init({ home, gatewayUrl, name, isLinked, models = [] }: NodeOptions): Promise<void> {
  const port = isLinked ? [] : ['--port', String(await usablePort(0))]
  const folders = models.flatMap((folder) => ['--model', folder])
  await finished(['init', '--home', home, '--gateway', gatewayUrl, '--name', name, ...port, ...folders], {})
}

/** Runs a command to its end. @returns its standard output */
async function finished(args: readonly string[], env: NodeJS.ProcessEnv): Promise<string> {
  const child = command(args, env)
  let said = ''
  let complaint = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => (said += text))
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (complaint += text))
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  if (code !== 0) throw failure(complaint)
  return said
}

async function serve(options: NodeOptions, env: NodeJS.ProcessEnv): Promise<Omit<NodeProcess, 'id' | 'endpoint'>> {
  const child = command(['start', '--home', options.home, '--json'], env)
  const { pid } = child
  if (pid === undefined) throw new ExpectedFailure('The node program cannot be started.')
  options.onSpawn?.(pid)
  const endWithUs = () => child.kill('SIGKILL')
  process.once('exit', endWithUs)
  const log = createWriteStream(`${options.home}.log`, { mode: 0o600 })
  let complaint = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => (complaint = (complaint + text).slice(-4_096)))
  child.stdout?.pipe(log)
  child.stderr?.pipe(log)
  const exited = new Promise<string>((resolve) => child.once('close', () => resolve(sentenceOf(complaint))))
  void exited.then(() => process.off('exit', endWithUs))
  const stopped = async (signal: 'SIGTERM' | 'SIGKILL') => {
    if (child.exitCode !== null || child.signalCode !== null) return
    child.kill(signal)
    const late = setTimeout(() => child.kill('SIGKILL'), STOP_MS)
    await exited
    clearTimeout(late)
  }
  try {
    await ready(child, exited)
  } catch (error) {
    await stopped('SIGKILL')
    throw error
  }
  return { pid, exited, stop: () => stopped('SIGTERM'), kill: () => stopped('SIGKILL') }
}

const Event = z.object({ event: z.string() })

async function ready(child: ChildProcess, exited: Promise<string>): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const late = setTimeout(() => reject(new ExpectedFailure('The node did not become ready.')), READY_MS)
    void exited.then((sentence) => {
      clearTimeout(late)
      reject(failure(sentence))
    })
    if (!child.stdout) return
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (Event.safeParse(parsed(line)).data?.event !== 'ready') return
      clearTimeout(late)
      resolve()
    })
  })
}

/** In our process group, so that what ends us ends it. */
const command = (args: readonly string[], env: NodeJS.ProcessEnv): ChildProcess =>
  spawn(process.execPath, ['--import', 'tsx', join(ROOT, 'provider-node/cli.ts'), ...args], {
    cwd: ROOT,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })

const failure = (complaint: string) => new ExpectedFailure(`The node did not start: ${sentenceOf(complaint)}`)

/** The program says what is wrong in one last line, after its name. */
const sentenceOf = (complaint: string): string =>
  /^souk-node: (.+)$/m.exec(complaint)?.[1] ?? (oneLine(complaint).slice(0, 500) || 'it ended without a word')

const Stored = z.object({ port: z.number().int().nullable() })

function portOf(home: string): number {
  // The operator's file may have comments.
  const stored = Stored.safeParse(
    parseJsonc(readFileSync(join(home, 'config.json'), 'utf8'), [], { allowTrailingComma: true }),
  )
  if (!stored.success)
    throw new ExpectedFailure(
      `${join(home, 'config.json')} is not a node's configuration: restore it, or delete ${home} to have a new node.`,
    )
  return stored.data.port ?? 0
}

/** The wanted port if it is free, else any free one. */
async function usablePort(wanted: number): Promise<number> {
  const listen = (port: number) =>
    new Promise<number | null>((resolve) => {
      const probe = createServer()
      probe.once('error', () => resolve(null))
      probe.listen(port, HOST, () => {
        const address = probe.address()
        probe.close(() => resolve(typeof address === 'object' ? (address?.port ?? null) : null))
      })
    })
  const port = (await listen(wanted)) ?? (await listen(0))
  if (port === null) throw new ExpectedFailure('There is no free port for the node.')
  return port
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}
