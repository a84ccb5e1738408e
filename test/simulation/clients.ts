// Callers of a simulated world: they send calls one after another, some under an Idempotency-Key, hang up, lose patience, and retry. What
// they were told they write down; it must be what the ledger says.
import type { IdempotentRequest } from '../../gateway/ledger/idempotency/idempotency-port.ts'
import type { CallReply, CallRequest, SimGateway } from './gateways.ts'
import type { Market, SimKey } from './market.ts'
import { sha256 } from './arithmetic.ts'
import type { Life } from './world.ts'

/** ms a caller waits for an answer before it asks again or gives up */
const PATIENCE_MS = 100_000

export class SimClient {
  readonly #life: Life = { alive: true }
  isDone = false

  constructor(
    private readonly market: Market,
    private readonly gateways: readonly SimGateway[],
    private readonly key: SimKey,
    private readonly calls: number,
  ) {}

  async live(): Promise<void> {
    const { world } = this.market
    for (let n = 0; n < this.calls; n++) {
      await world.sleep(world.random.between(0, 30_000), this.#life)
      await this.#callWithRetries(`${this.key.keyId}-${n}`)
    }
    this.isDone = true
  }

  async #callWithRetries(name: string): Promise<void> {
    const { random } = this.market.world
    const idempotency = random.chance(0.5) ? { id: sha256(name), bodyHash: sha256(`body of ${name}`) } : null
    const inputTokens = random.between(1, 60)
    const outputTokensMax = random.between(1, 120)
    const sizes = { inputTokens, outputTokensMax }
    for (let tries = 0; tries < (idempotency ? 4 : 1); tries++) {
      if (idempotency && random.chance(0.2)) void this.#once(idempotency, sizes)
      if (idempotency && random.chance(0.1)) void this.#once({ ...idempotency, bodyHash: sha256('another') }, sizes)
      const reply = await this.#once(idempotency, sizes)
      if (reply?.kind === 'done' || reply?.kind === 'earlier') return
      await this.market.world.sleep(random.between(10, 20_000), this.#life)
    }
  }

  /** Null: it heard nothing. */
  async #once(
    idempotency: IdempotentRequest | null,
    sizes: Pick<CallRequest, 'inputTokens' | 'outputTokensMax'>,
  ): Promise<CallReply | null> {
    const { world, network } = this.market
    const { random } = world
    const request: CallRequest = { key: this.key, idempotency, ...sizes, left: false }
    if (random.chance(network.faults.clientLeaves))
      world.after(random.between(1, 20_000), '', () => {
        request.left = true
      })
    const answer = random.pick(this.gateways).call(request)
    const reply = await Promise.race([answer, world.sleep(PATIENCE_MS, this.#life).then(() => null)])
    // Whoever waits no longer is hung up on.
    request.left = true
    if (reply) this.#note(request, reply)
    return reply
  }

  #note({ idempotency }: CallRequest, reply: CallReply): void {
    const { world, truth } = this.market
    world.log(`  caller: ${reply.kind} ${'callId' in reply ? reply.callId : reply.code}`)
    if (reply.kind === 'done') {
      const call = truth.calls.get(reply.callId)
      if (call) call.acknowledged = reply.chargeNanos
    }
    if (reply.kind === 'earlier') {
      const call = reply.callId && truth.calls.get(reply.callId)
      if (!call || call.idempotencyId !== idempotency?.id)
        world.broken('I12', `an Idempotency-Key got the answer of ${reply.callId}, which is not its call`)
      else if (reply.kept !== null && reply.kept !== reply.callId)
        world.broken('I12', `${reply.callId} has another answer than it had`)
    }
  }
}
