// A counting node in a process of its own, for benchmarks and for stories that kill it. Prints one JSON line when it is routable.
import { spawn, type ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { startFaultNode } from './fault-node.ts'
import { countingModel } from './fault-node-words.ts'

const Ready = z.object({ endpoint: z.string(), nodeId: z.string() })

export async function spawnFaultNode(options: {
  gatewayUrl: string
  chainId: number
  model: string
  tokenMs?: number
}): Promise<z.infer<typeof Ready> & { process: ChildProcess }> {
  const file = fileURLToPath(import.meta.url)
  const env = { ...process.env, SOUK_FAULT_NODE: JSON.stringify(options) }
  const child = spawn(process.execPath, ['--import', 'tsx', file], { stdio: ['ignore', 'pipe', 'inherit'], env })
  const line = await new Promise<string>((resolve, reject) => {
    child.stdout.setEncoding('utf8').once('data', resolve)
    child.once('exit', () => reject(new Error('the counting node did not start')))
  })
  return { process: child, ...Ready.parse(JSON.parse(line)) }
}

const Options = z.object({
  gatewayUrl: z.string(),
  chainId: z.number(),
  model: z.string(),
  tokenMs: z.number().optional(),
})

if (process.env.SOUK_FAULT_NODE !== undefined) {
  const { model, ...options } = Options.parse(JSON.parse(process.env.SOUK_FAULT_NODE))
  const { endpoint, nodeId } = await startFaultNode(options, countingModel(model))
  console.log(JSON.stringify({ endpoint, nodeId }))
}
