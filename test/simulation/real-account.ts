// The real ledger of one account under the same steps as the naive one: over SQLite, with a clock of its own, payees that take everything, and
// a book that keeps nothing.
import { Account } from '../../gateway/ledger/guard/account.ts'
import type { AccountPort } from '../../gateway/ledger/account-port.ts'
import type { Credit } from '../../gateway/ledger/transfer-port.ts'
import { chargeLegs } from '../../gateway/ledger/calls/split.ts'
import { parseLine } from '../../protocol/journal.ts'
import {
  instant,
  nanos,
  tokens,
  type AccountId,
  type CallId,
  type Instant,
  type KeyId,
  type ModelId,
  type NodeId,
} from '../../protocol/units.ts'
import { GuardDisk } from './guard-disk.ts'
import type { NaiveKey, NaiveLine } from './naive-account.ts'
import type { Step } from './steps.ts'

// Ids are made in protocol/units.ts; these are spelled out, so that a failing story can be read.
const ID = 'aaaaaaaaaaaaaaa0' as AccountId
const ADMIN = 'aaaaaaaaaaaaaaa9' as AccountId
const PARTY = { operator: 'bbbbbbbbbbbbbbb0' as AccountId, author: 'bbbbbbbbbbbbbbb1' as AccountId }
const NODE = 'node_0000000000000000' as NodeId
const MODEL = 'souk/tiny-chat' as ModelId
const callOf = (n: number) => `call_0000000000000000000000000${n}` as CallId
const keyOf = (n: number) => `000000000${n}` as KeyId
const payerOf = (n: number) => `ccccccccccccccc${n}` as AccountId
const secretOf = (n: number) => `${n}`.repeat(64)
const BY = { reason: 'model', by: ADMIN }
const SHARES = { royaltyBps: 300, feeBps: 500 }

export class RealAccount {
  readonly disk = new GuardDisk(() => undefined)
  readonly account: Account
  /** what payees were credited, by the names of the steps */
  readonly credited = new Map<string, bigint>()
  #now: Instant

  constructor(now: number) {
    this.#now = instant(now)
    const taking = (payee: AccountId) => ({
      credit: ({ sumNanos }: Credit) => {
        const name = payee === PARTY.operator ? 'operator' : 'author'
        this.credited.set(name, (this.credited.get(name) ?? 0n) + sumNanos)
        return Promise.resolve({ ok: true })
      },
    })
    this.account = new Account(this.disk.storageOf({ alive: true }), {
      clock: () => this.#now,
      accounts: (payee) => taking(payee) as unknown as AccountPort, // all that an outbox asks of a payee
      books: () => ({ append: () => Promise.resolve(), cursor: () => Promise.resolve(0) }),
      events: () => Promise.resolve(),
    })
  }

  async open(keys: readonly NaiveKey[]): Promise<void> {
    await this.account.open(ID)
    for (const [n, { budget, concurrency, rpm, isShadow }] of keys.entries())
      await this.account.createKey({
        id: keyOf(n),
        secretHash: secretOf(0),
        hint: '',
        name: `key ${n}`,
        scopes: ['inference'],
        models: null,
        nodes: null,
        limit: budget && { nanos: nanos(budget.nanos), period: budget.period, shadow: isShadow },
        rpm,
        tpm: null,
        concurrency,
        ratesShadow: isShadow,
        expiresAt: null,
      })
  }

  close(): void {
    this.disk.close()
  }

  /** As the naive account tells its lines. */
  lines(after: number): NaiveLine[] {
    return this.disk.sqlite.all('SELECT body FROM lines WHERE seq > ? ORDER BY seq', after).map(({ body }) => {
      const { kind, transferId, deltaNanos } = parseLine(String(body))
      const id = transferId.replace(/^call_0+(\d)$/, 'call $1').replace(/^credit:c+(\d):/, 'credit $1 ')
      return { kind, id, delta: deltaNanos }
    })
  }

  async take(step: Step): Promise<string> {
    const { account } = this
    switch (step.do) {
      case 'wait':
        this.#now = instant(this.#now + step.ms)
        return 'ok'
      case 'tick':
        await account.tick()
        return 'ok'
      case 'hold': {
        const held = await this.#hold(step)
        return held.ok && held.earlier ? `earlier ${held.earlier.callId?.at(-1)}` : codeOf(held)
      }
      case 'progress':
        return (await this.#progress(step)).open ? 'open' : 'closed'
      case 'capture': {
        const captured = await this.#capture(step)
        return captured.ok ? `charged ${captured.chargeNanos}` : captured.code
      }
      case 'grant':
        return codeOf(
          await account.grant({ transferId: `in ${step.id}`, kind: step.kind, amountNanos: nanos(step.amount), ...BY }),
        )
      case 'credit':
        return codeOf(await this.#credit(step))
      case 'refund':
        return codeOf(
          await account.refund({
            transferId: `out ${step.id}`,
            callId: callOf(step.call),
            amountNanos: step.amount === null ? null : nanos(step.amount),
            ...BY,
          }),
        )
      case 'takeBack': {
        const request = { kind: 'clawback', of: 'x', ofAccount: ADMIN, ...BY } as const
        const reply = await account.takeBack({
          transferId: `back ${step.id}`,
          amountNanos: nanos(step.amount),
          ...request,
        })
        return reply.ok ? `took ${reply.takenNanos}, owes ${reply.owedNanos}` : reply.code
      }
      case 'withdraw':
        return codeOf(
          await account.withdraw({ transferId: `w ${step.id}`, amountNanos: nanos(step.amount), address: '0x0' }),
        )
      case 'return':
        return codeOf(
          await account.returnWithdrawal({ transferId: `r ${step.id}`, withdrawal: `w ${step.withdrawal}`, ...BY }),
        )
      case 'audit': {
        const paid = await account.payAudit({
          transferId: `a ${step.id}`,
          amountNanos: nanos(step.amount),
          reason: 'model',
        })
        return paid.ok ? `moved ${paid.movedNanos}` : paid.code
      }
      case 'begin': {
        const begun = await account.begin({ id: `post ${step.post}`, bodyHash: `body ${step.body}` })
        return begun.ok ? (begun.earlier ? `earlier ${begun.earlier.status}` : 'begins') : begun.code
      }
      case 'answered': {
        const answer = step.status === null ? null : { status: step.status, kept: null }
        await account.answered(`post ${step.post}`, answer)
        return 'ok'
      }
      case 'freeze':
        return codeOf(
          step.on ? await account.freeze({ cause: 'admin', ...BY }) : await account.unfreeze('model', ADMIN),
        )
      case 'limits': {
        const limit =
          step.budget === null ? null : ({ nanos: nanos(step.budget), period: 'total', shadow: false } as const)
        return codeOf(
          await account.setLimits({ limit, rpm: null, tpm: null, concurrency: step.concurrency, ratesShadow: false }),
        )
      }
      case 'revoke':
        return codeOf(await account.revokeKey(keyOf(step.key)))
      case 'reroll':
        return codeOf(
          await account.rerollKey({
            keyId: keyOf(step.key),
            secretHash: secretOf(step.secret),
            hint: '',
            graceMs: step.grace,
          }),
        )
      default:
        return step satisfies never
    }
  }

  #hold({ call, key, secret, amount, idem, body, life }: Extract<Step, { do: 'hold' }>) {
    return this.account.hold({
      callId: callOf(call),
      keyId: keyOf(key),
      secretHash: secretOf(secret),
      modelId: MODEL,
      nodeIds: [NODE],
      amountNanos: nanos(amount),
      tokensMax: tokens(1),
      deadline: instant(this.#now + life),
      idempotency: idem === null ? null : { id: `idem ${idem}`, bodyHash: `body ${body}` },
    })
  }

  #progress({ call, attempt, input, output, price }: Extract<Step, { do: 'progress' }>) {
    const free = {
      inputPerMillion: nanos(0n),
      cachedInputPerMillion: nanos(0n),
      bytesPerMillion: nanos(0n),
      perCall: nanos(0n),
    }
    const prices = { ...free, outputPerMillion: nanos(price * 1_000_000n) }
    return this.account.progress({
      callId: callOf(call),
      attempt,
      nodeId: NODE,
      inputTokens: tokens(input),
      outputTokens: tokens(output),
      terms: { price: prices, ...PARTY, ...SHARES, vesting: null },
    })
  }

  #capture({ call, outcome, charge }: Extract<Step, { do: 'capture' }>) {
    return this.account.capture({
      callId: callOf(call),
      outcome,
      errorCode: null,
      nodeId: NODE,
      inputTokens: tokens(0),
      outputTokens: tokens(charge),
      legs: charge === 0n ? [] : chargeLegs({ chargeNanos: nanos(charge), payer: ID, ...PARTY, ...SHARES }),
      startedAt: this.#now,
      firstTokenAt: this.#now,
      endedAt: this.#now,
      receiptHash: null,
      ticketHash: null,
      priceVersion: null,
      detail: { stream: true, attempts: [], choice: null, receipt: null, salt: null, ticket: null, claimed: null },
      kept: null,
    })
  }

  #credit({ payer, skip, lines, operator, author, vests, fees }: Extract<Step, { do: 'credit' }>) {
    const from = payerOf(payer)
    const [row] = this.disk.sqlite.all('SELECT to_seq FROM credits_in WHERE payer = ?', from)
    const mark = Number(row?.to_seq ?? 0)
    const later =
      vests === null || operator < 2n ? [] : [{ until: instant(this.#now + vests), amountNanos: nanos(operator / 2n) }]
    return this.account.credit({
      payer: from,
      fromSeq: mark + skip,
      toSeq: mark + skip + lines - 1,
      sumNanos: nanos(operator + author),
      operatorNanos: nanos(operator),
      authorNanos: nanos(author),
      feesNanos: nanos(fees),
      vesting: later,
    })
  }
}

const codeOf = (reply: { readonly ok: true } | { readonly ok: false; readonly code: string }): string =>
  reply.ok ? 'ok' : reply.code
