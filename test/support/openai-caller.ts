// The official client in a process of its own (test/flows/openai-calls.mjs), asked call by call.
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { PricedUsage, SoukTrailer } from '../../protocol/openai.ts'

export const Told = z.object({
  id: z.number(),
  text: z.string(),
  finish: z.string().nullable(),
  usage: PricedUsage.nullable(),
  souk: SoukTrailer.nullable(),
  /** as the client threw it; `status` is null for an error inside of a stream */
  error: z.object({ class: z.string(), status: z.number().nullable(), code: z.string().nullable() }).nullable(),
  /** ms until the first words; of a whole answer, until it was there */
  firstMs: z.number().nullable(),
  ms: z.number(),
  status: z.number(),
  callId: z.string().nullable(),
  retryAfter: z.string().nullable(),
  /** of a stream, as it came over the wire */
  hasDone: z.boolean(),
  hasErrorEvent: z.boolean(),
})
export type Told = z.infer<typeof Told>

export interface OpenAiCaller {
  /** One call of `chat.completions.create`; it never rejects. */
  chat(key: string, body: Readonly<Record<string, unknown>>): Promise<Told>
  stop(): void
}

export function startOpenAiCaller(gatewayUrl: string): OpenAiCaller {
  const script = fileURLToPath(new URL('../flows/openai-calls.mjs', import.meta.url))
  const env = { ...process.env, OPENAI_BASE_URL: `${gatewayUrl}/v1` }
  const child = spawn(process.execPath, [script], { stdio: ['pipe', 'pipe', 'inherit'], env })
  const waiting = new Map<number, (told: Told) => void>()
  createInterface({ input: child.stdout }).on('line', (line) => {
    const told = Told.parse(JSON.parse(line))
    waiting.get(told.id)?.(told)
    waiting.delete(told.id)
  })
  let lastId = 0
  return {
    chat: (key, body) =>
      new Promise((resolve) => {
        const id = ++lastId
        waiting.set(id, resolve)
        child.stdin.write(`${JSON.stringify({ id, key, body })}\n`)
      }),
    stop: () => void child.kill(),
  }
}
