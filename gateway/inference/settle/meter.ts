// The meter of one attempt: our own count of what arrived, what it costs at the frozen price, and the progress reports that let the guard
// settle if this gateway vanishes. It believes a node's claims only as far as count.ts does.
import { NodeUsageClaim } from '../../../protocol/node.ts'
import { costOf, type Price, type Units } from '../../../protocol/price.ts'
import type { Receipt } from '../../../protocol/receipt.ts'
import { bytes, nanos, tokens, type Instant, type Nanos } from '../../../protocol/units.ts'
import type { AccountPort, ChargeTerms } from '../../ledger/account-port.ts'
import type { Part } from '../../ledger/calls/split.ts'
import type { Offer } from '../../market/market-port.ts'
import { vestingOf } from '../../market/admission/vesting.ts'
import type { BodyExtras, Candidate, Order } from '../order/order.ts'
import type { Delivered } from '../resume/delivered.ts'
import type { Resumed } from '../resume/resume.ts'
import { countUnits, isOverOrder, wholeCount, type Observed } from './count.ts'
import { driftPpm, tensorDriftPpm } from './drift.ts'
import type { ToldPart } from './joint-count.ts'

interface MeterNeeds {
  readonly account: AccountPort
  readonly feeBps: number
  /** of the operator's share, while its node is in probation */
  readonly vestingShareBps: number
  readonly progressMs: number
  /** remembers what reaches the caller; absent: nobody could go on with it */
  readonly delivered?: Delivered | null
  /** what this node is to go on with; absent: it begins */
  readonly resumed?: Resumed | null
  /** of that, what is to be paid to others beside this one */
  readonly before?: (own: Meter) => readonly Part[]
}

const encoder = new TextEncoder()

export class Meter {
  #claim: NodeUsageClaim | null = null
  #receipt: NodeUsageClaim | null = null
  #receiptTensorBytes = 0
  #outputBytes = 0
  /** bytes that only repeated what others had delivered */
  #repeatedBytes = 0
  /** bytes of tensors, in and out, of an answer that came; null for words */
  #tensorBytes: number | null = null
  #characters = 0
  #hasBrokenOff = false
  /** tokens of the joined answer that are left to it; null: all it has */
  #outputTokensLeft: number | null = null
  /** choices whose text so far ends between the two halves of a character */
  readonly #endInHalf = new Set<number>()
  readonly #before: Observed['delivered']
  #reportedAt: Instant
  #reportedNanos: Nanos = nanos(0n)
  /** frozen with the price: a node that leaves probation meanwhile is paid as it was asked */
  readonly #vesting: ChargeTerms['vesting']

  constructor(
    readonly order: Order,
    readonly candidate: Candidate,
    readonly attempt: number,
    private readonly needs: MeterNeeds,
    now: Instant,
  ) {
    this.#reportedAt = now
    const { resumed } = needs
    this.#before = resumed ? { ...resumed, isInput: resumed.how === 'continue' } : null
    const { nodeState, operatorAccountId } = candidate.offer
    const { accountId } = order.principal
    this.#vesting = vestingOf(nodeState, operatorAccountId, accountId, now, needs.vestingShareBps)
  }

  get offer(): Offer {
    return this.candidate.offer
  }

  /** The node's cumulative usage: the latest one counts. What is no usage is ignored, also when one was said before. */
  noteClaim(claim: unknown): void {
    if (claim === undefined || claim === null) return
    this.#claim = NodeUsageClaim.safeParse(claim).data ?? this.#claim
  }

  /** The counts of the receipt that came with the answer. They are compared, never charged. */
  noteReceipt({
    inputTokens,
    outputTokens,
    tensorBytes,
  }: Pick<Receipt, 'inputTokens' | 'outputTokens' | 'tensorBytes'>) {
    this.#receipt = { prompt_tokens: inputTokens, completion_tokens: outputTokens }
    this.#receiptTensorBytes = tensorBytes ?? 0
  }

  /** A whole answer of tensors came: their bytes, in and out, as we have them ourselves. An empty one is an answer too. */
  noteTensors(tensorBytes: number): void {
    this.#tensorBytes = tensorBytes
  }

  get resumed(): Resumed | null {
    return this.needs.resumed ?? null
  }

  /** What its node is told to go on from; null: it says the whole answer. */
  get prefix(): BodyExtras['prefix'] {
    const [only] = this.resumed?.choices ?? []
    return this.resumed?.how === 'continue' && only ? { text: only.text, tokens: this.resumed.tokens } : null
  }

  /** @param choice whose text it is: those of several come in any order. @param logprobs tokens that are told with it */
  noteOutput(text: string, choice = 0, logprobs = 0): void {
    if (text === '') return
    this.#characters += text.length
    this.needs.delivered?.add(text, choice, logprobs)
    this.#outputBytes += this.#bytesOf(text, choice)
  }

  /** Output that the caller has already, from another node. */
  noteRepeated(text: string, choice: number): void {
    if (text !== '') this.#repeatedBytes += this.#bytesOf(text, choice)
  }

  #bytesOf(text: string, choice: number): number {
    // A half of a character is three bytes by itself, and both together are four: cutting there must not add to the bill.
    const joins = this.#endInHalf.has(choice) && /^[\udc00-\udfff]/.test(text)
    if (/[\ud800-\udbff]$/.test(text)) this.#endInHalf.add(choice)
    else this.#endInHalf.delete(choice)
    return encoder.encode(text).byteLength - (joins ? 2 : 0)
  }

  /** Output that is no text: counted by its bytes. */
  noteBytes(bytes: number): void {
    this.#outputBytes += bytes
  }

  /** It gave something that the caller had not. */
  get hasOutput(): boolean {
    return this.#outputBytes > 0 || this.#tensorBytes !== null
  }

  /** Its answer is one: of who goes on with another's also where nothing was left to say. */
  get hasAnswer(): boolean {
    return this.hasOutput || this.resumed !== null
  }

  get isOverOrder(): boolean {
    return isOverOrder(this.#observed())
  }

  /** UTF-16 units of text that are part of the answer */
  get characters(): number {
    return this.#characters
  }

  /** Somebody else goes on. For the input, and for the call itself, only who finishes is paid: what remains here is the output. */
  breakOff(): void {
    this.#hasBrokenOff = true
  }

  /** What it told of the answer, as joint-count.ts shares that among those who told it. */
  get told(): ToldPart {
    const observed = this.#observed()
    return {
      tokens: Number(countUnits(observed).outputTokens),
      wholeTokens: wholeCount(observed),
      isClaimed: this.#claim !== null,
      outputBytes: this.#outputBytes,
      bytesPerTokenMin: observed.bytesPerTokenMin,
      tokensMax: Number(observed.most.outputTokens),
    }
  }

  /** @param outputTokens that those behind it leave to it; null: it is the last one */
  leave(outputTokens: number | null): void {
    this.#outputTokensLeft = outputTokens
  }

  units(): Units {
    const { inputTokens, outputTokens } = countUnits(this.#observed())
    const words = {
      inputTokens: this.#hasBrokenOff ? tokens(0) : inputTokens,
      outputTokens: tokens(Math.min(Number(outputTokens), this.#outputTokensLeft ?? Infinity)),
    }
    if (this.#tensorBytes === null) return words
    const most = Number(this.candidate.most.tensorBytes ?? 0n)
    return { ...words, tensorBytes: bytes(Math.min(this.#tensorBytes, most)) }
  }

  /** What these units cost, or nothing while nothing was delivered. Never above the hold: units are bounded by the order. */
  chargeNanos(): Nanos {
    return this.hasOutput ? costOf(this.units(), this.#price()) : nanos(0n)
  }

  /** What its node is to be paid for. */
  part(): Part {
    return { nodeId: this.offer.nodeId, units: this.units(), terms: this.#terms() }
  }

  /** The node's own count, as far as it is one: what is kept beside ours. */
  claimed(): { readonly inputTokens: number; readonly outputTokens: number } | null {
    const claim = this.#claim
    return claim && { inputTokens: claim.prompt_tokens, outputTokens: claim.completion_tokens }
  }

  /** How far the node's counts are from what can be; null when it gave none. */
  driftPpm(): number | null {
    if (this.#tensorBytes !== null && this.#receipt) return tensorDriftPpm(this.#tensorBytes, this.#receiptTensorBytes)
    return driftPpm(this.#observed(), this.#receipt)
  }

  /** A report to the guard every few seconds or quarter of the hold. Null when none is due; false: the hold is gone, stop. */
  reportProgress(now: Instant): Promise<{ readonly open: boolean }> | null {
    const charge = this.chargeNanos()
    const isDue =
      now - this.#reportedAt >= this.needs.progressMs || (charge - this.#reportedNanos) * 4n >= this.order.holdNanos
    if (!isDue || charge === this.#reportedNanos) return null
    this.#reportedAt = now
    this.#reportedNanos = charge
    const { inputTokens, outputTokens } = this.units()
    const { callId } = this.order
    const before = this.needs.before?.(this) ?? []
    return this.needs.account.progress({
      callId,
      attempt: this.attempt,
      nodeId: this.offer.nodeId,
      inputTokens,
      outputTokens,
      terms: this.#terms(),
      ...(before.length > 0 && { before }),
    })
  }

  #price(): Price {
    const { price } = this.offer
    return this.#hasBrokenOff ? { ...price, perCall: nanos(0n) } : price
  }

  #terms(): ChargeTerms {
    return {
      price: this.#price(),
      operator: this.offer.operatorAccountId,
      author: this.candidate.model.authorAccountId,
      priceVersion: this.offer.priceVersion,
      royaltyBps: this.candidate.model.royaltyBps,
      feeBps: this.needs.feeBps,
      vesting: this.#vesting,
    }
  }

  #observed(): Observed {
    return {
      claim: this.#claim,
      outputBytes: this.#outputBytes,
      repeatedBytes: this.#repeatedBytes,
      delivered: this.#before ?? null,
      bytesPerTokenMin: this.candidate.model.manifest.bytesPerTokenMin,
      most: this.candidate.most,
      choices: this.order.choices,
    }
  }
}
