// What a node has earned stays its own: through registrations, moves, drains and the taking back of its authorisation. Nothing of it is washed away by them.
import { env, runDurableObjectAlarm } from 'cloudflare:test'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import type { NodeView } from '../../../../protocol/node.ts'
import type { CallId, NodeId } from '../../../../protocol/units.ts'
import { aReport, CHAT_MODEL, OPERATOR } from '../builders.ts'
import type { FakeNode } from '../fake-node.ts'
import { aRegistration, authorWallet } from '../market-app.ts'
import { createOperatorHouse, type OperatorHouse } from './operator-house.ts'

let house: OperatorHouse
let node: FakeNode & { id: NodeId }
beforeAll(async () => {
  house = await createOperatorHouse()
  await house.publish()
})
afterAll(() => void vi.useRealTimers())
beforeEach(async () => {
  await env.DB.batch(['nodes', 'node_keys', 'offers'].map((table) => env.DB.prepare(`DELETE FROM ${table}`)))
  node = await house.aNode()
})

const guard = () => house.needs.nodeGuards(node.id)
const copied = () => runDurableObjectAlarm(env.NODE.get(env.NODE.idFromName(node.id)))
const serve = async (times: number, over: Parameters<typeof aReport>[0] = {}) => {
  for (let n = 0; n < times; n++) {
    const callId = `call_${node.id.slice(5)}${String(n).padStart(10, '0')}` as CallId // of a call's form
    await guard().attemptEnded(aReport({ nodeId: node.id, callId, ...over }))
  }
  await copied()
}
const known = async () => {
  const columns = 'success_ppm, first_token_ms, units_per_ks, drift_ppm, busy_ppm, in_flight_cap, windows, trust_ppm'
  return (await env.DB.prepare(`SELECT ${columns} FROM offers WHERE node_id = ?`).bind(node.id).first()) ?? {}
}
/** What only others write: audits, and the guard's later copies. */
const found = async () => {
  const set = `UPDATE offers SET trust_ppm = 300000, busy_ppm = 5, in_flight_cap = 2, windows = '{}' WHERE node_id = ?`
  await env.DB.prepare(set).bind(node.id).run()
}
const stateOf = () => env.DB.prepare('SELECT state FROM nodes WHERE id = ?').bind(node.id).first('state')
const ask = (what: string) => house.send<NodeView>('POST', `/api/nodes/${node.id}/${what}`, { account: OPERATOR })
const register = async (endpoint = 'https://node.example.com') => {
  house.later(2_000)
  const wallet = authorWallet(`${OPERATOR}-operator`)
  const body = await aRegistration(node, house.now(), { operator: wallet.address, endpoint }, { wallet })
  const { status } = await house.send('POST', '/api/nodes', { account: OPERATOR, body })
  expect(status).toBe(201)
}
const back = async () => {
  await ask('revoke')
  expect(await stateOf()).toBe('revoked')
  await register()
}
const probes = () => node.calls.filter(({ path }) => path !== '/souk/challenge').length

describe.each<[string, () => Promise<void>]>([
  ['moved', () => register('https://moved.example.com')],
  ['came back from being revoked', back],
])('a node that %s', (_, change) => {
  it('answers its probes anew, and is active again when it was', async () => {
    await serve(20)
    expect(await stateOf()).toBe('active')
    const before = probes()
    await change()
    expect(probes()).toBeGreaterThan(before)
    expect(await stateOf()).toBe('active')
  })

  it('waits while it fails them', async () => {
    await serve(20)
    node.bad = { text: 'no idea' }
    await change()
    expect(await stateOf()).toBe('pending')
  })

  it('is in probation when it was, and has to serve only what was left', async () => {
    await serve(19)
    await change()
    expect(await stateOf()).toBe('probation')
    await guard().attemptEnded(aReport({ nodeId: node.id, callId: 'call_00000000000000000000000019' as CallId }))
    await copied()
    expect(await stateOf()).toBe('active')
  })

  it('keeps what is known of its offer', async () => {
    await serve(2, { driftPpm: 90_000 })
    await found()
    const before = await known()
    expect(before).toMatchObject({ success_ppm: 1_000_000, drift_ppm: 90_000, trust_ppm: 300_000, in_flight_cap: 2 })
    await change()
    expect(await known()).toEqual(before)
    // Nor does the guard's next copy know less.
    await serve(1, { modelId: CHAT_MODEL, outcome: 'cancelled', fault: 'caller', firstTokenMs: null, outputTokens: 0 })
    expect(await known()).toMatchObject({ success_ppm: 1_000_000, drift_ppm: 90_000, trust_ppm: 300_000 })
  })
})

it('a registration without a move changes neither state nor health', async () => {
  await serve(20, { driftPpm: 7 })
  await found()
  const before = await known()
  const asked = probes()
  await register()
  expect([await stateOf(), probes()]).toEqual(['active', asked])
  expect(await known()).toEqual(before)
})

it.each([
  [19, 'probation'],
  [20, 'active'],
])('a node that has served %i attempts and drained comes back %s', async (times, state) => {
  await serve(times)
  await ask('drain')
  expect(await stateOf()).toBe('draining')
  expect((await ask('resume')).body.state).toBe(state)
})
