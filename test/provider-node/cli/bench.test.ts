// `souk-node bench` on real models, for a moment: what it prints, what it writes, and when it refuses.
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { z } from 'zod'
import { benchCommand, runBench } from '../../../provider-node/cli/bench.ts'
import { parseOptions } from '../../../provider-node/cli/options.ts'
import { loadConfig } from '../../../provider-node/config.ts'
import { aGateway, type FakeGateway } from '../builders.ts'
import { aClaim, aPatient, type Patient } from '../doctor/builders.ts'

let gateway: FakeGateway
let patient: Patient
beforeEach(async () => {
  gateway = await aGateway()
  const prices = { inputPerMillion: '0.05', outputPerMillion: '0.20' }
  patient = await aPatient(gateway.url, {
    models: [
      { folder: 'tiny-chat', prices, concurrencyMax: 2 },
      { folder: 'word-vectors', prices },
      { folder: 'language-id', prices, concurrencyMax: 1 },
    ],
  })
})
afterEach(async () => {
  await gateway.close()
  await patient.remove()
})

async function bench(...args: string[]) {
  const lines: string[] = []
  const terminal = { print: (line: string) => void lines.push(line), tell: () => undefined, env: {} }
  const options = parseOptions(benchCommand.spec, ['--home', patient.home, '--seconds', '0.2', ...args])
  const failure = await runBench(options, terminal, () => new Promise(() => {})).then(
    () => null,
    (cause: unknown) => cause,
  )
  return { out: lines.join('\n'), failure }
}

describe('souk-node bench', () => {
  it('measures every kind of model, and says how to get prices', async () => {
    const { out, failure } = await bench()
    expect(failure).toBeNull()
    expect(out).toMatch(
      /souk\/tiny-chat {2}\(engine onnx, provider cpu.*\n {2}one call {3}[\d,]+ tokens\/s, the first after \d+ ms/,
    )
    expect(out).toMatch(/souk\/word-vectors .*\n {2}one call {3}[\d,]+ vectors\/s \([\d,]+ tokens\/s\)/)
    expect(out).toMatch(/souk\/language-id .*\n {2}one call {3}[\d.]+ MB\/s of tensors, [\d,]+ calls\/s/)
    expect(out).toContain('With --per-hour USD, or --power-watts W --price-per-kwh USD')
    expect(out).not.toContain('suggested')
  })

  it('suggests prices beside those of the market, and writes them when told to', async () => {
    const others = {
      inputPerMillion: '0.01',
      outputPerMillion: '0',
      cachedInputPerMillion: '0.01',
      bytesPerMillion: '0',
      perCall: '0',
    }
    gateway.app.get('/api/models/souk/word-vectors/prices', (c) =>
      c.json({
        model: 'souk/word-vectors',
        offers: 3,
        low: others,
        median: others,
        high: { ...others, inputPerMillion: '0.09' },
      }),
    )
    const { out } = await bench('word-vectors', '--power-watts', '250', '--price-per-kwh', '0.40', '--apply')
    expect(out).toMatch(
      /suggested {2}0\.\d+ per million input tokens\n {2}others ask 3 offers, from 0\.01 per million input tokens to 0\.09/,
    )
    expect(out).toContain('bring in 0.1 dollars an hour')
    const { models } = await loadConfig(patient.home, {})
    const [, vectors] = models
    expect(vectors?.prices).not.toMatchObject({ inputPerMillion: '0.05' })
    expect(out).toContain(`${vectors?.prices.inputPerMillion} per million input tokens`)
    expect(models.map(({ prices }) => prices.inputPerMillion === '0.05')).toEqual([true, false, true])
  })

  it('is one JSON value for programs', async () => {
    const { out } = await bench('word-vectors', '--json', '--per-hour', '0.5')
    const Row = z.object({
      model: z.literal('souk/word-vectors'),
      alone: z.object({ vectors: z.number().min(1) }),
      suggested: z.object({ inputPerMillion: z.string() }),
      market: z.null(),
    })
    expect(
      z.object({ models: z.array(Row).length(1), applied: z.literal(false) }).safeParse(JSON.parse(out)).error,
    ).toBeUndefined()
  })

  it('does not measure beside a running node unless told to', async () => {
    await writeFile(join(patient.home, 'running.json'), JSON.stringify(aClaim()))
    expect((await bench('word-vectors')).failure).toMatchObject({
      exitCode: 1,
      message: expect.stringContaining('a node runs on this state folder'),
    })
    expect((await bench('word-vectors', '--force')).failure).toBeNull()
  })

  it.each([
    [['--apply'], 2, '--apply needs --per-hour'],
    [['--power-watts', '250'], 2, 'belong together'],
    [['--per-hour', '1e3'], 2, 'costs are decimal numbers above 0'],
    [['--per-hour', '0'], 2, 'costs are decimal numbers above 0'],
    [['some-model'], 1, 'there is no model some-model in config.json: there are souk/tiny-chat, souk/word-vectors'],
  ])('refuses %j in one sentence', async (args, exitCode, words) => {
    const before = await readFile(join(patient.home, 'config.json'), 'utf8')
    expect((await bench(...args)).failure).toMatchObject({ exitCode, message: expect.stringContaining(words) })
    expect(await readFile(join(patient.home, 'config.json'), 'utf8')).toBe(before)
  })
})
