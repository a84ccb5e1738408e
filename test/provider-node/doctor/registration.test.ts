// What the gateway says of a node becomes sentences; what it refuses to say becomes one too.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { NodeStatusView } from '../../../protocol/operator.ts'
import { checkRegistration, registrationFindings } from '../../../provider-node/doctor/registration.ts'
import { errorBody, ERRORS, type ErrorCode } from '../../../protocol/errors.ts'
import { aGateway, type FakeGateway } from '../builders.ts'
import { aPatient, NODE_ID, said, type Patient } from './builders.ts'

let gateway: FakeGateway
let patient: Patient
beforeEach(async () => {
  gateway = await aGateway()
  patient = await aPatient(gateway.url)
})
afterEach(async () => {
  await gateway.close()
  await patient.remove()
})

const NOTHING = { calls: 0, errors: 0, inputTokens: 0, outputTokens: 0, tensorBytes: 0, earned: '0' }
const aStatus = (node: Partial<NodeStatusView['node']> = {}, rest: Partial<NodeStatusView> = {}): NodeStatusView => ({
  node: {
    id: NODE_ID,
    name: 'mine',
    nodeKey: patient.identity.nodeKey,
    operatorAccountId: 'a'.repeat(16),
    endpoint: 'link',
    state: 'active',
    reason: null,
    offers: [],
    createdAt: '2026-11-21T00:00:00.000Z',
    ...node,
  },
  reasons: [],
  health: [],
  traffic: { hour: NOTHING, day: NOTHING, month: NOTHING },
  lastCallAt: null,
  prices: [],
  notices: [],
  at: '2026-11-21T00:00:00.000Z',
  ...rest,
})

const refused = (code: ErrorCode) => Response.json(errorBody(code, null), { status: ERRORS[code].status })

describe('checkRegistration', () => {
  it('asks with the key of this node, and says how it stands', async () => {
    let authorization = ''
    gateway.app.get(`/api/nodes/${NODE_ID}/status`, (c) => {
      authorization = c.req.header('authorization') ?? ''
      return c.json(aStatus())
    })
    expect(await said(checkRegistration, patient.facts())).toEqual([`ok: ${NODE_ID} is active`])
    expect(authorization).toMatch(/^SoukNode ey/)
  })

  it.each([
    ['nobody', 'the gateway knows no node with the key in keys.json'],
    [{ state: 'revoked' }, `the authorisation of ${NODE_ID} was taken back`],
    [{ replacedAt: '2026-11-20T10:00:00.000Z' }, 'the key in keys.json was exchanged for another one on 2026-11-20'],
    [{ nodeId: 'node_fedcba9876543210' }, `is that of node_fedcba9876543210, and config.json says ${NODE_ID}`],
    [{}, 'the gateway refuses what this node signs'],
    [null, 'the gateway refuses what this node signs'],
  ])('of a refused signature says what the gateway tells of the key: %j', async (known, words) => {
    gateway.app.get(`/api/nodes/${NODE_ID}/status`, () => refused('authorization_refused'))
    const view = { nodeId: NODE_ID, state: 'active', replacedAt: null }
    gateway.app.get(`/api/node-keys/${patient.identity.nodeKey}`, () => {
      if (known === null) return refused('unavailable')
      return typeof known === 'string' ? refused('not_found') : Response.json({ ...view, ...known })
    })
    const [sentence] = await said(checkRegistration, patient.facts())
    expect([sentence?.startsWith('wrong:'), sentence?.includes(words), sentence?.includes(' -> ')]).toEqual([
      true,
      true,
      true,
    ])
  })

  it('gives any other refusal in its own words', async () => {
    gateway.app.get(`/api/nodes/${NODE_ID}/status`, () => refused('rate_limited'))
    gateway.app.get(`/api/node-keys/${patient.identity.nodeKey}`, () => refused('rate_limited'))
    expect((await said(checkRegistration, patient.facts()))[0]).toContain('Too many requests. (rate_limited)')
  })

  it('tells of a gateway that does not answer, and of one it does not understand', async () => {
    gateway.app.get(`/api/nodes/${NODE_ID}/status`, (c) => c.json({ node: 'what?' }))
    expect((await said(checkRegistration, patient.facts()))[0]).toContain('-> update souk-node')
    await gateway.close()
    expect((await said(checkRegistration, patient.facts()))[0]).toContain('no connection to 127.0.0.1')
  })

  it('tells who is not registered what to do', async () => {
    const fresh = await aPatient(gateway.url, { nodeId: null })
    expect(await said(checkRegistration, fresh.facts())).toEqual([
      'wrong: this node is not registered -> souk-node register',
    ])
    await fresh.remove()
  })
})

describe('registrationFindings', () => {
  const findings = (status: NodeStatusView, fields: object = {}) => {
    const { config } = patient.facts()
    if (!config) throw new Error('no config')
    return registrationFindings(status, patient.identity.nodeKey, { ...config, ...fields })
  }

  it.each([
    ['active', 'ok'],
    ['probation', 'ok'],
    ['pending', 'wrong'],
    ['draining', 'note'],
    ['suspended', 'wrong'],
    ['revoked', 'wrong'],
  ] as const)('of a node that is %s', (state, verdict) => {
    const [finding] = findings(aStatus({ state, reason: null }))
    expect([finding?.verdict, finding?.mend === null]).toEqual([verdict, verdict === 'ok'])
  })

  it('gives the reasons of the gateway, each once, and its notices', () => {
    const status = aStatus(
      { state: 'pending', reason: 'the link is away' },
      { reasons: ['the link is away', 'souk/tiny-chat: too slow'], notices: ['souk/ocr was deprecated'] },
    )
    expect(findings(status).map(({ says }) => says)).toEqual([
      `${NODE_ID} is pending: the link is away`,
      'souk/tiny-chat: too slow',
      'souk/ocr was deprecated',
    ])
  })

  it('tells of other keys and of another address than were registered', () => {
    const says = (status: NodeStatusView, fields?: object) => findings(status, fields).map(({ says }) => says)[0]
    expect(says(aStatus({ nodeKey: 'another' }))).toContain('with another key')
    expect(says(aStatus(), { endpoint: 'https://new.example' })).toBe(
      'the gateway knows this node at link, and config.json says https://new.example',
    )
    expect(says(aStatus({ endpoint: 'https://old.example' }))).toBe(
      'the gateway knows this node at https://old.example, and config.json says link',
    )
  })
})
