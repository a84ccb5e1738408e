// One whole change for each route that carries nothing that was seen, on the real app: what is needed for it is made, and it is sent with everything that a
// page or a program sends. A new route needs its line here (query-plans.test.ts walks the router).
import { env } from 'cloudflare:workers'
import { systemClock, systemRandom } from '../../../gateway/core/clock.ts'
import type { NodeLink } from '../../../gateway/link/node-link.ts'
import { issueTicket, newTicketIds } from '../../../gateway/market/admission/ticket-order.ts'
import { sealRef } from '../../../gateway/market/admission/ticket-ref.ts'
import { bytesToHex, fromBase64url } from '../../../protocol/canonical.ts'
import { NonceReply } from '../../../protocol/auth.ts'
import { helloClaims, nodeAuthorizationDomain, nodeAuthorizationTypes, PROOF_TYP } from '../../../protocol/node.ts'
import { ROTATION_TYP, rotationClaims } from '../../../protocol/operator.ts'
import { signClaims } from '../../../protocol/ticket.ts'
import { newCallId, type NodeId } from '../../../protocol/units.ts'
import { aModel, anOffer } from '../../support/workers/builders.ts'
import { aSigner } from '../inference/receipts/signing-node.ts'
import { aPayer, anAccount, callFor, type TestClock } from '../ledger/ledger-house.ts'
import { earn } from '../ledger/money-house.ts'
import { aManifest, anOfferRequest } from '../market/builders.ts'
import { createFakeNode, type FakeNode } from '../market/fake-node.ts'
import { addWallet, aPublication, aRegistration, authorWallet, SETTLEMENT_KEY } from '../market/market-app.ts'
import { aWallet, signed } from './auth-house.ts'
import { aSession, aWalletOf, type Token } from './matrix-house.ts'
import type { Matrix } from './seen-changes.ts'

export interface Change {
  readonly who: Token
  readonly path: string
  /** null: without one */
  readonly body: object | null
}
type Node = FakeNode & { readonly id: NodeId }

/** The guards of these accounts go by the system's clock, as the app does. */
const CLOCK: TestClock = Object.assign(() => systemClock(), { advance: () => undefined })

/** The nodes that answer in this house, by where they are. */
export function someNodes() {
  const nodes = new Map<string, FakeNode>()
  const link: NodeLink = {
    send: async (request) => {
      const node = nodes.get(request.endpoint)
      if (!node) throw new TypeError('no node is there')
      return node.link.send(request)
    },
  }
  return { link, nodes }
}

/** Route -> changes that are sent one after the other, made when they are asked for. @param nodes of the link that the house has */
export function plainChanges(house: Matrix, nodes: Map<string, FakeNode>) {
  const owner = house.team.owner.token
  const { admin, ours } = house
  const { chainId } = house.services.config
  let serial = 0

  /** What a story needs first. */
  async function done<T>(who: Token, method: string, path: string, body: object | null = {}): Promise<T> {
    const response = await house.send(who, { method, path }, { body: body && JSON.stringify(body) })
    const text = await response.text()
    if (response.status >= 300) throw new Error(`${response.status} ${method} ${path}: ${text}`)
    return (text === '' ? {} : JSON.parse(text)) as T // each story says what it expects
  }
  const proof = async (wallet = aWallet()) =>
    signed(wallet, NonceReply.parse(await done<unknown>(null, 'POST', '/auth/nonce')))
  const run = async (sql: string, ...values: unknown[]) =>
    void (await env.DB.prepare(sql)
      .bind(...values)
      .run())

  /** An account with money of every kind, whose owner has just signed in. */
  async function aRich() {
    const payer = await aPayer(1_000_000_000n, {}, CLOCK)
    await earn(payer, 5_000_000_000n)
    const { token, address } = await aWalletOf(payer.id, 'owner')
    const { request } = await callFor(payer, 1_000n, (await anAccount(CLOCK)).id)
    return { payer, token, address, callId: request.callId }
  }
  async function aWithdrawal() {
    const rich = await aRich()
    const { id } = await done<{ id: string }>(rich.token, 'POST', '/api/withdrawals', { usd: '1', id: `w${++serial}` })
    return { ...rich, id }
  }
  async function aPayout() {
    await aWithdrawal()
    return done<{ batchId: string }>(admin, 'POST', '/api/admin/payouts', null)
  }

  const wallet = authorWallet(ours)
  let isPublished = false
  let suspended: Node | null = null
  async function aPublished() {
    if (isPublished) return
    isPublished = true
    await done(owner, 'POST', '/api/models', await publication('maker/chat'))
  }
  async function publication(id: string) {
    const files = { 'model.onnx': (++serial).toString(16).padStart(64, '0') }
    const manifest = id === 'maker/chat' ? aManifest() : aManifest({ id, files })
    return aPublication(manifest, Date.now(), ours, { chainId })
  }
  async function registration(node: FakeNode) {
    await aPublished()
    await addWallet(ours, wallet.address)
    const endpoint = `https://n${++serial}.example.com`
    nodes.set(endpoint, node)
    return aRegistration(node, Date.now(), { operator: wallet.address, endpoint }, { wallet, chainId })
  }
  /** Proved and probed: in probation. */
  async function aNode(): Promise<Node> {
    const node = await createFakeNode(() => Date.now())
    const { id } = await done<{ id: NodeId }>(owner, 'POST', '/api/nodes', await registration(node))
    const state = await env.DB.prepare('SELECT state FROM nodes WHERE id = ?').bind(id).first('state')
    if (state !== 'probation') throw new Error(`the node is ${String(state)}`)
    return { ...node, id }
  }
  const ofNode = async (what: string, body: object = {}) => one(owner, `/api/nodes/${(await aNode()).id}/${what}`, body)
  async function rotation(node: Node) {
    const to = await createFakeNode(() => Date.now())
    const deadline = Math.floor(Date.now() / 1_000) + 3_600
    const signature = await wallet.signTypedData({
      domain: nodeAuthorizationDomain(chainId),
      types: nodeAuthorizationTypes,
      primaryType: 'NodeAuthorization',
      message: {
        operator: wallet.address,
        nodeKey: `0x${bytesToHex(fromBase64url(to.nodeKey))}`,
        settlementKey: SETTLEMENT_KEY,
        deadline: BigInt(deadline),
      },
    })
    const claims = rotationClaims(node.id, node.nodeKey, to.nodeKey, deadline)
    const newProof = await signClaims(claims, to.privateKey, { typ: ROTATION_TYP })
    const oldProof = await signClaims(claims, node.privateKey, { typ: ROTATION_TYP })
    const said = { nodeKey: to.nodeKey, settlementKey: SETTLEMENT_KEY, operator: wallet.address, deadline }
    return { ...said, signature, newProof, oldProof }
  }
  /** One that its node signed, and one that somebody else did. */
  async function receipts(nodeId: NodeId) {
    const [signer, other, ids] = [await aSigner(), await aSigner(), newTicketIds(systemRandom)]
    const { jws: ticket } = await issueTicket({
      ...{ ...ids, key: house.services.key, issuer: 'test', offer: anOffer({ nodeKey: signer.nodeKey }) },
      ...{ model: aModel(), callId: newCallId(systemClock(), systemRandom), attempt: 0, path: '/', body: '{}' },
      ...{ inputTokensMax: 10, outputTokensMax: 10, tensorBytesMax: undefined, pseudonym: 'p', nowSeconds: 1_000 },
      ref: await sealRef(env.SOUK_KEY_SECRET, ids.jti, { accountId: ours, nodeId }, systemRandom),
    })
    const [good, bad] = [await signer.receiptFor(ticket), await other.receiptFor(ticket)]
    return { receipts: [good, bad].map((receipt) => ({ ticket, receipt })) }
  }
  const aWebhook = async () =>
    (await done<{ id: string }>(owner, 'POST', '/api/webhooks', { url: `https://127.0.0.1/${++serial}` })).id
  const anInvitation = (role = 'member') =>
    done<{ id: string; code: string }>(owner, 'POST', '/api/account/invitations', { role })
  const anAlert = async (subject: string) => {
    const id = `chain:${subject}:${++serial}`
    await run("INSERT INTO alerts (id, kind, subject, detail, at) VALUES (?, 'chain', ?, 'A finding.', 1)", id, subject)
    return id
  }
  const one = (who: Token, path: string, body: object | null = {}): Change[] => [{ who, path, body }]

  const changes: Readonly<Record<string, () => Change[] | Promise<Change[]>>> = {
    'POST /auth/nonce': () => one(null, '/auth/nonce'),
    'POST /auth/verify': async () => {
      const known = aWallet()
      // Once as a newcomer, once as somebody who has an account.
      return [...one(null, '/auth/verify', await proof(known)), ...one(null, '/auth/verify', await proof(known))]
    },
    'POST /auth/join': async () => one(null, '/auth/join', { code: (await anInvitation()).code, ...(await proof()) }),
    'POST /auth/sign-out': async () => one(await aSession(ours, house.team.owner.address), '/auth/sign-out'),
    'POST /api/account/revoke-all': async () => one((await aRich()).token, '/api/account/revoke-all'),
    'POST /api/account/wallets': async () => one((await aRich()).token, '/api/account/wallets', await proof()),
    'DELETE /api/account/wallets/:address': async () => {
      const { payer, token, address } = await aRich()
      const member = await aWalletOf(payer.id, 'member')
      // One goes at once; of two owners one goes after two days.
      await aWalletOf(payer.id, 'owner')
      return [member.address, address].flatMap((of) => one(token, `/api/account/wallets/${of}`))
    },
    'POST /api/account/invitations': () => one(owner, '/api/account/invitations', { role: 'admin', note: 'a test' }),
    'DELETE /api/account/invitations/:id': async () => {
      const { id } = await anInvitation()
      return one(owner, `/api/account/invitations/${id}`)
    },
    'DELETE /api/account/sessions/:id': async () => {
      const { token } = await aRich()
      const { data } = await done<{ data: { id: string }[] }>(token, 'GET', '/api/account/sessions', null)
      return one(token, `/api/account/sessions/${data[0]?.id}`)
    },
    'POST /api/keys': () => one(owner, '/api/keys', { name: 'k', scopes: ['inference'], models: ['maker/chat'] }),
    'DELETE /api/keys/:id': async () => {
      const { id } = await done<{ id: string }>(owner, 'POST', '/api/keys', { name: 'gone' })
      return one(owner, `/api/keys/${id}`)
    },
    'POST /api/receipts': async () => one(null, '/api/receipts', await receipts((await aNode()).id)),
    'POST /api/disputes': async () => {
      const { token, callId } = await aRich()
      return one(token, '/api/disputes', { callId, kind: 'wrong_answer', words: 'It was another one.' })
    },
    'POST /api/reports': async () => {
      const about = { kind: 'other', words: 'It is not what it says.' }
      const node = await aNode()
      return [
        ...one(owner, '/api/reports', { about: 'model', id: 'maker/chat', ...about }),
        ...one(owner, '/api/reports', { about: 'node', id: node.id, ...about }),
      ]
    },
    'POST /api/codes/redeem': async () => {
      const { code } = await done<{ code: string }>(admin, 'POST', '/api/admin/codes', { usd: '1', reason: 'a test' })
      return one((await aRich()).token, '/api/codes/redeem', { code })
    },
    'POST /api/faucet': () => one(owner, '/api/faucet', null),
    'POST /api/withdrawals': async () => {
      const { token, address } = await aRich()
      return [
        ...one(token, '/api/withdrawals', { usd: '1', id: 'w1' }),
        ...one(token, '/api/withdrawals', { usd: '1', id: 'w2', address }),
      ]
    },
    'POST /api/webhooks': () =>
      one(owner, '/api/webhooks', { url: 'https://127.0.0.1/made', kinds: ['statement.ready'] }),
    'DELETE /api/webhooks/:id': async () => one(owner, `/api/webhooks/${await aWebhook()}`),
    'POST /api/webhooks/:id/enable': async () => one(owner, `/api/webhooks/${await aWebhook()}/enable`),
    'POST /api/webhooks/:id/test': async () => one(owner, `/api/webhooks/${await aWebhook()}/test`),
    'POST /api/webhooks/:id/deliveries/:deliveryId/replay': async () => {
      const webhook = `/api/webhooks/${await aWebhook()}`
      const { id } = await done<{ id: string }>(owner, 'POST', `${webhook}/test`)
      return one(owner, `${webhook}/deliveries/${id}/replay`)
    },
    'POST /api/models': async () => {
      await aPublished()
      const another = await publication('maker/another')
      // The same once more is the same model.
      return [...one(owner, '/api/models', another), ...one(owner, '/api/models', another)]
    },
    'POST /api/nodes': async () => {
      const node = await createFakeNode(() => Date.now())
      const [here, elsewhere] = [await registration(node), await registration(node)]
      return [here, here, elsewhere].flatMap((said) => one(owner, '/api/nodes', said))
    },
    'POST /api/nodes/:id/hello': async () => {
      const { id, privateKey } = await aNode()
      const signing = helloClaims(id, Math.floor(Date.now() / 1_000))
      return one(null, `/api/nodes/${id}/hello`, {
        proof: await signClaims(signing, privateKey, { typ: PROOF_TYP.hello }),
      })
    },
    'POST /api/nodes/:id/selftest': () => ofNode('selftest', { model: 'maker/chat' }),
    'POST /api/nodes/:id/drain': () => ofNode('drain'),
    'POST /api/nodes/:id/resume': async () => {
      const { id } = await aNode()
      await done(owner, 'POST', `/api/nodes/${id}/drain`)
      return one(owner, `/api/nodes/${id}/resume`)
    },
    'POST /api/nodes/:id/rotate': async () => {
      const node = await aNode()
      return one(owner, `/api/nodes/${node.id}/rotate`, await rotation(node))
    },
    'POST /api/nodes/:id/revoke': () => ofNode('revoke'),
    'POST /api/admin/grants': () =>
      one(admin, '/api/admin/grants', { accountId: ours, usd: '1', reason: 'a test', id: 'g1' }),
    'POST /api/admin/codes': () => one(admin, '/api/admin/codes', { usd: '1', reason: 'a test' }),
    'POST /api/admin/refunds': async () => {
      const { payer, callId } = await aRich()
      return one(admin, '/api/admin/refunds', { accountId: payer.id, callId, reason: 'a test', id: 'r1' })
    },
    'POST /api/admin/withdrawals/:id/return': async () => {
      const { id } = await aWithdrawal()
      return one(admin, `/api/admin/withdrawals/${encodeURIComponent(id)}/return`, { reason: 'no such wallet' })
    },
    'POST /api/admin/payouts': async () => {
      await aWithdrawal()
      return one(admin, '/api/admin/payouts', null)
    },
    'POST /api/admin/payouts/:batch/paid': async () => {
      const { batchId } = await aPayout()
      return one(admin, `/api/admin/payouts/${batchId}/paid`, { reference: 'tx-1' })
    },
    'POST /api/admin/alerts/:id/resolve': async () => {
      const { payer } = await aRich()
      await payer.port.freeze({ cause: 'verification', reason: 'A finding.', by: null })
      const id = await anAlert(payer.id)
      return one(admin, `/api/admin/alerts/${encodeURIComponent(id)}/resolve`, { reason: 'Looked into.' })
    },
    'POST /api/admin/ledger/rebuild': async () => {
      const { payer } = await aRich()
      return [{ accountId: payer.id }, { accountId: payer.id, wipe: true }, {}, { cursor: payer.id }].flatMap((body) =>
        one(admin, '/api/admin/ledger/rebuild', body),
      )
    },
    'POST /api/admin/nodes/:id/suspend': async () => {
      const { id } = (suspended = await aNode())
      return one(admin, `/api/admin/nodes/${id}/suspend`, { reason: 'A test.' })
    },
    'POST /api/admin/nodes/:id/reinstate': async () => {
      // While one is suspended its operator brings in no other.
      const { id } = suspended ?? (await aNode())
      if (!suspended) await done(admin, 'POST', `/api/admin/nodes/${id}/suspend`, { reason: 'A test.' })
      return one(admin, `/api/admin/nodes/${id}/reinstate`, { reason: 'It was mended.' })
    },
  }
  /** Offers of a node that is proved, so that they are probed: what goes on behind a change that carries what was seen. */
  const offersOfOne = async (): Promise<Change[]> => {
    const { id } = await aNode()
    return one(owner, `/api/nodes/${id}/offers`, { offers: [anOfferRequest(aManifest())] })
  }
  const more: typeof changes = { 'PUT /api/nodes/:id/offers': offersOfOne }
  return { changes, more }
}
