// All checks together: in their order, each with its own end, none silent. And what an operator and a program read of them.
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { doctorCommand, runDoctor } from '../../../provider-node/cli/doctor.ts'
import { parseOptions } from '../../../provider-node/cli/options.ts'
import { backlogFindings, checkReceipts } from '../../../provider-node/doctor/receipts.ts'
import { bounded, CHECK_NAMES, runChecks } from '../../../provider-node/doctor/run-checks.ts'
import { aGateway, type FakeGateway } from '../builders.ts'
import { aPatient, said, surroundings, type Patient } from './builders.ts'

let gateway: FakeGateway
let patient: Patient
beforeEach(async () => {
  gateway = await aGateway()
  patient = await aPatient(gateway.url, { nodeId: null })
})
afterEach(async () => {
  await gateway.close()
  await patient.remove()
})

describe('bounded', () => {
  it('ends a check that hangs, and tells it to stop', async () => {
    let isStopped = false
    const hangs = (_facts: unknown, signal: AbortSignal) =>
      new Promise<never>(() => signal.addEventListener('abort', () => (isStopped = true)))
    const [finding] = await bounded(hangs, patient.facts(), 20)
    expect([finding?.verdict, finding?.says, isStopped]).toEqual(['wrong', 'it took longer than 0.02 s', true])
  })

  it('makes a finding of what nobody thought of, without its words', async () => {
    const [finding] = await bounded(() => Promise.reject(new RangeError('a secret')), patient.facts(), 1_000)
    expect(finding?.says).toBe('it failed in a way nobody thought of (RangeError)')
  })
})

describe('runChecks', () => {
  it('tells every check, in its order', async () => {
    const told = await runChecks(surroundings(patient.home), CHECK_NAMES)
    expect([...new Set(told.map(({ check }) => check))]).toEqual(CHECK_NAMES)
    expect(told.filter(({ verdict }) => verdict === 'wrong').map(({ check }) => check)).toEqual(['registration'])
  })

  it('goes on without a configuration and without keys: what needs them is skipped, not guessed', async () => {
    const told = await runChecks(surroundings(join(patient.home, 'away')), CHECK_NAMES)
    const verdicts = Object.fromEntries(told.map(({ check, verdict }) => [check, verdict]))
    expect(verdicts).toMatchObject({
      folder: 'wrong',
      config: 'wrong',
      keys: 'wrong',
      gateway: 'skipped',
      registration: 'skipped',
      link: 'skipped',
      models: 'skipped',
      receipts: 'ok',
    })
  })
})

describe('souk-node doctor', () => {
  const run = async (...args: string[]) => {
    const lines: string[] = []
    const terminal = { print: (line: string) => void lines.push(line), tell: () => undefined, env: {} }
    const options = parseOptions(doctorCommand.spec, ['--home', patient.home, ...args])
    const failure = await runDoctor(options, terminal, surroundings(patient.home)).then(
      () => null,
      (cause: unknown) => cause,
    )
    return { lines, failure }
  }

  it('says that nothing is wrong, and exits with 0', async () => {
    const { lines, failure } = await run('--check', 'folder', '--check', 'node')
    expect(lines[0]).toBe('ok     node          Node.js v20.18.0')
    expect([lines.at(-1), failure]).toEqual(['\nNothing is wrong.', null])
  })

  it('counts what is wrong, and exits with 1', async () => {
    const { lines, failure } = await run('--check', 'registration')
    expect(failure).toMatchObject({ name: 'OperatorError', message: 'one thing is wrong', exitCode: 1 })
    expect(lines.join('\n')).toContain(
      'WRONG  registration  this node is not registered\n                     -> souk-node register',
    )
  })

  it('is one JSON value for programs', async () => {
    const { lines, failure } = await run('--json', '--check', 'registration')
    const told = z.object({
      ok: z.boolean(),
      findings: z.array(
        z.object({ check: z.string(), verdict: z.string(), says: z.string(), mend: z.string().nullable() }),
      ),
    })
    expect(told.parse(JSON.parse(lines.join('')))).toMatchObject({
      ok: false,
      findings: [{ check: 'registration', verdict: 'wrong' }],
    })
    expect(failure).toMatchObject({ exitCode: 1 })
  })

  it('refuses a check that is none', async () => {
    expect((await run('--check', 'weather')).failure).toMatchObject({
      exitCode: 2,
      message: expect.stringContaining('there is no check "weather"'),
    })
  })
})

describe('receipts', () => {
  const HOUR = 3_600_000
  const backlog = { waiting: 0, oldestAt: null, rejected: 0, damaged: 0, folder: '/f' }
  it.each([
    [{}, 'ok: no receipt waits to be handed in'],
    [{ waiting: 3, oldestAt: 10 * HOUR - 1_000 }, 'ok: 3 receipts wait to be handed in'],
    [{ waiting: 1, oldestAt: 9 * HOUR }, 'ok: 1 receipt waits to be handed in'],
    [{ waiting: 1, oldestAt: 9 * HOUR - 1 }, 'wrong: 1 receipt waits since 60 min to be handed in'],
    [{ damaged: 1 }, 'note: 1 file of receipts could not be read whole; what was readable was kept and handed in'],
    [{ rejected: 2 }, 'note: 2 receipts were refused by the gateway'],
  ])('of %j', (given, expected) => {
    const [finding] = backlogFindings({ ...backlog, ...given }, 10 * HOUR)
    expect(`${finding?.verdict}: ${finding?.says}`).toBe(expected)
  })

  it('are looked for where the node keeps them', async () => {
    expect(await said(checkReceipts, patient.facts())).toEqual(['ok: no receipt waits to be handed in'])
    await mkdir(join(patient.home, 'receipts'))
    await writeFile(join(patient.home, 'receipts', 'x.damaged'), 'x')
    expect((await said(checkReceipts, patient.facts()))[0]).toMatch(/^note: 1 file of receipts/)
  })
})
