// Gateways of a simulated world: the ledger's side of a call, as the inference room does it. A hold, attempts on nodes that serve, refuse,
// break off or fall silent, reports on the way, one capture, and only then the caller's answer. A gateway may die at any moment.
import type { AccountPort, CallEnd, ChargeTerms } from '../../gateway/ledger/account-port.ts'
import type { IdempotentRequest } from '../../gateway/ledger/idempotency/idempotency-port.ts'
import { legsFor } from '../../gateway/ledger/calls/split.ts'
import { costOf } from '../../protocol/price.ts'
import { instant, nanos, newCallId, tokens, type CallId, type Instant } from '../../protocol/units.ts'
import { MODEL, SECRET_HASH, type Market, type SimKey, type SimOffer } from './market.ts'
import type { CallTruth } from './truth.ts'
import type { Life } from './world.ts'

export interface CallRequest {
  readonly key: SimKey
  readonly idempotency: IdempotentRequest | null
  readonly inputTokens: number
  readonly outputTokensMax: number
  /** the caller has hung up */
  left: boolean
}

export type CallReply =
  | { readonly kind: 'done'; readonly callId: CallId; readonly chargeNanos: bigint }
  | { readonly kind: 'earlier'; readonly callId: CallId | null; readonly kept: string | null }
  | { readonly kind: 'refused'; readonly code: string }
  | { readonly kind: 'failed'; readonly code: string }

/** What one attempt came to. */
interface Delivered {
  readonly outcome: 'served' | 'cancelled' | 'failed'
  readonly attempt: number
  readonly offer: SimOffer
  readonly terms: ChargeTerms
  readonly output: number
  readonly retry: boolean
}

const GUARD_TRIES = 4
const GUARD_PAUSE_MS = 50

export class SimGateway {
  #life: Life = { alive: true }

  constructor(
    private readonly market: Market,
    private readonly name: string,
  ) {}

  /** Its calls end here; another process takes its place at once. */
  #die(): void {
    this.#life.alive = false
    this.#life = { alive: true }
    this.market.world.log(`  ${this.name} dies`)
  }

  /** Never resolves when this gateway dies before the answer. */
  async call(request: CallRequest): Promise<CallReply> {
    const { market } = this
    const { world, truth } = market
    const life = this.#life
    const port = market.remote(life)(request.key.account)
    const callId = newCallId(world.clock(), world.random.bytes)
    const offers = world.random.shuffled(market.offers)
    const startedAt = world.clock()
    const most = { inputTokens: tokens(request.inputTokens), outputTokens: tokens(request.outputTokensMax) }
    const holdNanos = offers.reduce(
      (max, { terms }) => (costOf(most, terms.price) > max ? costOf(most, terms.price) : max),
      nanos(0n),
    )
    const call: CallTruth = {
      callId,
      payer: request.key.account,
      keyId: request.key.keyId,
      holdNanos,
      idempotencyId: request.idempotency?.id ?? null,
      attempts: [],
      progress: [],
      receipts: [],
      end: null,
      acknowledged: null,
    }
    truth.calls.set(callId, call)
    const held = await this.#surely(life, () =>
      port.hold({
        callId,
        keyId: request.key.keyId,
        secretHash: SECRET_HASH,
        modelId: MODEL,
        nodeIds: offers.map(({ nodeId }) => nodeId),
        amountNanos: holdNanos,
        tokensMax: tokens(request.inputTokens + request.outputTokensMax),
        deadline: instant(startedAt + 60_000),
        idempotency: request.idempotency,
      }),
    )
    if (held === null) return { kind: 'failed', code: 'unavailable' }
    if (!held.ok) return { kind: 'refused', code: held.code }
    if (held.earlier) return { kind: 'earlier', callId: held.earlier.callId, kept: textOf(held.earlier.kept) }
    const delivered = await this.#attempts(life, port, request, call, offers)
    return this.#settle(life, port, request, call, delivered, startedAt)
  }

  /** As the call flow does: asked again in the same words before anybody is told anything. Null: it stayed silent. */
  async #surely<T>(life: Life, ask: () => Promise<T>): Promise<T | null> {
    for (let tries = 1; ; tries++) {
      await this.#orDie(life)
      try {
        return await ask()
      } catch {
        if (tries === GUARD_TRIES) return null
        await this.market.world.sleep(GUARD_PAUSE_MS * 4 ** (tries - 1), life)
      }
    }
  }

  async #attempts(
    life: Life,
    port: AccountPort,
    request: CallRequest,
    call: CallTruth,
    offers: readonly SimOffer[],
  ): Promise<Delivered> {
    for (const [attempt, offer] of offers.entries()) {
      const delivered = await this.#attempt(life, port, request, call, offer, attempt)
      if (!delivered.retry || attempt === offers.length - 1) return delivered
    }
    throw new Error('there is at least one offer')
  }

  async #attempt(
    life: Life,
    port: AccountPort,
    request: CallRequest,
    call: CallTruth,
    offer: SimOffer,
    attempt: number,
  ): Promise<Delivered> {
    const { world, network } = this.market
    const { random } = world
    const vesting = offer.vesting && { shareBps: offer.vesting.shareBps, at: instant(world.now + offer.vesting.ms) }
    const terms: ChargeTerms = { ...offer.terms, vesting }
    const fails = random.chance(network.faults.nodeFails)
    const breaksAfter = fails ? random.pick([0, random.between(1, request.outputTokensMax)]) : Number.POSITIVE_INFINITY
    const wanted = random.between(1, request.outputTokensMax)
    call.attempts.push({ attempt, nodeId: offer.nodeId, terms })
    let isClosed = false
    let output = 0
    const ended = (outcome: Delivered['outcome'], retry = false): Delivered => ({
      outcome,
      attempt,
      offer,
      terms,
      output,
      retry,
    })
    while (output < wanted) {
      await world.sleep(random.between(5, 2_000), life)
      await this.#orDie(life)
      if (request.left) return ended('cancelled')
      if (isClosed) return ended('failed')
      if (output >= breaksAfter) return ended('failed', output === 0)
      output = Math.min(wanted, breaksAfter, output + random.between(1, 40))
      if (output > 0 && random.chance(0.5)) {
        const units = { attempt, input: BigInt(request.inputTokens), output: BigInt(output), terms }
        void this.#report(port, call, offer, units, terms).then((open) => {
          isClosed ||= !open
        })
      }
    }
    return ended('served')
  }

  /** Unawaited, and lost without a word when it is lost. */
  async #report(
    port: AccountPort,
    call: CallTruth,
    offer: SimOffer,
    { attempt, input, output }: { attempt: number; input: bigint; output: bigint },
    terms: ChargeTerms,
  ): Promise<boolean> {
    const { callId } = call
    const units = { inputTokens: tokens(input), outputTokens: tokens(output) }
    try {
      const { open } = await port.progress({ callId, attempt, nodeId: offer.nodeId, ...units, terms })
      return open
    } catch {
      return true
    }
  }

  async #settle(
    life: Life,
    port: AccountPort,
    request: CallRequest,
    call: CallTruth,
    { outcome, attempt, offer, terms, output }: Delivered,
    startedAt: Instant,
  ): Promise<CallReply> {
    const { world } = this.market
    const isCharged = outcome === 'served' || (outcome === 'cancelled' && output > 0)
    const units = {
      inputTokens: tokens(isCharged ? request.inputTokens : 0),
      outputTokens: tokens(isCharged ? output : 0),
    }
    const end: CallEnd = {
      callId: call.callId,
      outcome: outcome === 'served' ? 'complete' : outcome,
      errorCode: outcome === 'served' ? null : outcome === 'cancelled' ? 'cancelled' : 'no_provider',
      nodeId: offer.nodeId,
      ...units,
      legs: isCharged ? legsFor(units, terms, call.payer) : [],
      startedAt,
      firstTokenAt: output > 0 ? startedAt : null,
      endedAt: world.clock(),
      receiptHash: null,
      ticketHash: null,
      priceVersion: 1,
      detail: { stream: true, attempts: [], choice: null, receipt: null, salt: null, ticket: null, claimed: null },
      kept: request.idempotency && outcome === 'served' ? bytesOf(call.callId) : null,
    }
    call.end = {
      outcome: end.outcome,
      units: isCharged ? { attempt, input: units.inputTokens, output: units.outputTokens, terms } : null,
    }
    const captured = await this.#surely(life, () => port.capture(end))
    await this.#orDie(life)
    if (captured === null) return { kind: 'failed', code: 'unavailable' }
    if (!captured.ok) return { kind: 'failed', code: captured.code }
    if (outcome !== 'served') return { kind: 'failed', code: end.errorCode ?? '' }
    return { kind: 'done', callId: call.callId, chargeNanos: captured.chargeNanos }
  }

  /** Where a process may end: nothing after this line happens to who is dead. */
  async #orDie(life: Life): Promise<void> {
    const { world, network } = this.market
    if (life.alive && world.random.chance(network.faults.gatewayDies / 8)) this.#die()
    if (!life.alive) await new Promise<never>(() => undefined)
  }
}

const bytesOf = (text: string): ArrayBuffer => Uint8Array.from(new TextEncoder().encode(text)).buffer
const textOf = (kept: ArrayBuffer | null): string | null => kept && new TextDecoder().decode(kept)
