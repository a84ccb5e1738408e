// What the clients of the crash loop did and were told: the other half of the evidence. A client acknowledges an answer only when it got all of
// it; with an Idempotency-Key it asks again, through crashes, until it has an answer or hears that the call was charged.
import { randomInt, randomUUID } from 'node:crypto'
import type { Consumer } from '../support/market.ts'

/** One request as its sender means it; with an Idempotency-Key it may have been sent many times. */
export interface Wanted {
  readonly isIdempotent: boolean
  /** the call that answered it whole, and what that cost in dollars */
  acknowledged: { readonly callId: string; readonly cost: string } | null
  /** calls it was told of, whole or not */
  readonly callIds: Set<string>
  /** how often it was sent */
  sent: number
}

export interface History {
  readonly accountId: string
  readonly wanted: Wanted[]
}

export interface Load {
  readonly histories: readonly History[]
  /** No new request begins; resolves when every one that must be answered is. */
  finish(): Promise<void>
}

const MODEL = 'test/counter'
/** ms between two tries of one request: the gateway is being started again */
const PAUSE_MS = 150

/** @param url of the gateway, which may be gone at any moment */
export function startLoad(consumers: readonly Consumer[], clientsEach: number, url: () => string): Load {
  let isOver = false
  const histories = consumers.map(({ accountId }): History => ({ accountId, wanted: [] }))
  const clients = consumers.flatMap(({ key }, index) =>
    Array.from({ length: clientsEach }, async () => {
      while (!isOver) {
        const history = histories[index]
        if (history) await askOne(history, key, url)
      }
    }),
  )
  return {
    histories,
    async finish() {
      isOver = true
      await Promise.all(clients)
    },
  }
}

async function askOne(history: History, key: string, url: () => string): Promise<void> {
  const wanted: Wanted = { isIdempotent: randomInt(2) === 0, acknowledged: null, callIds: new Set(), sent: 0 }
  history.wanted.push(wanted)
  const headers = {
    authorization: `Bearer ${key}`,
    'content-type': 'application/json',
    ...(wanted.isIdempotent ? { 'idempotency-key': randomUUID() } : {}),
  }
  const stream = randomInt(2) === 0
  const body = JSON.stringify({
    model: MODEL,
    stream,
    messages: [{ role: 'user', content: `${randomUUID()} count ${randomInt(1, 40)}` }],
  })
  do {
    const isAnswered = await tryOnce(wanted, `${url()}/v1/chat/completions`, headers, body)
    if (isAnswered) return
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
  } while (wanted.isIdempotent)
}

/** True when there is nothing to ask again for. */
async function tryOnce(wanted: Wanted, url: string, headers: Record<string, string>, body: string): Promise<boolean> {
  wanted.sent += 1
  try {
    const response = await fetch(url, { method: 'POST', headers, body, signal: AbortSignal.timeout(20_000) })
    const callId = response.headers.get('x-souk-call-id')
    if (callId) wanted.callIds.add(callId)
    const text = await response.text()
    if (response.status === 409) return text.includes('idempotency_completed')
    const cost = /"cost":"([\d.]+)"/.exec(text)?.[1]
    const isWhole = response.ok && cost !== undefined && (text.startsWith('{') || text.includes('data: [DONE]'))
    if (!isWhole || callId === null) return false
    wanted.acknowledged = { callId, cost }
    return true
  } catch {
    // The gateway was killed, or is not there yet: what became of this try only the ledger knows.
    return false
  }
}
