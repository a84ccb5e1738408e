// Runs one of our programs as a person would, to its end or until it is told to stop.
import { spawn } from 'node:child_process'
import { ROOT } from '../../gateway/local/root.ts'

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface RunningCommand {
  readonly pid: number
  readonly ended: Promise<Ended>
  /** Resolves when its output contains the text; rejects with everything it said when it ends before. */
  said(text: string): Promise<string>
  signal(name: NodeJS.Signals): void
}

/** @param args of node @param cwd absent: the root of the repository */
export function startCommand(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  cwd: string = ROOT,
): RunningCommand {
  const child = spawn(process.execPath, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  const listeners = new Set<() => void>()
  const hear = () => listeners.forEach((listener) => listener())
  child.stdout.setEncoding('utf8').on('data', (text: string) => ((stdout += text), hear()))
  child.stderr.setEncoding('utf8').on('data', (text: string) => ((stderr += text), hear()))
  const ended = new Promise<Ended>((resolve) => child.once('close', (code) => resolve({ code, stdout, stderr })))
  const endWithUs = () => child.kill('SIGKILL')
  process.once('exit', endWithUs)
  void ended.then(() => process.off('exit', endWithUs))
  return {
    pid: child.pid ?? -1,
    ended,
    said: (text) =>
      new Promise((resolve, reject) => {
        const look = () => stdout.includes(text) && resolve(stdout)
        listeners.add(look)
        look()
        void ended.then(({ code }) => reject(new Error(`it ended with ${code}: ${stdout}${stderr}`)))
      }),
    signal: (name) => child.kill(name),
  }
}

export const runCommand = (args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> =>
  startCommand(args, env).ended
