// A command of the operator's program in a process of its own, heard while it runs: what it prints before it ends is what a person acts on.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { ROOT } from '../../gateway/local/root.ts'

/** @param home its state folder @param folder a home directory without anything of ours in it */
export function soukCommand(args: readonly string[], { home, folder }: { home: string; folder: string }) {
  const child = spawn(process.execPath, ['--import', 'tsx', 'provider-node/cli.ts', ...args, '--home', home], {
    cwd: ROOT,
    env: { PATH: process.env.PATH, HOME: folder },
  })
  const text = { out: '', err: '' }
  child.stdout.on('data', (chunk: Buffer) => (text.out += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (text.err += chunk.toString()))
  const ended = once(child, 'close').then(([code]) => ({ code: Number(code), ...text }))
  /** What it has said, once that matches. */
  const said = async (pattern: RegExp): Promise<string> => {
    for (;;) {
      const found = pattern.exec(`${text.out}${text.err}`)
      if (found) return found[0]
      if (child.exitCode !== null) throw new Error(`it ended: ${text.err}`)
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
  return { child, ended, said }
}
