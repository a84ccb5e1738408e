// What a line says is enough to compute its charge again: the units, and the price of the version it names.
import { env, runInDurableObject } from 'cloudflare:test'
import { expect, it } from 'vitest'
import { AccountGuard } from '../../../../gateway/ledger/guard/account-guard.ts'
import { parseLine } from '../../../../protocol/journal.ts'
import { costOf, type Price } from '../../../../protocol/price.ts'
import { instant, nanos } from '../../../../protocol/units.ts'
import { aPrice } from '../../../support/workers/builders.ts'
import { aHouse, chat, honest, nodeIdOf, token, type ScriptedNode } from '../call-house.ts'

/** By `node version`, as the offers' histories have them. */
const OFFERS = [
  { priceVersion: 4, price: aPrice({ inputPerMillion: nanos(9_000_001n), perCall: nanos(11n) }) },
  { priceVersion: 9, price: aPrice({ outputPerMillion: nanos(11_000_001n) }) },
]
const HISTORY = new Map<string, Price>(
  OFFERS.map(({ priceVersion, price }, index) => [`${nodeIdOf(index)} ${priceVersion}`, price]),
)
const refuses: ScriptedNode = () => new Response('busy', { status: 503 })
/** A second token after a while, which is when progress is reported, and then nothing. */
const breaksOff: ScriptedNode = () => {
  const encode = (event: object) => new TextEncoder().encode(`data: ${JSON.stringify(event)}\n\n`)
  const body = new ReadableStream<Uint8Array>({
    async start(controller) {
      for (const count of [1, 2, 3]) {
        controller.enqueue(encode(token('word ', count)))
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    },
  })
  return new Response(body, { headers: { 'content-type': 'text/event-stream' } })
}

const STORIES: [string, ScriptedNode[], boolean][] = [
  ['a complete answer', [honest], false],
  ['an answer of the second node, after the first refused', [refuses, honest], false],
  ['a gateway that vanished after its progress', [breaksOff], true],
]

it.each(STORIES)('computes the charge of %s again from its price version', async (_, nodes, vanishes) => {
  const house = await aHouse({
    nodes,
    offers: OFFERS,
    timeouts: { progressMs: 1 },
    guard: vanishes ? () => ({ capture: () => new Promise(() => undefined) }) : () => ({}),
  })
  const call = house.begin('/v1/chat/completions', chat({ stream: vanishes }))
  if (vanishes) {
    void call.response.then((response) => response.text())
    await expireAfterProgress(house.accountId)
  } else expect((await call.response).status).toBe(200)
  const lines = (await house.account.lines(0, 100)).map(({ body }) => parseLine(body))
  const line = lines.find(({ kind }) => kind === 'call')
  const { nodeId, priceVersion, inputTokens, outputTokens } = line?.call ?? {}
  const price = HISTORY.get(`${nodeId} ${priceVersion}`)
  if (!line || !price || inputTokens === undefined || outputTokens === undefined) throw new Error('no such version')
  expect(line.deltaNanos < 0n).toBe(true)
  expect(costOf({ inputTokens, outputTokens }, price)).toBe(-line.deltaNanos)
})

/** The hold runs out once the guard has heard of the first token. */
async function expireAfterProgress(accountId: string): Promise<void> {
  const stub = env.ACCOUNT.get(env.ACCOUNT.idFromName(accountId))
  await expect
    .poll(() =>
      runInDurableObject(stub, (_, { storage }) =>
        storage.sql.exec('SELECT progress FROM holds WHERE progress IS NOT NULL').toArray(),
      ),
    )
    .toHaveLength(1)
  await runInDurableObject(stub, async (guard) => {
    if (!(guard instanceof AccountGuard)) throw new Error('not an account’s guard')
    const { clock } = guard.needs
    guard.needs = { ...guard.needs, clock: () => instant(clock() + 3_600_000) }
    await guard.tick()
  })
}
