// A house whose consumer, operator and author are nobody else's, so that a test can count all their money: what anybody gains, somebody paid.
import { env, runInDurableObject } from 'cloudflare:test'
import { systemRandom } from '../../../../gateway/core/clock.ts'
import { AccountGuard } from '../../../../gateway/ledger/guard/account-guard.ts'
import type { AccountPort, LateReceipt } from '../../../../gateway/ledger/account-port.ts'
import { createAccounts } from '../../../../gateway/ledger/accounts.ts'
import { parseLine, sumLegs, type JournalLine } from '../../../../protocol/journal.ts'
import { readTicket } from '../../../../protocol/ticket.ts'
import { HOUSE, instant, newAccountId, tokens, type AccountId, type CallId } from '../../../../protocol/units.ts'
import { aModel } from '../../../support/workers/builders.ts'
import { aHouse, nodeIdOf, type HouseOptions } from '../call-house.ts'

/** One dollar. */
export const FUNDS = 1_000_000_000n

/** A gateway that vanishes: its capture never answers and never happens. `reported` is when the guard has a progress of it. */
export function vanishing() {
  let done = () => {}
  const reported = new Promise<void>((resolve) => (done = resolve))
  const guard = (account: AccountPort): Partial<AccountPort> => ({
    capture: () => new Promise(() => undefined),
    progress: async (progress) => {
      const answer = await account.progress(progress)
      done()
      return answer
    },
  })
  return { guard, reported }
}

export async function aPurse(options: HouseOptions) {
  const accounts = createAccounts(env.ACCOUNT)
  const [operator, author] = [newAccountId(systemRandom), newAccountId(systemRandom)]
  for (const id of [operator, author]) await accounts(id).open(id)
  const offers = options.nodes.map((_, index) => ({ operatorAccountId: operator, ...options.offers?.[index] }))
  const model = { ...(options.model ?? aModel()), authorAccountId: author }
  const house = await aHouse({ ...options, offers, model })
  const stub = env.ACCOUNT.get(env.ACCOUNT.idFromName(house.accountId))
  let aheadMs = 0

  /** Moves the consumer's guard ahead and lets its alarm do what is due. */
  const later = (ms: number) =>
    runInDurableObject(stub, async (guard) => {
      if (!(guard instanceof AccountGuard)) throw new Error('not an account’s guard')
      aheadMs += ms
      guard.needs = { ...guard.needs, clock: () => instant(Date.now() + aheadMs) }
      await guard.tick()
    })
  const balanceOf = async (id: AccountId) => {
    const { availableNanos, heldNanos, vestingNanos } = await accounts(id).balance()
    return availableNanos + heldNanos + vestingNanos
  }

  return {
    ...house,
    operator,
    author,
    /** Every hold runs out. */
    expireAll: () => later(400_000),
    /** What each has when every credit has arrived, and what the house took of the consumer's calls. */
    async money() {
      await later(1_000)
      const lines: JournalLine[] = []
      for (let page = await house.account.lines(0, 100); page.length > 0;) {
        lines.push(...page.map(({ body }) => parseLine(body)))
        page = await house.account.lines(lines.length, 100)
      }
      const ofCalls = lines.filter(({ kind }) => kind !== 'grant')
      return {
        consumer: await balanceOf(house.accountId),
        operator: await balanceOf(operator),
        author: await balanceOf(author),
        /** never below zero: the house pays for nothing here */
        house: ofCalls.reduce((sum, { legs }) => sum + sumLegs(legs, HOUSE.fees), 0n),
        /** of all house accounts but the one that gave the first money */
        houseOthers: [HOUSE.refunds, HOUSE.payments].reduce(
          (sum, party) => sum + lines.reduce((inner, { legs }) => inner + sumLegs(legs, party), 0n),
          0n,
        ),
      }
    },
    /** As `POST /api/receipts` hands it to the guard, for the ticket that was sent as the `index`th. */
    lateReceipt(index: number, units: { input: number; output: number }, over: Partial<LateReceipt> = {}) {
      const jws = house.sent[index]?.ticket ?? ''
      const ticket = readTicket(jws)
      if (!ticket) throw new Error('no ticket was sent')
      return house.account.lateReceipt({
        callId: ticket.callId as CallId, // our own ticket
        attempt: ticket.attempt,
        nodeId: nodeIdOf(0),
        inputTokens: tokens(units.input),
        outputTokens: tokens(units.output),
        receipt: 'receipt.jws',
        ticket: jws,
        ...over,
      })
    },
  }
}
export type Purse = Awaited<ReturnType<typeof aPurse>>

/** Reads until so many texts have come, and leaves the rest unread. */
export async function readTexts(response: Response, texts: number): Promise<ReadableStreamDefaultReader<Uint8Array>> {
  const reader = response.body?.getReader()
  if (!reader) throw new Error('no body')
  const decoder = new TextDecoder()
  let text = ''
  while ((text.match(/"content":/g) ?? []).length < texts) {
    const part = await reader.read()
    if (part.done) throw new Error(`the stream ended after ${text}`)
    text += decoder.decode(part.value, { stream: true })
  }
  return reader
}
