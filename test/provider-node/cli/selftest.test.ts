// `souk-node selftest`: what the gateway found is told per model, and a failure is a failure of the command.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { errorBody } from '../../../protocol/errors.ts'
import type { SelftestReply } from '../../../protocol/operator.ts'
import { parseOptions } from '../../../provider-node/cli/options.ts'
import { runSelftest, selftestCommand } from '../../../provider-node/cli/selftest.ts'
import { aGateway, type FakeGateway } from '../builders.ts'
import { aPatient, NODE_ID, type Patient } from '../doctor/builders.ts'

let gateway: FakeGateway
let patient: Patient
let data: SelftestReply['data'] = []
let asked: unknown = null
beforeEach(async () => {
  gateway = await aGateway()
  patient = await aPatient(gateway.url)
  gateway.app.post(`/api/nodes/${NODE_ID}/selftest`, async (c) => {
    asked = await c.req.json()
    return c.req.header('authorization')?.startsWith('SoukNode ') ? c.json({ data }) : c.json({}, 401)
  })
})
afterEach(async () => {
  await gateway.close()
  await patient.remove()
})

async function selftest(...args: string[]) {
  const lines: string[] = []
  const terminal = { print: (line: string) => void lines.push(line), tell: () => undefined, env: {} }
  const failure = await runSelftest(
    parseOptions(selftestCommand.spec, ['--home', patient.home, ...args]),
    terminal,
  ).then(
    () => null,
    (cause: unknown) => cause,
  )
  return { lines, failure }
}
const GOOD = { model: 'souk/a', ok: true, ms: 120, detail: null }
const BAD = { model: 'souk/b', ok: false, ms: 30, detail: 'The answer was \u001b[31mwrong.' }

describe('souk-node selftest', () => {
  it('says what worked', async () => {
    data = [GOOD]
    expect(await selftest()).toEqual({ lines: ['ok      souk/a  120 ms'], failure: null })
    expect(asked).toEqual({})
  })

  it('says what failed, with nothing in it that could move a terminal, and exits with 1', async () => {
    data = [GOOD, BAD]
    const { lines, failure } = await selftest('souk/b')
    expect(asked).toEqual({ model: 'souk/b' })
    expect(lines).toEqual(['ok      souk/a  120 ms', 'FAILED  souk/b  30 ms', '        The answer was  [31mwrong.'])
    expect(failure).toMatchObject({
      exitCode: 1,
      message: '1 of 2 models failed: souk-node doctor looks for the cause on this machine',
    })
  })

  it('is one JSON value for programs', async () => {
    data = [GOOD, BAD]
    const { lines, failure } = await selftest('--json')
    expect([JSON.parse(lines.join('')), failure]).toMatchObject([{ ok: false, data: [GOOD, BAD] }, { exitCode: 1 }])
  })

  it('is not content with a node that offers nothing', async () => {
    data = []
    expect((await selftest()).failure).toMatchObject({ message: 'this node offers no model: run souk-node register' })
  })

  it('tells what the gateway refuses, and that it needs a registration', async () => {
    await patient.remove()
    const other = await aPatient(gateway.url, { nodeId: 'node_fedcba9876543210' })
    patient = other
    gateway.app.post('/api/nodes/node_fedcba9876543210/selftest', () =>
      Response.json(errorBody('rate_limited', null), { status: 429 }),
    )
    expect((await selftest()).failure).toMatchObject({
      exitCode: 1,
      message: 'the gateway refused: Too many requests. (rate_limited)',
    })
    await other.remove()
    patient = await aPatient(gateway.url, { nodeId: null })
    expect((await selftest()).failure).toMatchObject({ message: expect.stringContaining('not registered') })
  })
})
