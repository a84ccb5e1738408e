// The operator's real program on one state folder, as its operator runs it: in a process of its own, inside a namespace or with another clock where a
// story wants that, and with every line of its log to be asked for.
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'

const TSX = import.meta.resolve('tsx')
const CLI = fileURLToPath(new URL('../../provider-node/cli.ts', import.meta.url))
/** ms for one line of a log: models load and links come back within seconds, but the machine may be busy */
const SAID_MS = 60_000

export interface ProgramOptions {
  readonly home: string
  /** what its commands begin with, see namespace.ts */
  readonly enter?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

const Line = z.looseObject({ event: z.string(), level: z.string() })
export type LogLine = z.infer<typeof Line>

export interface ServingNode {
  readonly pid: number
  readonly ended: Promise<Ended>
  /** of one event, oldest first */
  lines(event: string): readonly LogLine[]
  /** The so many-th line of an event, also one that was there before. */
  said(event: string, count?: number): Promise<LogLine>
  signal(name: NodeJS.Signals): void
  /** SIGTERM, and its end. */
  stop(): Promise<Ended>
}

export interface NodeProgram {
  readonly home: string
  /** One command to its end. @param env beside the program's own */
  run(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<Ended>
  /** What one command prints. @throws Error with what it said when it failed */
  tells(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<string>
  /** Resolves when its models are loaded and it says "ready". */
  start(env?: Readonly<Record<string, string>>): Promise<ServingNode>
}

export function nodeProgram({ home, enter = [], env: own = {} }: ProgramOptions): NodeProgram {
  const launch = (args: readonly string[], env: Readonly<Record<string, string>>) => {
    const [command = '', ...rest] = [...enter, process.execPath, '--import', TSX, CLI, ...args, '--home', home]
    const child = spawn(command, rest, {
      env: { ...process.env, ...own, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    const endWithUs = () => child.kill('SIGKILL')
    process.once('exit', endWithUs)
    const ended = new Promise<Ended>((resolve) => child.once('close', (code) => resolve({ code, stdout, stderr })))
    void ended.then(() => process.off('exit', endWithUs))
    return { child, ended }
  }
  const run: NodeProgram['run'] = (args, env = {}) => launch(args, env).ended
  return {
    home,
    run,
    async tells(args, env) {
      const { code, stdout, stderr } = await run(args, env)
      if (code !== 0) throw new Error(`souk-node ${args.join(' ')} ended with ${code}: ${stderr}`)
      return stdout
    },
    async start(env = {}) {
      const { child, ended } = launch(['start', '--json'], env)
      const log: LogLine[] = []
      const listeners = new Set<() => void>()
      createInterface({ input: child.stdout }).on('line', (text) => {
        log.push(Line.parse(JSON.parse(text)))
        for (const listener of listeners) listener()
      })
      const lines = (event: string) => log.filter((line) => line.event === event)
      const said = (event: string, count = 1) =>
        new Promise<LogLine>((resolve, reject) => {
          const fail = (why: string) =>
            reject(new Error(`${why}, and never "${event}": ${JSON.stringify(log.slice(-12))}`))
          const late = setTimeout(() => fail(`it waited ${SAID_MS} ms`), SAID_MS)
          const look = () => {
            const line = lines(event)[count - 1]
            if (!line) return
            clearTimeout(late)
            listeners.delete(look)
            resolve(line)
          }
          listeners.add(look)
          look()
          void ended.then(({ code, stderr }) => (clearTimeout(late), fail(`it ended with ${code}, ${stderr}`)))
        })
      const stop = () => (child.kill('SIGTERM'), ended)
      await said('ready')
      return { pid: child.pid ?? -1, ended, lines, said, signal: (name) => child.kill(name), stop }
    },
  }
}
