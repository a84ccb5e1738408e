// Choosing an execution provider: whatever a driver does when it is tried, the node goes on, on cpu where nothing better works.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Tensor } from 'onnxruntime-node'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { chooseProvider, fastest, type ChoiceNeeds } from '../../../../provider-node/engines/onnx/provider.ts'
import { createOpenSession } from '../../../../provider-node/engines/onnx/session.ts'
import { autoThreads } from '../../../../provider-node/engines/onnx/threads.ts'
import { aModelFolder, mlp2048, type ModelFolder } from '../../graphs.ts'
import { shippedFolder } from '../../builders.ts'

/** Stands for drivers that are not in this machine: `fast` and `slow` work, `crash` and `hang` are bad ones. */
const DRIVERS = `process.once('message', async ({ candidates }) => {
  for (const { provider } of candidates) {
    if (provider === 'crash') process.abort()
    if (provider === 'hang') for (;;);
    const ms = { cpu: 10, fast: 1, slow: 20, tie: 9.5, unmeasured: null }[provider]
    await new Promise((sent) => process.send(provider === 'broken' ? { provider, cause: 'no such device' } : { provider, ms }, sent))
  }
})`

let folder: ModelFolder
let drivers: string
beforeAll(async () => {
  folder = await aModelFolder(mlp2048())
  drivers = join(folder.model.folder, 'drivers.mjs')
  await writeFile(drivers, DRIVERS)
})
afterAll(() => folder.remove())

const choose = (configured: string, listed: readonly string[], needs: Partial<ChoiceNeeds> = {}) =>
  chooseProvider({ file: 'any', configured, listed, program: drivers, optionsOf: () => ({}), ...needs })

describe('the choice among providers', () => {
  it.each<{ of: Record<string, number>; wins: string }>([
    { of: { cpu: 10, fast: 1 }, wins: 'fast' },
    { of: { cpu: 10, fast: 8.9 }, wins: 'fast' },
    { of: { cpu: 10, tie: 9 }, wins: 'cpu' },
    { of: { cpu: 10, slow: 20 }, wins: 'cpu' },
    { of: { cpu: 10 }, wins: 'cpu' },
    // What could not be measured is no reason to leave cpu.
    { of: { fast: 1 }, wins: 'cpu' },
    { of: {}, wins: 'cpu' },
  ])('is $wins of $of', ({ of, wins }) => {
    expect(fastest(of)).toBe(wins)
  })

  it('is the fastest that works, with what was measured', async () => {
    expect(await choose('auto', ['cpu', 'slow', 'fast'])).toEqual({
      provider: 'fast',
      measured: { cpu: 10, slow: 20, fast: 1 },
      unusable: [],
    })
  })

  it('is cpu when a driver crashes the process that tries it, and those behind it are tried all the same', async () => {
    const { provider, measured, unusable } = await choose('auto', ['slow', 'crash', 'broken', 'cpu'])
    expect(provider).toBe('cpu')
    expect(measured).toEqual({ slow: 20, cpu: 10 })
    expect(unusable).toEqual([
      { provider: 'crash', cause: 'it ended the process that tried it (SIGABRT)' },
      { provider: 'broken', cause: 'no such device' },
    ])
  })

  it('gives up on a driver that hangs', async () => {
    const { provider, unusable } = await choose('auto', ['hang', 'fast'], { probeMs: 1_000 })
    expect(unusable).toEqual([{ provider: 'hang', cause: 'it did not answer within 1000 ms' }])
    expect(provider).toBe('fast')
  })

  it('keeps to a configured provider that works, however slow, and measures nobody else', async () => {
    expect(await choose('slow', ['fast'])).toEqual({ provider: 'slow', measured: { slow: 20 }, unusable: [] })
    expect(await choose('unmeasured', ['fast'])).toEqual({ provider: 'unmeasured', measured: {}, unusable: [] })
  })

  it('tries nobody when cpu is configured, or all there is', async () => {
    const needs = { program: '/no/such/program' }
    expect(await choose('cpu', ['fast'], needs)).toMatchObject({ provider: 'cpu', unusable: [] })
    expect(await choose('auto', ['cpu'], needs)).toMatchObject({ provider: 'cpu', unusable: [] })
  })

  it('measures the real runtime on the real graph', async () => {
    const optionsOf = () => ({ executionProviders: ['cpu'] })
    for (const file of [join(folder.model.folder, 'model.onnx'), join(shippedFolder('tiny-chat'), 'model.onnx')]) {
      const { measured } = await chooseProvider({ file, configured: 'auto', listed: ['like-cpu'], optionsOf })
      expect(Object.keys(measured)).toEqual(['like-cpu', 'cpu'])
      for (const ms of Object.values(measured)) expect(ms).toBeGreaterThan(0)
    }
  })
})

describe('opening a session', () => {
  const file = () => join(folder.model.folder, 'model.onnx')
  const opened = async (provider: string, path = file()) => {
    const warnings: [string, Readonly<Record<string, string>>][] = []
    const open = createOpenSession({ threads: 1, provider, warn: (...warning) => warnings.push(warning) })
    const { session, ...rest } = await open(path)
    const { y } = await session.run({ x: new Tensor('float32', new Float32Array(2048), [1, 2048]) })
    await session.release()
    return { ...rest, warnings, width: y?.dims[1] }
  }

  it('falls back to cpu with one warning when nobody has the configured provider', async () => {
    const { provider, warnings, width } = await opened('nonsense')
    expect([provider, width]).toEqual(['cpu', 2048])
    expect(warnings).toEqual([
      ['provider_fallback', { provider: 'nonsense', cause: expect.stringContaining('nonsense') }],
    ])
  })

  it('says once which of the listed ones cannot be used here', async () => {
    const { warnings } = await opened('auto')
    // A machine with a working GPU has nothing to say.
    expect(warnings.length).toBeLessThanOrEqual(1)
    for (const [event, { cause }] of warnings) {
      expect(event).toBe('provider_unusable')
      expect(cause).not.toBe('')
    }
  })

  it('has no warning on cpu', async () => {
    expect(await opened('cpu')).toMatchObject({ provider: 'cpu', warnings: [], measured: {} })
  })

  it('throws when no provider can read the file', async () => {
    await expect(opened('cpu', join(folder.model.folder, 'manifest.json'))).rejects.toThrow()
  })

  it('takes what another session of the file has chosen, and tries nothing again', async () => {
    const chosen = { [file()]: { provider: 'nonsense', measured: { nonsense: 1 } } }
    const warnings: string[] = []
    const open = createOpenSession({ threads: 1, provider: 'auto', chosen, warn: (event) => warnings.push(event) })
    const { session, provider } = await open(file())
    await session.release()
    expect([provider, warnings]).toEqual(['cpu', ['provider_fallback']])
  })
})

describe('threads', () => {
  it.each([
    { cores: 1, sideBySide: 1, threads: 1 },
    { cores: 2, sideBySide: 1, threads: 2 },
    { cores: 2, sideBySide: 2, threads: 1 },
    { cores: 2, sideBySide: 3, threads: 1 },
    { cores: 16, sideBySide: 3, threads: 5 },
    { cores: 16, sideBySide: 0, threads: 16 },
  ])('are $threads of $cores cores for $sideBySide side by side', ({ cores, sideBySide, threads }) => {
    expect(autoThreads(sideBySide, cores)).toBe(threads)
  })

  it('follow the machine', () => {
    expect(autoThreads(1)).toBeGreaterThanOrEqual(1)
  })
})
