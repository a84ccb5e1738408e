// A self-test: a real call to one's own node that nobody pays, that changes nothing, and that tells no more than any caller would see.
import { env } from 'cloudflare:workers'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { OPERATOR as PACE } from '../../../../gateway/core/limits.ts'
import { createNodeBook } from '../../../../gateway/market/nodes/node-book.ts'
import { selftest } from '../../../../gateway/market/nodes/selftest.ts'
import { SelftestReply } from '../../../../protocol/operator.ts'
import type { NodeId } from '../../../../protocol/units.ts'
import { aManifest, anOfferRequest, aTensorManifest, aVectorManifest, CHAT_MODEL } from '../builders.ts'
import type { FakeNode } from '../fake-node.ts'
import { createOperatorHouse, type OperatorHouse, type Refusal } from './operator-house.ts'

let house: OperatorHouse
let node: FakeNode & { id: NodeId }
const ALL = [anOfferRequest(), anOfferRequest(aVectorManifest()), anOfferRequest(aTensorManifest())]
beforeAll(async () => {
  house = await createOperatorHouse()
  for (const manifest of [aManifest(), aVectorManifest(), aTensorManifest()]) await house.publish(manifest)
})
afterAll(() => void vi.useRealTimers())
beforeEach(async () => {
  // The operator of a suspended node brings in no other one.
  await env.DB.prepare("UPDATE nodes SET state = 'revoked' WHERE state = 'suspended'").run()
  node = await house.aNode()
})

const test = (body: object = {}) => house.byNode<SelftestReply>(node, 'POST', 'selftest', body)
const results = async (body: object = {}) => SelftestReply.parse((await test(body)).body).data
const set = (sql: string) => env.DB.prepare(`UPDATE ${sql} = ?`).bind(node.id).run()
const rows = async () => {
  const found = [`SELECT * FROM nodes WHERE id = ?`, `SELECT * FROM offers WHERE node_id = ?`].map((sql) =>
    env.DB.prepare(sql).bind(node.id),
  )
  return (await env.DB.batch(found)).map(({ results }) => results)
}

describe('a self-test', () => {
  it('calls the node for each of its models and says how it went', async () => {
    node = await house.aNode({ offers: ALL })
    expect(await results()).toEqual([
      { model: CHAT_MODEL, ok: true, ms: 0, detail: null },
      { model: 'maker/embed', ok: true, ms: 0, detail: null },
      { model: 'maker/graph', ok: true, ms: 0, detail: null },
    ])
    expect(node.calls.map(({ path }) => path)).toEqual(['/v1/chat/completions', '/v1/embeddings', '/v2/infer'])
  })

  it('calls for one model alone where one is named', async () => {
    node = await house.aNode({ offers: ALL })
    expect((await results({ model: 'maker/embed' })).map(({ model }) => model)).toEqual(['maker/embed'])
    expect(node.calls).toHaveLength(1)
  })

  it('says how long the whole answer took', async () => {
    node.bad.answer = () => {
      house.later(1_234)
      return new Response('{}', { status: 500 })
    }
    expect(await results()).toEqual([
      { model: CHAT_MODEL, ok: false, ms: 1_234, detail: 'It answered with status 500.' },
    ])
  })

  it.each<[string, (bad: FakeNode['bad']) => unknown, string]>([
    [
      'a node that cannot be reached',
      (bad) => (bad.answer = () => Promise.reject(new TypeError('refused'))),
      'reached',
    ],
    ['one that is silent', (bad) => (bad.answer = () => new Promise(() => undefined)), 'in time'],
    [
      'one that is busy',
      (bad) => (bad.answer = () => Response.json({ error: { code: 'busy' } }, { status: 503 })),
      'busy',
    ],
    ['an empty answer', (bad) => (bad.text = ''), 'empty'],
    ['a receipt by another key', (bad) => (bad.receipt = { nodeKey: 'A'.repeat(43) }), 'another ticket'],
    ['no receipt', (bad) => (bad.withoutReceipt = true), 'no receipt'],
  ])('finds %s, and says so', async (_, make, word) => {
    make(node.bad)
    const [result] = await results()
    expect(result).toMatchObject({ ok: false, detail: expect.stringContaining(word) as string })
  })
})

describe('what a self-test cannot be used for', () => {
  it('looking healthy: it writes nothing, neither when all is well nor when nothing is', async () => {
    await set(
      `offers SET state = 'pending', reason = 'Probe 1: x', success_ppm = 500000, breaker = 'open' WHERE node_id`,
    )
    await set(`nodes SET state = 'pending', reason = 'x' WHERE id`)
    const before = await rows()
    expect(await results()).toMatchObject([{ ok: true }])
    expect(await rows()).toEqual(before)
    house.later(PACE.selftestApartMs)
    node.bad.withoutReceipt = true
    expect(await results()).toMatchObject([{ ok: false }])
    expect(await rows()).toEqual(before)
  })

  it('finding the answers of probes: it asks something else, and says of no answer whether it is the known one', async () => {
    node = await house.aNode({ offers: ALL })
    node.bad = { text: 'London', vector: [1, 1, 1, 1] }
    node.bad.infer = ({ modelName, inputs }) => ({
      modelName,
      outputs: inputs.map((input) => ({
        ...input,
        data: input.data.map((byte, i) => (i === 3 && input.name === 'x' ? byte ^ 0x80 : byte)),
      })),
    })
    expect((await results()).map(({ ok }) => ok)).toEqual([true, true, true])
    const asked = node.calls.map(({ body }) => String(body)).join()
    for (const manifest of [aManifest(), aVectorManifest()])
      for (const probe of manifest.probes) if ('input' in probe) expect(asked).not.toContain(`"${probe.input}"`)
  })

  it('sending tickets to an address that is not proved: it is challenged first, and no more when that fails', async () => {
    await set(`nodes SET state = 'pending', proved_at = NULL WHERE id`)
    expect(await results()).toMatchObject([{ ok: true }])
    expect(node.calls.map(({ path }) => path)).toEqual(['/souk/challenge', '/v1/chat/completions'])
    const { proved_at: provedAt } =
      (await env.DB.prepare('SELECT proved_at FROM nodes WHERE id = ?').bind(node.id).first()) ?? {}
    expect(provedAt).toBeNull()
    house.later(PACE.selftestApartMs)
    node.calls.length = 0
    node.bad.challenge = () => Response.json({ proof: 'x' })
    expect(await results()).toMatchObject([{ ok: false, detail: expect.stringContaining('not proved') as string }])
    expect(node.calls.map(({ path }) => path)).toEqual(['/souk/challenge'])
  })

  it('calling over and over: once in ten seconds, whoever asks', async () => {
    expect((await test()).status).toBe(200)
    house.later(PACE.selftestApartMs - 1)
    const early = await test()
    expect([early.status, early.body.error?.code, early.headers.get('retry-after')]).toEqual([429, 'rate_limited', '1'])
    const path = `/api/nodes/${node.id}/selftest`
    expect((await house.send('POST', path, { account: 'aaaaaaaaaaaaaaa1', body: {} })).status).toBe(429)
    house.later(1)
    expect((await test()).status).toBe(200)
  })

  it.each(['suspended', 'revoked'])('reaching a node that is %s', async (state) => {
    await set(`nodes SET state = '${state}' WHERE id`)
    const path = `/api/nodes/${node.id}/selftest`
    const refused = await house.send<Refusal>('POST', path, { account: 'aaaaaaaaaaaaaaa1', body: {} })
    expect(refused.body.error?.code).toBe('conflict')
    expect(node.calls).toHaveLength(0)
  })

  it.each<[string, object, string]>([
    ['a model it does not offer', { model: 'maker/none' }, 'model_not_found'],
    ['one it offers no more', { model: CHAT_MODEL }, 'model_not_found'],
    ['nothing at all', {}, 'conflict'],
  ])('calling for %s', async (_, body, code) => {
    await set(`offers SET state = 'paused' WHERE node_id`)
    expect((await test(body)).body.error?.code).toBe(code)
    expect(node.calls).toHaveLength(0)
  })
})

describe('a self-test ends', () => {
  it('after eight models: the ninth is to be named', async () => {
    const manifests = Array.from({ length: 9 }, (_, n) =>
      aManifest({ id: `maker/many-${n}`, files: { 'm.onnx': String(n).repeat(64) } }),
    )
    for (const manifest of manifests) await house.publish(manifest)
    node = await house.aNode({ offers: manifests.map((manifest) => anOfferRequest(manifest)) })
    await set(`offers SET state = 'live' WHERE node_id`)
    const found = await results()
    expect(found.map(({ ok }) => ok)).toEqual([...Array<boolean>(8).fill(true), false])
    expect(found[8]?.detail).toContain('by its name')
  })

  it('at its time, whatever the node does', async () => {
    node = await house.aNode({ offers: ALL })
    await set(`offers SET state = 'live' WHERE node_id`)
    node.bad.answer = () => new Promise(() => undefined)
    const record = await createNodeBook(env.DB).find(node.id)
    if (!record) throw new Error('no record')
    const { data } = await selftest({ ...house.needs, probeMs: 60_000, selftestMs: 50 }, record, undefined)
    expect(data.map(({ detail }) => detail)).toEqual([
      'It did not answer in time.',
      expect.stringContaining('by its name'),
      expect.stringContaining('by its name'),
    ])
  })
})
