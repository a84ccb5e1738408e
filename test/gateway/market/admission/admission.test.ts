import { env } from 'cloudflare:workers'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { LinkRefused } from '../../../../gateway/link/node-link.ts'
import { admit, REASON, type ReviewedOffer } from '../../../../gateway/market/admission/admission.ts'
import type { NodeView } from '../../../../protocol/node.ts'
import { challengeClaims, PROOF_TYP } from '../../../../protocol/node.ts'
import { encodeSse } from '../../../../protocol/sse.ts'
import { signClaims } from '../../../../protocol/ticket.ts'
import type { ModelId } from '../../../../protocol/units.ts'
import { anOfferRequest, aVectorManifest, CHAT_MODEL, OPERATOR } from '../builders.ts'
import { createFakeNode, newKey, type FakeNode, type Misbehaviour } from '../fake-node.ts'
import { addWallet, aRegistration, createMarketApp, type MarketApp } from '../market-app.ts'

describe('admit', () => {
  const pending = { state: 'pending', reason: REASON.unproved } as const
  const offer = (over: Partial<ReviewedOffer>): ReviewedOffer => ({
    modelId: CHAT_MODEL,
    state: 'pending',
    reason: 'x',
    probe: null,
    ...over,
  })
  const passed = { ok: true, value: null } as const
  const failed = { ok: false, code: 'probe_failed', detail: 'Probe 1: wrong.' } as const

  it('lets a node into probation with its first live offer, and says of the others why not', () => {
    const other = 'maker/other' as ModelId
    expect(admit(pending, [offer({ probe: passed }), offer({ modelId: other, probe: failed })], 0)).toEqual({
      node: { state: 'probation', reason: null },
      offers: [
        { modelId: CHAT_MODEL, state: 'live', reason: null },
        { modelId: other, state: 'pending', reason: 'Probe 1: wrong.' },
      ],
      isAdmitted: true,
    })
  })

  it.each([
    [0, 'probation'],
    [19, 'probation'],
    [20, 'active'],
    [1_000, 'active'],
  ])('lets one that has served %i attempts before into %s', (served, state) => {
    expect(admit(pending, [offer({ probe: passed })], served).node).toEqual({ state, reason: null })
  })

  it('keeps a node pending while no offer is live', () => {
    const admission = admit(pending, [offer({ probe: failed }), offer({ state: 'paused', probe: passed })], 20)
    expect(admission).toMatchObject({ node: { state: 'pending', reason: REASON.noOffer }, isAdmitted: false })
    expect(admission.offers.map(({ state }) => state)).toEqual(['pending', 'paused'])
  })

  it.each(['probation', 'active', 'draining', 'suspended'] as const)('leaves a node that is %s as it is', (state) => {
    expect(admit({ state, reason: 'y' }, [offer({ probe: passed })], 20)).toMatchObject({
      node: { state, reason: 'y' },
      isAdmitted: false,
    })
  })
})

describe('a node under review', () => {
  let app: MarketApp
  let node: FakeNode
  beforeAll(async () => {
    app = await createMarketApp()
    await addWallet()
    await app.publish()
    await app.publish(aVectorManifest())
  })
  beforeEach(async () => {
    node = await createFakeNode(app.now)
    app.connect(node)
  })
  const registered = async (bad: Misbehaviour, model = anOfferRequest()): Promise<NodeView> => {
    node.bad = bad
    const body = await aRegistration(node, app.now(), { offers: [model] })
    const { id } = (await app.send<NodeView>('POST', '/api/nodes', { account: OPERATOR, body })).body
    return app.node(id)
  }
  const endless = () => {
    let cancelled = false
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new TextEncoder().encode('x'.repeat(16_384))),
      cancel: () => void (cancelled = true),
    })
    return { response: new Response(body), isCancelled: () => cancelled }
  }
  const silent = () => new Promise<Response>(() => undefined)

  it.each<[string, () => Misbehaviour | Promise<Misbehaviour>, string]>([
    ['signs with another key', async () => ({ proofKey: (await newKey()).privateKey }), 'not signed by the node key'],
    [
      'signs another endpoint',
      () => ({
        challenge: async (request) =>
          Response.json({
            proof: await signClaims(
              challengeClaims({ ...request, endpoint: 'https://victim.example.com' }),
              node.privateKey,
              { typ: PROOF_TYP.challenge },
            ),
          }),
      }),
      'not signed by the node key',
    ],
    [
      'signs another challenge',
      () => ({
        challenge: async (request) =>
          Response.json({
            proof: await signClaims(challengeClaims({ ...request, challenge: 'A'.repeat(43) }), node.privateKey, {
              typ: PROOF_TYP.challenge,
            }),
          }),
      }),
      'not signed by the node key',
    ],
    [
      'redirects',
      () => ({
        challenge: () => new Response(null, { status: 302, headers: { location: 'https://elsewhere.example.com' } }),
      }),
      'redirect',
    ],
    ['answers with a page', () => ({ challenge: () => new Response('<html>') }), 'not JSON'],
    ['answers without a proof', () => ({ challenge: () => Response.json({}) }), 'holds no proof'],
    ['never stops answering', () => ({ challenge: () => endless().response }), 'too long'],
    ['never answers', () => ({ challenge: silent }), 'in time'],
    [
      'refuses with a code',
      () => ({ challenge: () => Response.json({ error: { code: 'draining', message: '<script>' } }, { status: 503 }) }),
      'status 503 (draining)',
    ],
    [
      'is refused by the link',
      () => ({
        challenge: () => {
          throw new LinkRefused('Its address is not public.')
        },
      }),
      'not acceptable',
    ],
    [
      'cannot be reached',
      () => ({
        challenge: () => {
          throw new TypeError('connection to 10.1.2.3 refused')
        },
      }),
      'could not be reached',
    ],
  ])('whose endpoint %s stays pending, is not probed, and its operator sees why', async (_, bad, words) => {
    const view = await registered(await bad())
    expect(view.state).toBe('pending')
    expect(view.reason).toContain(words)
    expect(view.reason).not.toMatch(/script|10\.1\.2\.3/)
    expect(node.calls.map(({ path }) => path)).toEqual(['/souk/challenge'])
  })

  it.each<[string, () => Misbehaviour | Promise<Misbehaviour>, string]>([
    ['does not know the answer', () => ({ text: 'The capital of France is Lyon.' }), 'not the known one'],
    ['says nothing', () => ({ text: '' }), 'not the known one'],
    ['gives no receipt', () => ({ withoutReceipt: true }), 'no receipt'],
    ['signs receipts with another key', async () => ({ receiptKey: (await newKey()).privateKey }), 'not signed'],
    ['gives an old receipt', () => ({ receipt: { jti: 'old' } }), 'another ticket'],
    ['names another digest', () => ({ receipt: { modelDigest: 'ee'.repeat(32) } }), 'another model or digest'],
    ['signs another request', () => ({ receipt: { request: 'ee'.repeat(32) } }), 'another request'],
    ['signs another output', () => ({ receipt: { outputs: ['ee'.repeat(32)] } }), 'does not match'],
    ['signs that it did not finish', () => ({ receipt: { outcome: 'failed' } }), 'did not finish'],
    ['signs another attempt', () => ({ receipt: { attempt: 1 } }), 'another ticket'],
    [
      'breaks off behind the right answer',
      () => ({
        answer: () =>
          new Response(encodeSse('{"choices":[{"index":0,"delta":{"content":"Paris"},"finish_reason":null}]}')),
      }),
      'broke off',
    ],
    ['signs one output more', () => ({ receipt: { outputs: [] } }), 'does not match'],
    [
      'redirects',
      () => ({ answer: () => new Response(null, { status: 301, headers: { location: 'http://10.0.0.1' } }) }),
      'redirect',
    ],
    ['never stops', () => ({ answer: () => endless().response }), 'too long'],
    ['never answers', () => ({ answer: silent }), 'in time'],
    ['stalls in its body', () => ({ answer: () => new Response(new ReadableStream()) }), 'in time'],
    ['sends no JSON', () => ({ answer: () => new Response(encodeSse('Paris')) }), 'not JSON'],
    ['sends other events', () => ({ answer: () => new Response(encodeSse('{"text":"Paris"}')) }), 'not of the wire'],
    [
      'is busy',
      () => ({ answer: () => Response.json({ error: { code: 'busy' } }, { status: 429 }) }),
      'status 429 (busy)',
    ],
    [
      'refuses the ticket',
      () => ({ answer: () => Response.json({ error: { code: 'bad_ticket' } }, { status: 401 }) }),
      'its clock is wrong, or it takes its orders from another gateway (souk-node doctor',
    ],
  ])('that %s in its probe stays pending, and its operator sees why', async (_, bad, words) => {
    const view = await registered(await bad())
    expect(view).toMatchObject({ state: 'pending', reason: REASON.noOffer })
    expect(view.offers[0]?.state).toBe('pending')
    expect(view.offers[0]?.reason).toContain('Probe 1: ')
    expect(view.offers[0]?.reason).toContain(words)
  })

  it.each<[string, Misbehaviour, string]>([
    ['too short', { vector: [1, 2, 3] }, 'one vector of 4'],
    ['too long', { vector: [1, 2, 3, 4, 5] }, 'one vector of 4'],
    ['all zeros', { vector: [0, 0, 0, 0] }, 'all zeros'],
    [
      'no numbers',
      { answer: () => Response.json({ data: [{ index: 0, embedding: [1, 2, 3, null] }] }) },
      'not of the wire',
    ],
    ['without receipt', { withoutReceipt: true }, 'no receipt'],
  ])('whose vector is %s stays pending', async (_, bad, words) => {
    expect((await registered(bad, anOfferRequest(aVectorManifest()))).offers[0]?.reason).toContain(words)
  })

  it('does not drain an endless answer', async () => {
    const { response, isCancelled } = endless()
    await registered({ answer: () => response })
    expect(isCancelled()).toBe(true)
  })

  it('gets no verdict that was reached about an endpoint it has left meanwhile', async () => {
    const view = await registered({
      answer: async () => {
        await env.DB.prepare(
          "UPDATE nodes SET endpoint = 'https://moved.example.com', proved_at = NULL WHERE node_key = ?",
        )
          .bind(node.nodeKey)
          .run()
        return Response.json({ error: { code: 'internal' } }, { status: 500 })
      },
    })
    expect(view.offers[0]?.reason).toBe(REASON.unprobed)
    expect(view.reason).toBe(REASON.unproved)
  })

  it('is let in by its hello once it behaves, without a session', async () => {
    const { id } = await registered({ text: 'no idea' })
    node.bad = {}
    app.advance(2_001)
    const said = await app.hello(id, node)
    expect(said).toMatchObject({ status: 200, body: { state: 'probation', reason: null } })
  })

  it('is let in by the cron once it behaves', async () => {
    const { id } = await registered({ challenge: () => new Response('', { status: 500 }) })
    node.bad = {}
    await env.DB.prepare("UPDATE nodes SET state = 'revoked' WHERE id <> ?").bind(id).run()
    await app.cron()
    expect(await app.node(id)).toMatchObject({ state: 'probation' })
  })

  it('goes back to pending when it says hello from an endpoint that no longer proves itself', async () => {
    const { id } = await registered({})
    node.bad = { challenge: () => new Response('', { status: 500 }) }
    app.advance(2_001)
    expect((await app.hello(id, node)).body).toMatchObject({ state: 'pending' })
    node.bad = {}
    app.advance(2_001)
    const probes = node.calls.length
    expect((await app.hello(id, node)).body).toMatchObject({ state: 'probation', offers: [{ state: 'live' }] })
    // Its offers had passed: only the endpoint had to be proved again.
    expect(node.calls.slice(probes).map(({ path }) => path)).toEqual(['/souk/challenge'])
  })

  it('is not reviewed for every hello of a chatterbox', async () => {
    const { id } = await registered({})
    app.advance(2_001)
    await app.hello(id, node)
    const calls = node.calls.length
    app.advance(1_999)
    expect((await app.hello(id, node)).status).toBe(200)
    expect(node.calls).toHaveLength(calls)
  })

  it.each([
    ['a minute old', -61],
    ['from the future', 61],
  ])('is refused a hello that is %s', async (_, seconds) => {
    const { id } = await registered({})
    const iat = Math.floor(app.now() / 1_000) + seconds
    expect((await app.hello(id, node, { iat })).body.error?.code).toBe('authorization_refused')
  })

  it('is refused a hello for another node or by another key', async () => {
    const { id } = await registered({})
    expect((await app.hello(id, node, { nodeId: 'node_0000000000000000' })).body.error?.code).toBe(
      'authorization_refused',
    )
    expect((await app.hello(id, await createFakeNode(app.now))).body.error?.code).toBe('authorization_refused')
    expect((await app.hello('node_0000000000000000', node)).status).toBe(404)
  })
})
