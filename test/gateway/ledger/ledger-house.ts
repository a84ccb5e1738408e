// Builders for the ledger's tests: real guards and a real book, with a clock that tests move. The clock starts in 2040, so that no alarm of
// the runtime fires by itself: tests run alarms when they want them.
import { env, runDurableObjectAlarm, runInDurableObject } from 'cloudflare:test'
import { afterEach, beforeEach, vi } from 'vitest'
import { systemRandom } from '../../../gateway/core/clock.ts'
import { AccountGuard } from '../../../gateway/ledger/guard/account-guard.ts'
import type { AccountPort, CallEnd, HoldRequest, Progress } from '../../../gateway/ledger/account-port.ts'
import type { CreateKey } from '../../../gateway/ledger/limits/limit-port.ts'
import { createAccounts } from '../../../gateway/ledger/accounts.ts'
import type { ChainedLine } from '../../../protocol/journal.ts'
import type { OutboxNeeds } from '../../../gateway/ledger/guard/outbox.ts'
import type { Credit } from '../../../gateway/ledger/transfer-port.ts'
import { chargeLegs } from '../../../gateway/ledger/calls/split.ts'
import {
  instant,
  nanos,
  newAccountId,
  newCallId,
  newKeyId,
  newNodeId,
  tokens,
  type AccountId,
  type CallId,
  type Instant,
  type ModelId,
} from '../../../protocol/units.ts'

/** A Saturday, 10:00 UTC. */
export const START = instant(Date.UTC(2040, 5, 16, 10))
export const NODE = newNodeId(systemRandom)
export const MODEL = 'souk/tiny-chat' as ModelId
export const SECRET_HASH = 'ab'.repeat(32)
export const FEE_BPS = 500
export const ROYALTY_BPS = 300

export interface TestClock {
  (): Instant
  advance(ms: number): void
}

export function aClock(start: Instant = START): TestClock {
  let now = start
  return Object.assign(() => now, {
    advance: (ms: number) => {
      now = instant(now + ms)
    },
  })
}

export const accounts = createAccounts(env.ACCOUNT)

export interface TestAccount {
  readonly id: AccountId
  readonly port: AccountPort
  readonly clock: TestClock
  /** replaces some of what the guard needs */
  use(needs: Partial<OutboxNeeds>): Promise<void>
  /** runs the alarm now; false when none was set */
  alarm(): Promise<boolean>
  sql<Row extends Record<string, SqlStorageValue>>(query: string): Promise<Row[]>
  lines(): Promise<ChainedLine[]>
}

export async function anAccount(clock: TestClock = aClock(), book = 0): Promise<TestAccount> {
  const id = newAccountId(systemRandom)
  const stub = env.ACCOUNT.get(env.ACCOUNT.idFromName(id))
  const port = accounts(id)
  const sql = <Row extends Record<string, SqlStorageValue>>(query: string) =>
    runInDurableObject(stub, (_, { storage }) => storage.sql.exec<Row>(query).toArray())
  const use = (needs: Partial<OutboxNeeds>) =>
    runInDurableObject(stub, (guard) => {
      if (!(guard instanceof AccountGuard)) throw new Error('not an account’s guard')
      guard.needs = { ...guard.needs, ...needs }
    })
  await use({ clock })
  await port.open(id, book)
  return {
    id,
    port,
    clock,
    use,
    alarm: () => runDurableObjectAlarm(stub),
    sql,
    lines: () =>
      sql<{ seq: number; prevHash: string; hash: string; body: string }>(
        'SELECT seq, prev_hash AS prevHash, hash, body FROM lines ORDER BY seq',
      ),
  }
}

/** An account with money and a key. */
export async function aPayer(usdNanos: bigint, key: Partial<CreateKey> = {}, clock?: TestClock, book?: number) {
  const account = await anAccount(clock, book)
  const granted = {
    transferId: 'grant:first',
    kind: 'grant',
    amountNanos: nanos(usdNanos),
    reason: 'test',
    by: null,
  } as const
  if (usdNanos > 0n) await account.port.grant(granted)
  const created = aKey(key)
  await account.port.createKey(created)
  return { ...account, keyId: created.id }
}

export const aKey = (key: Partial<CreateKey> = {}): CreateKey => ({
  id: newKeyId(systemRandom),
  secretHash: SECRET_HASH,
  hint: 'sk-souk-…',
  name: 'test',
  scopes: ['inference'],
  models: null,
  nodes: null,
  limit: null,
  rpm: null,
  tpm: null,
  concurrency: null,
  ratesShadow: false,
  expiresAt: null,
  ...key,
})

type Payer = Awaited<ReturnType<typeof aPayer>>

export const aHold = (
  payer: Pick<Payer, 'clock' | 'keyId'>,
  amount: bigint,
  request: Partial<HoldRequest> = {},
): HoldRequest => ({
  callId: newCallId(payer.clock(), systemRandom),
  keyId: payer.keyId,
  secretHash: SECRET_HASH,
  modelId: MODEL,
  nodeIds: [NODE],
  amountNanos: nanos(amount),
  tokensMax: tokens(10),
  deadline: instant(payer.clock() + 60_000),
  idempotency: null,
  ...request,
})

/** For tests that plan failures: what the ledger logs of them stays out of the test's own output. */
export function plannedFailures(): void {
  beforeEach(() => {
    vi.spyOn(console, 'error').mockImplementation(() => undefined)
  })
  afterEach(() => {
    vi.restoreAllMocks()
  })
}

export const aCredit = (payer: AccountId, fromSeq: number, toSeq: number, sum: bigint): Credit => ({
  payer,
  fromSeq,
  toSeq,
  sumNanos: nanos(sum),
  operatorNanos: nanos(sum),
  authorNanos: nanos(0n),
  feesNanos: nanos(0n),
  vesting: [],
})

export const legsOf = (payer: AccountId, charge: bigint, operator: AccountId, author: AccountId = operator) =>
  chargeLegs({ chargeNanos: nanos(charge), payer, operator, author, royaltyBps: ROYALTY_BPS, feeBps: FEE_BPS })

export const anEnd = (payer: Pick<Payer, 'clock'>, callId: CallId, end: Partial<CallEnd> = {}): CallEnd => ({
  callId,
  outcome: 'complete',
  errorCode: null,
  nodeId: NODE,
  inputTokens: tokens(3),
  outputTokens: tokens(7),
  legs: [],
  startedAt: payer.clock(),
  firstTokenAt: null,
  endedAt: payer.clock(),
  receiptHash: null,
  ticketHash: null,
  priceVersion: 1,
  kept: null,
  detail: { stream: true, attempts: [], choice: { seed: 1 }, receipt: null, salt: null, ticket: null, claimed: null },
  ...end,
})

const MILLION_NANOS = nanos(1_000_000n)
const FREE = {
  inputPerMillion: nanos(0n),
  cachedInputPerMillion: nanos(0n),
  bytesPerMillion: nanos(0n),
  perCall: nanos(0n),
}

/** At one nano per output token, so that the charge is what was delivered. */
export const aProgress = (_: Pick<Payer, 'id'>, callId: CallId, charge: bigint, operator: AccountId): Progress => ({
  callId,
  attempt: 1,
  nodeId: NODE,
  inputTokens: tokens(3),
  outputTokens: tokens(charge),
  terms: {
    price: { ...FREE, outputPerMillion: MILLION_NANOS },
    operator,
    author: operator,
    royaltyBps: ROYALTY_BPS,
    feeBps: FEE_BPS,
    vesting: null,
  },
})

/** Holds and captures one call. */
export async function callFor(payer: Payer, charge: bigint, operator: AccountId, author: AccountId = operator) {
  const request = aHold(payer, charge)
  const held = await payer.port.hold(request)
  if (!held.ok) throw new Error(`refused: ${held.code}`)
  const end = anEnd(payer, request.callId, { legs: legsOf(payer.id, charge, operator, author) })
  const captured = await payer.port.capture(end)
  if (!captured.ok) throw new Error(`refused: ${captured.code}`)
  return { request, end, captured }
}
