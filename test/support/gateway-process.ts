// The gateway as a process of its own, in a process group of its own, so that a test can kill it as a power cut would.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Answer, Ready, type GatewayCommand, type GatewayProcessOptions } from '../../gateway/local/gateway-lines.ts'
import { ROOT } from '../../gateway/local/root.ts'

export type Row = Record<string, unknown>
type SqlValue = string | number | null
type Unnumbered<T> = T extends unknown ? Omit<T, 'id'> : never

export interface GatewayHandle {
  readonly url: string
  readonly directUrl: string
  readonly chainId: number
  readonly pid: number
  /** Rows of one statement on a D1 binding (`DB`, `BOOK_0`). */
  query(binding: string, sql: string, ...values: SqlValue[]): Promise<Row[]>
  /** Runs every cron of wrangler.toml now. */
  runCrons(): Promise<void>
  /** SIGTERM, and wait. @returns the exit code */
  stop(): Promise<number | null>
  /** SIGKILL to the whole group: Miniflare and workerd end within the same instant. */
  kill(): Promise<void>
}

/** @throws Error with what the process said when it does not become ready */
export async function spawnGateway(options: GatewayProcessOptions): Promise<GatewayHandle> {
  const child = spawn(process.execPath, ['--import', 'tsx', join(ROOT, 'gateway/local/gateway-process.ts')], {
    cwd: ROOT,
    detached: true,
    env: { ...process.env, SOUK_GATEWAY: JSON.stringify(options) },
    stdio: ['pipe', 'pipe', 'pipe'],
  })
  let complaint = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => (complaint += text))
  const exited = new Promise<number | null>((resolve) => child.once('close', resolve))
  const group = () => {
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null)
      process.kill(-child.pid, 'SIGKILL')
  }
  process.once('exit', group)
  void exited.then(() => process.off('exit', group))

  const waiting = new Map<number, { resolve(rows: Row[]): void; reject(error: Error): void }>()
  const ready = await new Promise<Ready>((resolve, reject) => {
    void exited.then(() => {
      const ended = new Error(`the gateway ended: ${complaint.trim()}`)
      reject(ended)
      for (const { reject: lose } of waiting.values()) lose(ended)
    })
    createInterface({ input: child.stdout }).on('line', (line) => {
      const message: unknown = JSON.parse(line)
      const answer = Answer.safeParse(message)
      if (!answer.success) return resolve(Ready.parse(message))
      const { id, rows = [], error } = answer.data
      const waiter = waiting.get(id)
      waiting.delete(id)
      if (error === undefined) waiter?.resolve(rows)
      else waiter?.reject(new Error(error))
    })
  })
  let lastId = 0
  const ask = (command: Unnumbered<GatewayCommand>) =>
    new Promise<Row[]>((resolve, reject) => {
      const id = ++lastId
      waiting.set(id, { resolve, reject })
      child.stdin.write(`${JSON.stringify({ ...command, id })}\n`)
    })
  return {
    ...ready,
    query: (binding, sql, ...values) => ask({ op: 'query', binding, sql, values }),
    async runCrons() {
      await ask({ op: 'crons' })
    },
    stop() {
      child.kill('SIGTERM')
      return exited
    },
    async kill() {
      group()
      await exited
    },
  }
}
