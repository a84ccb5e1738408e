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
    ['not_found', 'the gateway knows no node'],
    ['authorization_refused', 'refuses the signature of keys.json'],
    ['signature_refused', 'refuses the signature of keys.json'],
    ['rate_limited', 'Too many requests. (rate_limited)'],
  ] as [ErrorCode, string][])('of the refusal %s says what it may mean', async (code, words) => {
    gateway.app.get(`/api/nodes/${NODE_ID}/status`, () =>
      Response.json(errorBody(code, null), { status: ERRORS[code].status }),
    )
    const [sentence] = await said(checkRegistration, patient.facts())
    expect([sentence?.startsWith('wrong:'), sentence?.includes(words), sentence?.includes(' -> ')]).toEqual([
      true,
      true,
      true,
    ])
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
