// `souk-node earnings`: what it asks the gateway, what it prints on a narrow terminal and for programs, and what it refuses.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { sha256Hex } from '../../../protocol/canonical.ts'
import { importPublicKey } from '../../../protocol/keys.ts'
import { NODE_REQUEST_TYP, NodeRequestClaims, type EarningView } from '../../../protocol/operator.ts'
import { verifyClaims } from '../../../protocol/ticket.ts'
import { earningsCommand, runEarnings } from '../../../provider-node/cli/earnings.ts'
import { helpText, parseOptions } from '../../../provider-node/cli/options.ts'
import { OperatorError } from '../../../provider-node/operator-error.ts'
import { openDisk } from '../../../provider-node/receipts/disk.ts'
import { createHistory, historyFolder, type Own } from '../../../provider-node/receipts/history.ts'
import { aGateway, type FakeGateway } from '../builders.ts'
import { aPatient, NODE_ID, type Patient } from '../doctor/builders.ts'

const NOW = Date.parse('2026-01-15T18:00:00Z')
const NOON = Date.parse('2026-01-15T12:00:00Z')

let gateway: FakeGateway
let patient: Patient
/** pages the gateway answers with, and the queries it was asked */
let pages: EarningView[][]
let asked: URLSearchParams[]
beforeEach(async () => {
  gateway = await aGateway()
  patient = await aPatient(gateway.url)
  pages = [[]]
  asked = []
  gateway.app.get('/api/nodes/:id/earnings', async (c) => {
    const { pathname, search, searchParams } = new URL(c.req.url)
    asked.push(searchParams)
    const jws = (c.req.header('authorization') ?? '').replace(/^SoukNode /, '')
    const key = await importPublicKey(patient.identity.nodeKey)
    const claims = await verifyClaims(jws, NODE_REQUEST_TYP, NodeRequestClaims, () => Promise.resolve(key))
    const expected = { nodeId: NODE_ID, method: 'GET', path: `${pathname}${search}`, bodySha256: sha256Hex('') }
    expect(claims).toMatchObject({ ok: true, value: expected })
    const index = Number(searchParams.get('cursor') ?? 0)
    return c.json({ data: pages[index], nextCursor: index + 1 < pages.length ? String(index + 1) : null })
  })
})
afterEach(async () => {
  await gateway.close()
  await patient.remove()
})

const anOwn = (index: number, over: Partial<Own> = {}): Own => ({
  jti: `jti-${index}`,
  callId: `call_${String(index).padStart(26, '0')}`,
  attempt: 0,
  model: 'souk/word-vectors',
  inputTokens: 1_234,
  outputTokens: 0,
  tensorBytes: 0,
  outcome: 'complete',
  expected: '1234',
  at: NOON,
  state: 'taken',
  ...over,
})
const aPaid = (index: number, over: Partial<EarningView> = {}): EarningView => ({
  callId: `call_${String(index).padStart(26, '0')}`,
  attempt: 0,
  model: 'souk/word-vectors',
  inputTokens: 1_234,
  outputTokens: 0,
  tensorBytes: 0,
  charged: '0.000001234',
  earned: '0.000001111',
  at: new Date(NOON).toISOString(),
  ...over,
})

const worked = (...own: Own[]) => createHistory(openDisk(historyFolder(patient.home)), () => undefined).add(own)

async function earnings(...args: string[]) {
  const lines: string[] = []
  const terminal = { print: (line: string) => void lines.push(line), tell: () => undefined, env: {} }
  await runEarnings(parseOptions(earningsCommand.spec, ['--home', patient.home, ...args]), terminal, () => NOW)
  return lines.join('\n')
}

describe('souk-node earnings', () => {
  it('shows calls, units and dollars by day and model, and explains each difference with its calls', async () => {
    await worked(
      ...Array.from({ length: 8 }, (_, index) => anOwn(index)),
      anOwn(8, { model: 'souk/ocr', inputTokens: 0, tensorBytes: 640_000, expected: '99', outcome: 'cancelled' }),
      anOwn(9, { at: NOW - 60_000 }),
      anOwn(10, { outcome: 'failed', expected: '0' }),
    )
    pages = [[aPaid(0), aPaid(1, { charged: '0.000001000' })], [aPaid(77)]]
    const out = await earnings('--from', '2026-01-15')
    expect(out.split('\n')).toEqual([
      `mine (${NODE_ID}), 2026-01-15 (UTC), in US dollars`,
      '',
      '2026-01-15',
      '  souk/ocr',
      '    calls    served 1                    paid 0',
      '    bytes    claimed 640,000             paid 0',
      '    dollars  expected 0.000000099        charged 0.000000000',
      '                                         earned 0.000000000',
      '  souk/word-vectors',
      '    calls    served 9                    paid 3, failed here 1',
      '    tokens   claimed 12,340 + 0          paid 3,702 + 0',
      '    dollars  expected 0.000011106        charged 0.000003468',
      '                                         earned 0.000003333',
      '',
      'Together',
      '    calls    served 10                   paid 3, failed here 1',
      '    tokens   claimed 12,340 + 0          paid 3,702 + 0',
      '    bytes    claimed 640,000             paid 0',
      '    dollars  expected 0.000011205        charged 0.000003468',
      '                                         earned 0.000003333',
      '',
      'Differences',
      '  1 call, expected 0.000001234',
      '    Not settled yet: younger than 15 minutes.',
      '      call_00000000000000000000000009',
      '  6 calls, expected 0.000007404',
      '    Not paid: probes, self-tests and checks of the gateway look like every other',
      '    call and nobody pays for them; so does a call that broke off on its way to',
      '    its consumer.',
      ...[2, 3, 4, 5, 6].map((index) => `      call_0000000000000000000000000${index}`),
      '      and 1 more: see --json',
      '  1 call, expected 0.000000099',
      '    Not paid: the caller left before anything had reached the gateway.',
      '      call_00000000000000000000000008',
      '  1 call, expected 0.000001234, charged 0.000001000',
      '    Charged less than claimed: only what reached the gateway counts, up to what',
      '    was ordered, and a caller who left pays what had come until then.',
      '      call_00000000000000000000000001',
      '  1 call, charged 0.000001234',
      '    Paid, but there is no receipt here: it was lost with a disk, is older than',
      '    the history, or another machine has this key.',
      '      call_00000000000000000000000077',
    ])
    for (const line of out.split('\n')) expect(line.length).toBeLessThanOrEqual(80)
  })

  it('asks for a week with today, a day more on both sides, and every page', async () => {
    pages = [[aPaid(0)], [aPaid(1)], [aPaid(2)]]
    const out = JSON.parse(await earnings('--json')) as { from: string; to: string; total: { paid: number } }
    expect(out).toMatchObject({ nodeId: NODE_ID, from: '2026-01-09', to: '2026-01-15', total: { paid: 3 } })
    expect(asked.map((query) => [query.get('from'), query.get('to'), query.get('cursor')])).toEqual([
      ['2026-01-08T00:00:00.000Z', '2026-01-17T00:00:00.000Z', null],
      ['2026-01-08T00:00:00.000Z', '2026-01-17T00:00:00.000Z', '1'],
      ['2026-01-08T00:00:00.000Z', '2026-01-17T00:00:00.000Z', '2'],
    ])
  })

  it('says so when everything was paid as claimed, and when there was nothing', async () => {
    expect(await earnings()).toContain('This node served nothing in these days, and was paid nothing.')
    await worked(anOwn(0))
    pages = [[aPaid(0)]]
    expect(await earnings()).toMatch(/\nNo differences: everything this node did was paid as its receipts say\.$/)
  })

  it('prints one JSON value with every call of every difference', async () => {
    await worked(...Array.from({ length: 12 }, (_, index) => anOwn(index)))
    const out = JSON.parse(await earnings('--json')) as { differences: { kind: string; calls: unknown[] }[] }
    expect(out.differences.map(({ kind, calls }) => [kind, calls.length])).toEqual([['unpaid', 12]])
  })

  it.each([
    [['--from', '2026-13-01'], '--from is no day like 2026-01-31'],
    [['--to', '2026-02-31'], '--to is no day like 2026-01-31'],
    [['--from', 'yesterday'], '--from is no day like 2026-01-31'],
    [['--from', '2026-01-15', '--to', '2026-01-14'], '--from 2026-01-15 is after --to 2026-01-14'],
  ])('%j is not understood', async (args, sentence) => {
    const refusal = await earnings(...args).catch((cause: unknown) => cause)
    expect(refusal).toMatchObject({ exitCode: 2, message: `${sentence}: see souk-node earnings --help` })
  })

  it('needs a registered node', async () => {
    await patient.remove()
    patient = await aPatient(gateway.url, { nodeId: null })
    await expect(earnings()).rejects.toThrow('souk-node register')
  })

  it('says in one sentence that the gateway does not answer, or refuses', async () => {
    await gateway.close()
    await expect(earnings()).rejects.toThrow(
      new OperatorError(`the gateway ${gateway.url} does not answer (ECONNREFUSED)`),
    )
    gateway = await aGateway()
    await patient.remove()
    patient = await aPatient(gateway.url)
    const error = { code: 'authorization_refused', message: 'No.', type: 'x', param: null, requestId: null }
    gateway.app.get('/api/nodes/:id/earnings', (c) => c.json({ error }, 422))
    await expect(earnings()).rejects.toThrow('the gateway refused: No. (authorization_refused)')
  })

  it('explains itself', () => {
    const help = helpText(earningsCommand.spec, 'summary')
    for (const word of ['--from DAY', '--to DAY', '--json', 'probes and self-tests are not paid'])
      expect(help.replace(/\s+/g, ' ')).toContain(word)
  })
})
