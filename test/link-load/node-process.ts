// The node of the load, started and asked from outside.
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { LinkEvent, NodeState, type NodeOptions } from './node-lines.ts'

export interface LoadNode {
  readonly pid: number
  /** What it still holds. */
  state(): Promise<NodeState>
  stop(): Promise<void>
}

/** @param changed told when its link comes or goes */
export function spawnLoadNode(options: NodeOptions, changed: (event: LinkEvent) => void): LoadNode {
  const child = spawn(process.execPath, ['--import', 'tsx', fileURLToPath(new URL('node.ts', import.meta.url))], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, SOUK_LOAD_NODE: JSON.stringify(options) },
  })
  const waiting: ((state: NodeState) => void)[] = []
  createInterface({ input: child.stdout }).on('line', (line) => {
    const said: unknown = JSON.parse(line)
    const state = NodeState.safeParse(said)
    if (state.success) waiting.shift()?.(state.data)
    else changed(LinkEvent.parse(said))
  })
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  return {
    pid: child.pid ?? 0,
    state: () =>
      new Promise((resolve, reject) => {
        waiting.push(resolve)
        void ended.then(() => reject(new Error('the node of the load has ended')))
        child.stdin.write('state\n')
      }),
    async stop() {
      child.stdin.end()
      await ended
    },
  }
}
