// What happens beside calls in a simulated world: money in, out and back, freezes, keys, receipts that come late, a book that is written again.
// Each order has an id and is repeated until somebody answers; now and then the same id asks for something else, which must be refused.
import type { AccountPort, Refused } from '../../gateway/ledger/account-port.ts'
import { nanos, tokens, type AccountId } from '../../protocol/units.ts'
import type { Market } from './market.ts'
import type { TransferTruth } from './truth.ts'
import type { Life } from './world.ts'

type Order = Omit<TransferTruth, 'acknowledged'>
type Reply = { readonly ok: true } | Refused

const TRIES = 6
const ADMIN = '0000000000000000' as AccountId // an admin's account needs no guard here
const BY = { reason: 'sim', by: ADMIN }

export class SimHouse {
  readonly #life: Life = { alive: true }
  #orders = 0
  isDone = false

  constructor(
    private readonly market: Market,
    private readonly count: number,
  ) {}

  async live(): Promise<void> {
    const { world } = this.market
    for (let n = 0; n < this.count; n++) {
      await world.sleep(world.random.between(0, 15_000), this.#life)
      await world.random.pick(this.#things)()
    }
    this.isDone = true
  }

  readonly #things: readonly (() => Promise<void>)[] = [
    () => this.#grant(),
    () => this.#grant(),
    () => this.#refund(),
    () => this.#refund(),
    () => this.#clawback(),
    () => this.#chargeback(),
    () => this.#withdraw(),
    () => this.#withdraw(),
    () => this.#returnWithdrawal(),
    () => this.#payAudit(),
    () => this.#freeze(),
    () => this.#lateReceipt(),
    () => this.#lateReceipt(),
    () => this.#checkOneself(),
    () => this.#limits(),
    () => this.#reproject(),
  ]

  async grantTo(account: AccountId, amount: bigint): Promise<void> {
    const kind = this.market.world.random.pick(['grant', 'topup', 'code', 'faucet'] as const)
    const transferId = this.#newId(kind)
    const request = { transferId, kind, amountNanos: nanos(amount), reason: 'sim', by: null }
    const order: Order = { account, kind, transferId, amount, rule: 'exact', of: null }
    const wasDone = await this.#order(order, (port) => port.grant(request))
    if (!wasDone || !this.market.world.random.chance(0.2)) return
    const other = { ...request, amountNanos: nanos(amount + 1n) }
    const reply = await this.#insist(() => this.#port(account).grant(other))
    if (reply?.ok) this.market.world.broken('I12', `${transferId} was granted again with another amount`)
  }

  #grant(): Promise<void> {
    return this.grantTo(this.#anyone(), BigInt(this.market.world.random.between(1, 900_000)))
  }

  async #refund(): Promise<void> {
    const { random } = this.market.world
    const call = this.#anyCall()
    if (!call) return
    const amount = BigInt(random.between(1, 200_000))
    const transferId = this.#newId('refund')
    const request = { transferId, callId: call.callId, amountNanos: nanos(amount), reason: 'sim', by: ADMIN }
    const order: Order = { account: call.payer, kind: 'refund', transferId, amount, rule: 'exact', of: call.callId }
    if (random.chance(0.3)) {
      const rest = { ...request, amountNanos: null }
      await this.#order({ ...order, amount: call.holdNanos, rule: 'at most' }, (port) => port.refund(rest))
    } else await this.#order(order, (port) => port.refund(request))
  }

  async #clawback(): Promise<void> {
    const { random } = this.market.world
    const account = this.#anyone()
    const amount = BigInt(random.between(1, 300_000))
    const transferId = this.#newId('clawback')
    const request = { transferId, kind: 'clawback', of: `of-${transferId}`, ofAccount: account, ...BY } as const
    await this.#order({ account, kind: 'clawback', transferId, amount, rule: 'exact', of: request.of }, (port) =>
      port.takeBack({ ...request, amountNanos: nanos(amount) }),
    )
  }

  /** Of a payment, in parts or as totals, also of one that never arrived; sometimes it was decided for the account after all. */
  async #chargeback(): Promise<void> {
    const { random } = this.market.world
    const topup = this.#anyTransfer('topup')
    if (!topup) return
    const { account, transferId: of } = topup
    const amount = BigInt(random.between(1, Number(topup.amount)))
    const transferId = this.#newId('chargeback')
    const isTotal = random.chance(0.5)
    const request = {
      transferId,
      kind: 'chargeback',
      of,
      ofAccount: account,
      amountNanos: nanos(amount),
      isTotal,
      ...BY,
    } as const
    const order: Order = { account, kind: 'chargeback', transferId, amount, rule: isTotal ? 'total' : 'exact', of }
    await this.#order(order, (port) => port.takeBack(request))
    if (!random.chance(0.4)) return
    const back: Order = {
      account,
      kind: 'topup',
      transferId: `reinstated:${transferId}`,
      amount,
      rule: 'at most',
      of: transferId,
    }
    await this.#order(back, (port) => port.reinstate({ chargeback: transferId, reason: 'sim' }))
  }

  async #withdraw(): Promise<void> {
    const { random } = this.market.world
    // Whole millionths of a dollar, and now and then not.
    const amount = BigInt(random.between(1, 150)) * 1_000n + (random.chance(0.1) ? 1n : 0n)
    const transferId = this.#newId('withdrawal')
    const request = { transferId, amountNanos: nanos(amount), address: '0x0' }
    const order: Order = { account: this.#anyone(), kind: 'withdrawal', transferId, amount, rule: 'exact', of: null }
    await this.#order(order, (port) => port.withdraw(request))
  }

  async #returnWithdrawal(): Promise<void> {
    const withdrawal = this.#anyTransfer('withdrawal')
    if (!withdrawal) return
    const { account, amount, transferId: of } = withdrawal
    // Another id for the same withdrawal must not return it twice.
    for (let n = this.market.world.random.between(1, 2); n > 0; n--) {
      const transferId = this.#newId('withdrawal_return')
      const order: Order = { account, kind: 'withdrawal_return', transferId, amount, rule: 'exact', of }
      await this.#order(order, (port) =>
        port.returnWithdrawal({ transferId, withdrawal: of, reason: 'sim', by: ADMIN }),
      )
    }
  }

  async #payAudit(): Promise<void> {
    const amount = BigInt(this.market.world.random.between(1, 40_000))
    const transferId = this.#newId('audit')
    const order: Order = { account: this.#anyone(), kind: 'audit', transferId, amount, rule: 'at most', of: null }
    await this.#order(order, (port) => port.payAudit({ transferId, amountNanos: nanos(amount), reason: 'sim' }))
  }

  async #freeze(): Promise<void> {
    const account = this.#anyone()
    await this.#insist(() => this.#port(account).freeze({ cause: 'admin', reason: 'sim', by: ADMIN }))
    await this.market.world.sleep(this.market.world.random.between(1, 20_000), this.#life)
    await this.#insist(() => this.#port(account).unfreeze('sim', ADMIN))
  }

  /** Of an open or an ended call, of the right attempt or not, with claims larger and smaller than what was reported. */
  async #lateReceipt(): Promise<void> {
    const { random } = this.market.world
    const call = this.#anyCall()
    if (!call || call.attempts.length === 0) return
    const { attempt, nodeId } = random.pick(call.attempts)
    const units = { inputTokens: tokens(random.between(0, 60)), outputTokens: tokens(random.between(0, 200)) }
    const receipt = { callId: call.callId, attempt, nodeId, ...units, receipt: 'a.b.c', ticket: 'd.e.f' }
    await this.#insist(() => this.#port(call.payer).lateReceipt(receipt))
  }

  /** Guards look after themselves too: whatever failed around them, they find nothing wrong. */
  async #checkOneself(): Promise<void> {
    const from = this.market.world.random.pick(['last', 'first'] as const)
    const checked = await this.#insist(() => this.#port(this.#anyone()).selfCheck(from))
    if (checked && checked.breaches.length > 0) this.market.world.broken('self-check', checked.breaches.join('; '))
  }

  async #limits(): Promise<void> {
    const { random } = this.market.world
    const { account, keyId } = random.pick(this.market.keys)
    const limits = {
      limit: null,
      rpm: random.pick([null, 600]),
      tpm: null,
      concurrency: random.pick([null, 4]),
      ratesShadow: false,
    }
    await this.#insist(() => this.#port(account).setLimits(limits))
    if (random.chance(0.2)) await this.#insist(() => this.#port(account).revokeKey(keyId))
  }

  async #reproject(): Promise<void> {
    await this.#insist(() => this.#port(this.#anyone()).reproject())
  }

  async #order(order: Order, send: (port: AccountPort) => Promise<Reply>): Promise<boolean> {
    const transfer = this.market.truth.addTransfer({ ...order, acknowledged: false })
    const reply = await this.#insist(() => send(this.#port(order.account)))
    if (reply?.ok) transfer.acknowledged = true
    return reply?.ok ?? false
  }

  /** Null: nobody answered for a long time, and whoever asked gave up. */
  async #insist<T>(ask: () => Promise<T>): Promise<T | null> {
    const { world } = this.market
    for (let tries = 0; tries < TRIES; tries++) {
      try {
        return await ask()
      } catch {
        await world.sleep(world.random.between(50, 5_000), this.#life)
      }
    }
    return null
  }

  #port(account: AccountId): AccountPort {
    return this.market.remote(this.#life)(account)
  }

  #anyone(): AccountId {
    return this.market.world.random.pick([...this.market.guards.keys()])
  }

  #anyTransfer(wanted: string) {
    const found = [...this.market.truth.transfers()].filter(({ kind }) => kind === wanted)
    return found.length === 0 ? null : this.market.world.random.pick(found)
  }

  #anyCall() {
    const calls = [...this.market.truth.calls.values()]
    return calls.length === 0 ? null : this.market.world.random.pick(calls)
  }

  #newId(kind: string): string {
    return `${kind}-${++this.#orders}`
  }
}
