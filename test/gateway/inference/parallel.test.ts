// Many calls at once through the HTTP surface, with a real guard behind it: a balance is never spent twice, below zero at no line of the
// journal, and nothing stays held.
import { describe, expect, it } from 'vitest'
import { parseLine } from '../../../protocol/journal.ts'
import { fromUsd, toUsd, type Nanos } from '../../../protocol/units.ts'
import { aHouse, chat, honest, type ScriptedNode } from './call-house.ts'

type House = Awaited<ReturnType<typeof aHouse>>
const PATH = '/v1/chat/completions'

/** As the guard wrote it: the balance after each line, the charges of calls, and what is left. */
async function journalOf({ account }: House) {
  const balances: bigint[] = []
  const charges = new Map<string, bigint>()
  for (let at = 0; ;) {
    const page = await account.lines(at, 100)
    for (const { body } of page) {
      const { kind, transferId, deltaNanos } = parseLine(body)
      balances.push((balances.at(-1) ?? 0n) + deltaNanos)
      if (kind === 'call') charges.set(transferId, -deltaNanos)
    }
    if (page.length === 0) return { balances, charges, left: await account.balance() }
    at += page.length
  }
}

/** Sends them all before any has an answer. */
async function callAtOnce(
  house: House,
  count: number,
  body: (n: number) => object,
  seen: (response: Response) => void = () => undefined,
) {
  const calls = Array.from({ length: count }, (_, n) => house.begin(PATH, body(n)))
  const answers = await Promise.all(
    calls.map(async ({ response }) => {
      const answer = await response
      seen(answer)
      return { status: answer.status, callId: answer.headers.get('x-souk-call-id'), text: await answer.text() }
    }),
  )
  await Promise.all(calls.map(({ settled }) => settled()))
  return answers
}

const costIn = (text: string): Nanos | null => {
  const cost = /"cost":"([\d.]+)"/.exec(text)?.[1]
  return cost === undefined ? null : fromUsd(cost)
}

describe('calls at the same time', () => {
  it(
    '1,000 on a dollar never go below zero at any line, are charged what they were told, and leave nothing held',
    { timeout: 120_000 },
    async () => {
      // A hold is four cents: some two dozen fit at a time, and more as others end for less.
      const price = { inputPerMillion: fromUsd('200'), outputPerMillion: fromUsd('390'), ...FREE }
      const house = await aHouse({ nodes: [honest], usd: '1', offers: [{ price, concurrencyMax: 2_000 }] })
      const answers = await callAtOnce(house, 1_000, (n) => chat({ max_tokens: 100, stream: n % 2 === 0 }))

      const served = answers.filter(({ status }) => status === 200)
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200, 402]))
      expect(served.length).toBeGreaterThan(20)
      const { balances, charges, left } = await journalOf(house)
      expect(balances.filter((balance) => balance < 0n)).toEqual([])
      expect(left.heldNanos).toBe(0n)
      expect(left.availableNanos).toBe(balances.at(-1))
      // Each served call has its line with what its caller was told, and no line is without its call.
      expect(charges.size).toBe(served.length)
      for (const { callId, text } of served) expect(charges.get(callId ?? ''), text).toBe(costIn(text))
      const spent = [...charges.values()].reduce((sum, charge) => sum + charge, 0n)
      expect(left.availableNanos).toBe(fromUsd('1') - spent)
    },
  )

  it(
    '50 on a balance for exactly 7: 7 pass, 43 get 402, and no balance is ever below zero',
    { timeout: 60_000 },
    async () => {
      const probe = await aHouse({ nodes: [honest] })
      const first = await probe.call(PATH, chat())
      await first.response.text()
      await first.settled()
      const hold = fromUsd(first.response.headers.get('x-souk-hold') ?? '')

      // Nobody is served before everybody was admitted or refused: what a call gives back would let another one in.
      let refused = 0
      let open = () => undefined as void
      const allDecided = new Promise<void>((resolve) => (open = resolve))
      const patient: ScriptedNode = async (request) => {
        await allDecided
        return honest(request)
      }
      const house = await aHouse({
        nodes: [patient],
        usd: toUsd((hold * 7n) as Nanos),
        offers: [{ concurrencyMax: 100 }],
      }) // seven times an amount is one
      const answers = await callAtOnce(
        house,
        50,
        (n) => chat({ stream: n % 2 === 0 }),
        ({ status }) => {
          if (status === 402 && ++refused === 43) open()
        },
      )

      expect(answers.filter(({ status }) => status === 200)).toHaveLength(7)
      expect(answers.filter(({ status }) => status === 402)).toHaveLength(43)
      const { balances, charges, left } = await journalOf(house)
      expect(charges.size).toBe(7)
      expect(balances.filter((balance) => balance < 0n)).toEqual([])
      expect(left.heldNanos).toBe(0n)
    },
  )
})

const FREE = { cachedInputPerMillion: fromUsd('0'), bytesPerMillion: fromUsd('0'), perCall: fromUsd('0') }
