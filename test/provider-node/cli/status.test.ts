// What `souk-node status` shows of a node that is new, and of an offer that callers choose by more than its price.
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { NodeStatusView } from '../../../protocol/operator.ts'
import { aTemporaryFolder } from '../builders.ts'
import { anOperatorGateway, souk, type OperatorGateway } from './souk-node.ts'

let home = ''
let remove = () => Promise.resolve()
let gateway: OperatorGateway
beforeEach(async () => {
  const made = await aTemporaryFolder()
  remove = made.remove
  home = join(made.path, 'node')
  await souk(['init', '--home', home, '--name', 'my machine', '--model', 'tiny-chat'])
  gateway = await anOperatorGateway(home)
})
afterEach(async () => {
  await gateway.close()
  await remove()
})

const run = (...args: string[]) => souk([...args, '--home', home], { SOUK_NODE_GATEWAY: gateway.url })

describe('souk-node status', () => {
  it('shows how far a probation is, where the node stands, and how an offer did lately', async () => {
    const [chat] = gateway.status.node.offers
    if (!chat) throw new Error('no offer')
    const window = { attempts: 12, served: 10, busy: 2, firstTokenMs: null, unitsPerSecond: null }
    const measured = { firstTokenMs: { p50: 120, p75: 150, p90: 300, p99: 1_200 } }
    const d1 = { ...window, attempts: 1_500, ...measured, unitsPerSecond: { p50: 35.2, p75: 30, p90: 20, p99: 9 } }
    const known = {
      success: 0.8,
      firstTokenMs: null,
      unitsPerSecond: null,
      inFlight: 1,
      inFlightCap: 3,
      busyShare: 0.12,
    }
    const offers = [{ ...chat, assurance: 'declared' as const, parameters: null, continues: false, collectsData: null }]
    gateway.status = {
      ...gateway.status,
      node: { ...gateway.status.node, state: 'probation', region: 'EU', offers },
      health: [
        { model: chat.model, breaker: 'closed', ...known, trust: 0.4, windows: { m5: window, m30: window, d1 } },
      ],
      probation: { served: 13, attempts: 20, waitingShare: 0.5, until: '2030-01-10T00:00:00.000Z' },
    }
    const { out } = await run('status')
    for (const line of [
      'probation  13 of 20 calls served; 50 % of what it earns waits until 2030-01-10',
      'stands in  Europe',
      '  last    attempts  served  busy  begin p50 ms  p99 ms  units/s p50',
      '  5 min         12      10     2             –       –            –',
      '  day        1,500      10     2           120   1,200           35',
      '  promises   declared; fields it honours not said; keeping prompts not said',
    ])
      expect(out.split('\n')).toContain(line)
    const health = 'health 80.0 % served, 12.0 % refused as busy, trusted to 40 %, 1 under way of at most 3'
    expect(out.replace(/\s+/g, ' ')).toContain(health)
    const { status } = JSON.parse((await run('status', '--json')).out) as { status: NodeStatusView } // what it prints is what it was told
    expect(status).toMatchObject({ probation: { served: 13 }, health: [{ windows: { d1: { attempts: 1_500 } } }] })
  })

  it('shows the receipts as the gateway has them, in its own sentences', async () => {
    const words = ['Of its newest 12 calls 1 has no receipt yet: keep the node running.']
    const refused = [
      { code: 'bad_receipt' as const, count: 2 },
      { code: 'not_for_ticket' as const, count: 1 },
    ]
    gateway.status = { ...gateway.status, receipts: { calls: 12, owed: 1, late: 3, refused, words } }
    const { out } = await run('status')
    expect(out).toContain('there      of its newest 12 calls: 1 owed, 3 late; 3 refused in 30 days')
    expect(out).toContain(`Receipts:\n  - ${words[0]}`)
  })
})
