// A small closed-loop load: so many connections, each sending the next call when the last one ended. Measures what a caller sees: calls that
// ended well, and the time to the first token of each.
import { Agent, request } from 'node:http'

export interface Target {
  readonly name: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

export interface Measured {
  readonly calls: number
  readonly failed: number
  readonly seconds: number
  /** ms, one per call */
  readonly firstTokenMs: number[]
}

/** Drives one target for `ms`; a call that began is finished. */
export async function drive(target: Target, connections: number, ms: number): Promise<Measured> {
  const agent = new Agent({ keepAlive: true, maxSockets: connections })
  const firstTokenMs: number[] = []
  let failed = 0
  const startedAt = performance.now()
  const worker = async () => {
    while (performance.now() - startedAt < ms) {
      const first = await call(agent, target)
      if (first === null) failed += 1
      else firstTokenMs.push(first)
    }
  }
  await Promise.all(Array.from({ length: connections }, worker))
  agent.destroy()
  return { calls: firstTokenMs.length, failed, seconds: (performance.now() - startedAt) / 1000, firstTokenMs }
}

/** ms to the first token, or null when the answer was not a complete one. */
function call(agent: Agent, target: Target): Promise<number | null> {
  return new Promise((resolve) => {
    const sentAt = performance.now()
    let firstAt: number | null = null
    let text = ''
    const sent = request(
      target.url,
      { method: 'POST', agent, headers: { 'content-type': 'application/json', ...target.headers } },
      (response) => {
        response.setEncoding('utf8')
        response.on('data', (part: string) => {
          text += part
          if (firstAt === null && text.includes('"content":"n0 ')) firstAt = performance.now()
        })
        response.on('end', () => resolve(firstAt !== null && text.includes('data: [DONE]') ? firstAt - sentAt : null))
        response.on('error', () => resolve(null))
      },
    )
    sent.on('error', () => resolve(null))
    sent.end(target.body)
  })
}

/** The value below which the share `p` of the values lies. */
export function percentile(values: readonly number[], p: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * p))] ?? Number.NaN
}
