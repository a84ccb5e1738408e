// Calls with the proofs of production: a ticket signed by the gateway's key and a receipt signed by a node's, charged at the ticket's prices.
import { env } from 'cloudflare:workers'
import { Hono } from 'hono'
import { exportJWK, generateKeyPair, importJWK, type CryptoKey } from 'jose'
import { systemRandom } from '../../../../gateway/core/clock.ts'
import { Secret } from '../../../../gateway/core/sealed.ts'
import { toResponse } from '../../../../gateway/core/errors.ts'
import { loadGatewayKey } from '../../../../gateway/core/gateway-key.ts'
import type { AppEnv, Principal } from '../../../../gateway/core/principal.ts'
import type { Accounts, CallEnd } from '../../../../gateway/ledger/account-port.ts'
import { createJournalRoutes } from '../../../../gateway/ledger/journal/journal-routes.ts'
import { chargeLegs } from '../../../../gateway/ledger/calls/split.ts'
import { createStatementRoutes } from '../../../../gateway/ledger/journal/statement-routes.ts'
import { issueTicket, newTicketIds } from '../../../../gateway/market/admission/ticket-order.ts'
import { sha256Hex } from '../../../../protocol/canonical.ts'
import { costOf, type Units } from '../../../../protocol/price.ts'
import { signReceipt } from '../../../../protocol/receipt.ts'
import { bytes, nanos, tokens, type AccountId, type CallId } from '../../../../protocol/units.ts'
import { accounts, aHold, anEnd, FEE_BPS, MODEL, ROYALTY_BPS, type aPayer, type TestClock } from '../ledger-house.ts'

export const key = await loadGatewayKey(env.SOUK_SIGNING_KEY)
const PRICE = {
  inputPerMillion: nanos(1_500_000n),
  outputPerMillion: nanos(7_000_001n),
  cachedInputPerMillion: nanos(0n),
  bytesPerMillion: nanos(250_001n),
  perCall: nanos(2n),
}
const DIGEST = 'd1'.repeat(32)

type Payer = Awaited<ReturnType<typeof aPayer>>

export interface ProvenOptions {
  readonly inputTokens?: bigint
  readonly outputTokens?: bigint
  readonly tensorBytes?: bigint
  /** the receipt comes after the call's end */
  readonly late?: boolean
  readonly end?: Partial<CallEnd>
}

let node: Promise<{ x: string; privateKey: CryptoKey }> | null = null

async function aNode() {
  const { privateKey, publicKey } = await generateKeyPair('EdDSA', { extractable: true })
  const { x = '' } = await exportJWK(publicKey)
  return { x, privateKey: (await importJWK(await exportJWK(privateKey), 'EdDSA')) as CryptoKey } // an asymmetric key
}

/** Holds, signs, captures one call. @returns what was charged, and the proofs */
export async function provenCall(payer: Payer, operator: AccountId, options: ProvenOptions = {}) {
  const { inputTokens = 12n, outputTokens = 100n, tensorBytes, late = false, end = {} } = options
  const units: Units = {
    inputTokens: tokens(inputTokens),
    outputTokens: tokens(outputTokens),
    ...(tensorBytes !== undefined && { tensorBytes: bytes(tensorBytes) }),
  }
  const chargeNanos = costOf(units, PRICE)
  const request = aHold(payer, chargeNanos + 10n)
  const held = await payer.port.hold(request)
  if (!held.ok) throw new Error(`refused: ${held.code}`)
  const proofs = await proofsOf(payer, request.callId, units)
  const captured = await payer.port.capture(
    anEnd(payer, request.callId, {
      ...units,
      legs: chargeLegs({
        chargeNanos,
        payer: payer.id,
        operator,
        author: operator,
        royaltyBps: ROYALTY_BPS,
        feeBps: FEE_BPS,
      }),
      ticketHash: sha256Hex(proofs.ticket),
      receiptHash: late ? null : sha256Hex(proofs.receipt),
      detail: {
        stream: true,
        attempts: [],
        choice: null,
        receipt: late ? null : proofs.receipt,
        salt: proofs.salt,
        ticket: proofs.ticket,
        claimed: null,
      },
      ...end,
    }),
  )
  if (!captured.ok) throw new Error(`refused: ${captured.code}`)
  return { callId: request.callId, chargeNanos, units, ...proofs }
}

async function proofsOf(payer: Payer, callId: CallId, units: Units) {
  node ??= aNode()
  const { x, privateKey } = await node
  const { jws, ticket } = await issueTicket({
    key,
    issuer: 'test',
    offer: { nodeKey: x, price: PRICE },
    model: { id: MODEL, digest: DIGEST },
    callId,
    attempt: 0,
    path: '/v1/chat/completions',
    body: '{}',
    inputTokensMax: 1_000,
    outputTokensMax: 1_000,
    tensorBytesMax: units.tensorBytes === undefined ? undefined : 1_000_000,
    pseudonym: 'p',
    ref: 'r',
    ...newTicketIds(systemRandom),
    nowSeconds: payer.clock() / 1000,
  })
  const at = new Date(payer.clock()).toISOString()
  const receipt = await signReceipt(
    {
      jti: ticket.jti,
      callId,
      attempt: 0,
      nodeKey: x,
      model: MODEL,
      modelDigest: DIGEST,
      request: 'ab'.repeat(32),
      outputs: [],
      inputTokens: Number(units.inputTokens),
      outputTokens: Number(units.outputTokens),
      ...(units.tensorBytes !== undefined && { tensorBytes: Number(units.tensorBytes) }),
      startedAt: at,
      firstOutputAt: at,
      endedAt: at,
      outcome: 'complete',
      continuedCharacters: 0,
    },
    privateKey,
  )
  return { ticket: jws, receipt, salt: ticket.salt }
}

/** The journal's and the statements' routes for one account that is signed in. */
export function journalApi(accountId: AccountId, clock: TestClock, guards: Accounts = accounts) {
  const who: Principal = {
    kind: 'session',
    member: 'owner',
    accountId,
    address: '0x0000000000000000000000000000000000000001',
    roles: ['consumer'],
    signedInAt: clock(),
    viaCookie: false,
    secret: new Secret(''),
  }
  const bookOf = async () => env.BOOK_0
  const app = new Hono<AppEnv>()
    .use(async (c, next) => {
      c.set('principal', who)
      await next()
    })
    .route('/api', createJournalRoutes({ bookOf, accounts: guards, clock, key }))
    .route('/api', createStatementRoutes({ bookOf, accounts: guards }))
  app.onError((error) => toResponse(error, 'req_test'))
  return async (path: string, headers: Record<string, string> = {}) => app.request(`/api${path}`, { headers })
}

/** A text as the verifier reads a file: in pieces, each line with its end. */
export async function* piecesOf(text: string): AsyncGenerator<string[]> {
  for (const line of text.match(/[^\n]*\n|[^\n]+$/g) ?? []) yield [line]
}
