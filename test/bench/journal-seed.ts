// A journal of any length, written straight into the SQLite file of an account's guard while the gateway is stopped: chained, with the rows of
// its calls, and with tickets and receipts for every tenth, as retention would leave them. A million calls through the gateway would take hours.
import Database from 'libsql'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { calculateJwkThumbprint, exportJWK, generateKeyPair, type CryptoKey } from 'jose'
import { loadGatewayKey, type GatewayKey } from '../../gateway/core/gateway-key.ts'
import { base64url, sha256Hex } from '../../protocol/canonical.ts'
import { chainLine, type LineDraft } from '../../protocol/journal.ts'
import { costOf } from '../../protocol/price.ts'
import { signReceipt } from '../../protocol/receipt.ts'
import {
  HOUSE,
  instant,
  nanos,
  newAccountId,
  newCallId,
  toSqlInteger,
  tokens,
  type AccountId,
  type CallId,
  type KeyId,
  type ModelId,
  type NodeId,
  type RandomBytes,
} from '../../protocol/units.ts'

/** one call in so many keeps its ticket and receipt */
export const PROVEN_EVERY = 10
/** lines of one transaction */
const BATCH = 5_000
const PRICE = {
  inputPerMillion: nanos(1_500_000n),
  outputPerMillion: nanos(7_000_001n),
  cachedInputPerMillion: nanos(0n),
  bytesPerMillion: nanos(0n),
  perCall: nanos(2n),
}
const MODEL = 'bench/counter' as ModelId
const NODE = 'node_0000000000000000' as NodeId
const KEY = '0000000000' as KeyId
const DIGEST = 'd1'.repeat(32)

interface Proofs {
  readonly ticket: string
  readonly receipt: string
  readonly salt: string
}

interface Line {
  readonly draft: LineDraft
  readonly proofs: Proofs | null
}

export interface Seeding {
  /** Makes the journal `lines` long. */
  growTo(lines: number): Promise<void>
}

/** @param signingKey SOUK_SIGNING_KEY of the state folder */
export async function openSeeding(stateDir: string, account: AccountId, signingKey: string): Promise<Seeding> {
  const file = guardFile(stateDir, account)
  const key = await loadGatewayKey(signingKey)
  const { privateKey, publicKey } = await generateKeyPair('EdDSA', { extractable: true })
  const { x = '' } = await exportJWK(publicKey)
  await calculateJwkThumbprint({ kty: 'OKP', crv: 'Ed25519', x })
  const maker = new LineMaker(account, key, x, privateKey)
  return { growTo: (lines) => grow(file, account, maker, lines) }
}

async function grow(file: string, account: AccountId, maker: LineMaker, lines: number): Promise<void> {
  const db = new Database(file)
  const state = db.prepare('SELECT seq, last_hash, balance_nanos, held_nanos FROM account').get() as {
    seq: number
    last_hash: string
    balance_nanos: number
  } // the columns that were asked for
  let { seq, last_hash: hash } = state
  let balance = BigInt(state.balance_nanos)
  const insertLine = db.prepare('INSERT INTO lines VALUES (?, ?, ?, ?, ?)')
  const insertHold =
    db.prepare(`INSERT INTO holds (call_id, key_id, model_id, amount_nanos, deadline, started_at, state,
    outcome, charge_nanos, seq, call_started_at, call_ended_at, detail) VALUES (?, ?, ?, ?, ?, ?, 'captured', 'complete', ?, ?, ?, ?, ?)`)
  while (seq < lines) {
    const batch: Line[] = []
    for (let n = seq + 1; n <= Math.min(lines, seq + BATCH); n++) batch.push(await maker.make(n))
    db.exec('BEGIN')
    for (const { draft, proofs } of batch) {
      seq += 1
      const { line, chained } = chainLine(draft, account, seq, hash)
      hash = chained.hash
      balance += line.deltaNanos
      insertLine.run(seq, draft.transferId, chained.prevHash, hash, chained.body)
      if (!line.call) continue
      const detail = proofs && JSON.stringify({ stream: true, attempts: [], choice: null, claimed: null, ...proofs })
      const { transferId, at } = line
      const amounts = [toSqlInteger(line.call.holdNanos), toSqlInteger(nanos(-line.deltaNanos))] as const
      insertHold.run(transferId, KEY, MODEL, amounts[0], at, at, amounts[1], seq, at, at, detail)
    }
    // The book is told that it has everything: its projection is another matter.
    const head = `UPDATE account SET seq = ?, last_hash = ?, balance_nanos = ?, projected_seq = ?, project_at = NULL`
    db.prepare(head).run(seq, hash, toSqlInteger(balance), seq)
    db.exec('COMMIT')
  }
  db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  db.close()
}

/** Of a hundred lines: 97 calls, a grant, a credit, a refund of the call before. */
class LineMaker {
  #random = seeded(42)
  #at = Date.now()
  #last: { callId: CallId; charge: bigint } | null = null
  #credited = 0
  readonly #operator = newAccountId(seeded(1))
  readonly #payer = newAccountId(seeded(2))

  constructor(
    private readonly account: AccountId,
    private readonly key: GatewayKey,
    private readonly nodeKey: string,
    private readonly nodePrivateKey: CryptoKey,
  ) {}

  async make(n: number): Promise<Line> {
    this.#at += 25
    const at = instant(this.#at)
    if (n === 2 || n % 100 === 1) return { draft: this.#grant(n, n === 2 ? 10n ** 15n : 1_000n), proofs: null }
    if (n % 100 === 2) return { draft: this.#credit(), proofs: null }
    if (n % 100 === 3 && this.#last) return { draft: this.#refund(n, this.#last), proofs: null }
    const callId = newCallId(at, this.#random)
    const units = { inputTokens: tokens(20 + (n % 500)), outputTokens: tokens(1 + (n % 700)) }
    const charge = costOf(units, PRICE)
    const proofs = n % PROVEN_EVERY === 0 ? await this.#proofs(callId, units) : null
    this.#last = { callId, charge }
    return { draft: this.#call(callId, units, charge, proofs), proofs }
  }

  #grant(n: number, amount: bigint): LineDraft {
    return {
      at: instant(this.#at),
      kind: 'grant',
      transferId: `grant:bench-${n}`,
      legs: [
        { party: HOUSE.grants, role: 'house', amountNanos: nanos(-amount) },
        { party: this.account, role: 'receiver', amountNanos: nanos(amount) },
      ],
      grant: { reason: 'bench', by: null },
    }
  }

  #credit(): LineDraft {
    const [fromSeq, toSeq] = [this.#credited + 1, this.#credited + 50]
    this.#credited = toSeq
    const sum = nanos(5_000n)
    const shares = { sumNanos: sum, operatorNanos: sum, authorNanos: nanos(0n), feesNanos: nanos(250n), vesting: [] }
    return {
      at: instant(this.#at),
      kind: 'credit',
      transferId: `credit:${this.#payer}:${fromSeq}-${toSeq}`,
      legs: [],
      credit: { payer: this.#payer, fromSeq, toSeq, ...shares },
    }
  }

  #refund(n: number, { callId, charge }: { callId: CallId; charge: bigint }): LineDraft {
    return {
      at: instant(this.#at),
      kind: 'refund',
      transferId: `refund:bench-${n}`,
      legs: [
        { party: HOUSE.refunds, role: 'house', amountNanos: nanos(-charge) },
        { party: this.account, role: 'receiver', amountNanos: nanos(charge) },
      ],
      correction: { of: callId, ofAccount: this.account, reason: 'bench', by: null, owedNanos: nanos(0n) },
    }
  }

  #call(callId: CallId, units: Parameters<typeof costOf>[0], charge: bigint, proofs: Proofs | null): LineDraft {
    const fee = charge / 20n
    return {
      at: instant(this.#at),
      kind: 'call',
      transferId: callId,
      legs: [
        { party: this.account, role: 'payer', amountNanos: nanos(-charge) },
        { party: this.#operator, role: 'operator', amountNanos: nanos(charge - fee) },
        ...(fee > 0n ? [{ party: HOUSE.fees, role: 'house', amountNanos: nanos(fee) } as const] : []),
      ],
      call: {
        keyId: KEY,
        modelId: MODEL,
        nodeId: NODE,
        ...units,
        holdNanos: nanos(charge + 1_000n),
        outcome: 'complete',
        errorCode: null,
        // Of a call whose proofs are deleted the hashes stay.
        receiptHash: sha256Hex(proofs?.receipt ?? callId),
        ticketHash: sha256Hex(proofs?.ticket ?? `${callId} ticket`),
        priceVersion: 1,
      },
    }
  }

  async #proofs(callId: CallId, units: Parameters<typeof costOf>[0]): Promise<Proofs> {
    const salt = base64url(this.#random(16))
    const ids = { jti: base64url(this.#random(16)), callId, attempt: 0, model: MODEL, modelDigest: DIGEST }
    const seconds = Math.floor(this.#at / 1000)
    const time = new Date(this.#at).toISOString()
    const ticket = await this.key.sign({
      iss: 'bench',
      aud: this.nodeKey,
      ...ids,
      iat: seconds,
      exp: seconds + 60,
      path: '/v1/chat/completions',
      inputTokensMax: 1_000,
      outputTokensMax: 1_000,
      prices: { input: '1500000', output: '7000001', cachedInput: '0', bytes: '0', perCall: '2' },
      bodySha256: 'ab'.repeat(32),
      salt,
      pseudonym: base64url(this.#random(16)),
    })
    const receipt = await signReceipt(
      {
        ...ids,
        nodeKey: this.nodeKey,
        request: 'ab'.repeat(32),
        outputs: ['cd'.repeat(32)],
        inputTokens: Number(units.inputTokens),
        outputTokens: Number(units.outputTokens),
        startedAt: time,
        firstOutputAt: time,
        endedAt: time,
        outcome: 'complete',
        continuedCharacters: 0,
      },
      this.nodePrivateKey,
    )
    return { ticket, receipt, salt }
  }
}

/** xorshift32: the same journal every time. */
function seeded(seed: number): RandomBytes {
  let state = seed
  return (length) =>
    Uint8Array.from({ length }, () => {
      state ^= state << 13
      state ^= state >>> 17
      state ^= state << 5
      return state & 0xff
    })
}

/** Guards' files are named by hashes of their ids; what is inside says whose it is. */
function guardFile(stateDir: string, account: AccountId): string {
  const files = readdirSync(stateDir, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.sqlite'))
  for (const name of files) {
    const db = new Database(join(stateDir, name))
    try {
      const isGuard = db.prepare(`SELECT 1 FROM sqlite_master WHERE name = 'credits_out'`).get() !== undefined
      if (isGuard && db.prepare('SELECT 1 FROM account WHERE id = ?').get(account) !== undefined)
        return join(stateDir, name)
    } finally {
      db.close()
    }
  }
  throw new Error('the account has no guard in this state folder')
}
