// Looks a name up by DNS over HTTPS (JSON form, RFC 8484's sibling), because a Worker has no resolver of its own. Asked once per
// registration; not used in local mode. The answer is bounded and parsed; a failure is thrown, and the guard then refuses the name.
import { z } from 'zod'
import type { Resolve } from './endpoint-guard.ts'

const DnsAnswer = z.object({
  Status: z.number().int(),
  Answer: z
    .array(z.object({ type: z.number().int(), data: z.string().max(512) }))
    .max(100)
    .optional(),
})

const RECORD_TYPES = { A: 1, AAAA: 28 } as const
const STATUS_NO_ERROR = 0
const STATUS_NO_SUCH_NAME = 3
const ANSWER_CHARACTERS_MAX = 65_536

/** @throws Error when a resolver does not answer in time, or not in its format */
export function createDohResolver(needs: { fetch?: typeof fetch; url?: string; timeoutMs?: number } = {}): Resolve {
  const url = needs.url ?? 'https://cloudflare-dns.com/dns-query'
  const send = needs.fetch ?? ((input: string, init: RequestInit) => fetch(input, init))
  const ask = async (hostname: string, type: keyof typeof RECORD_TYPES): Promise<string[]> => {
    const response = await send(`${url}?name=${encodeURIComponent(hostname)}&type=${type}`, {
      headers: { accept: 'application/dns-json' },
      redirect: 'manual',
      signal: AbortSignal.timeout(needs.timeoutMs ?? 5_000),
    })
    if (!response.ok) throw new Error(`the resolver answered ${response.status}`)
    const text = await response.text()
    if (text.length > ANSWER_CHARACTERS_MAX) throw new Error('the resolver answered too much')
    const answer = DnsAnswer.parse(JSON.parse(text))
    if (answer.Status === STATUS_NO_SUCH_NAME) return []
    if (answer.Status !== STATUS_NO_ERROR) throw new Error(`the resolver answered status ${answer.Status}`)
    return (answer.Answer ?? []).filter((record) => record.type === RECORD_TYPES[type]).map((record) => record.data)
  }
  return async (hostname) => (await Promise.all([ask(hostname, 'A'), ask(hostname, 'AAAA')])).flat()
}
