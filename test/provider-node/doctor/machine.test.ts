// What is wrong with a machine or its state folder is said in one sentence, with what mends it.
import { chmod, mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DOCTOR_LIMITS } from '../../../provider-node/doctor/doctor-limits.ts'
import { checkFolder, checkNodeVersion } from '../../../provider-node/doctor/machine.ts'
import { readConfiguration, readKeys } from '../../../provider-node/doctor/setup.ts'
import { aPatient, said, surroundings, type Patient } from './builders.ts'

let patient: Patient
beforeEach(async () => {
  patient = await aPatient('https://gateway.example')
})
afterEach(async () => {
  await chmod(patient.home, 0o700).catch(() => undefined)
  await patient.remove()
})

describe('checkNodeVersion', () => {
  it.each([
    ['v20.18.0', 'ok: Node.js v20.18.0'],
    ['v22.0.0', 'ok: Node.js v22.0.0'],
    ['v20.17.9', 'wrong: Node.js v20.17.9 is too old: 20.18 is needed -> install Node.js 20 or 22 from nodejs.org'],
    ['v18.20.0', 'wrong: Node.js v18.20.0 is too old: 20.18 is needed -> install Node.js 20 or 22 from nodejs.org'],
  ])('of %s', async (nodeVersion, sentence) => {
    expect(await said(checkNodeVersion, patient.facts({ nodeVersion }))).toEqual([sentence])
  })
})

describe('checkFolder', () => {
  it('says where it is, that it is private, and how much room there is', async () => {
    expect(await said(checkFolder, patient.facts())).toEqual([`ok: ${patient.home}, private, 50.0 GB free`])
  })

  it.each([
    [DOCTOR_LIMITS.diskBytes, 'ok'],
    [DOCTOR_LIMITS.diskBytes - 1, 'wrong'],
    [0, 'wrong'],
  ])('counts a disk with %i bytes left as full below its limit', async (bytes, verdict) => {
    const [finding] = await checkFolder(
      patient.facts({ freeBytes: () => Promise.resolve(bytes) }),
      AbortSignal.timeout(1_000),
    )
    expect(finding?.verdict).toBe(verdict)
    if (verdict === 'wrong') expect(finding?.says).toContain('is full')
  })

  it('names a folder that is not there, and one that is a file', async () => {
    const away = patient.facts({ home: join(patient.home, 'away') })
    expect(await said(checkFolder, away)).toEqual([
      `wrong: there is no state folder ${away.home} -> run souk-node init --home ${away.home}`,
    ])
    const file = patient.facts({ home: join(patient.home, 'config.json') })
    expect((await said(checkFolder, file))[0]).toContain('is a file, not a folder')
  })

  it.skipIf(process.platform === 'win32')('tells that others can look into it', async () => {
    await chmod(patient.home, 0o750)
    expect(await said(checkFolder, patient.facts())).toEqual([
      `wrong: others on this machine can look into ${patient.home} -> chmod 700 ${patient.home}`,
    ])
  })

  it('leaves nothing behind of what it tries to write', async () => {
    await checkFolder(patient.facts(), AbortSignal.timeout(1_000))
    const { readdir } = await import('node:fs/promises')
    expect((await readdir(patient.home)).sort()).toEqual(['config.json', 'keys.json'])
  })

  // Who is root writes everywhere but into a file system of the kernel's.
  it.skipIf(process.platform !== 'linux')("names the system's reason when nothing can be written", async () => {
    const [sentence] = await said(checkFolder, patient.facts({ home: '/proc/self/fd', platform: 'win32' }))
    expect(sentence).toMatch(/^wrong: nothing can be written into \/proc\/self\/fd \(E[A-Z]+\) -> /)
  })
})

describe('readConfiguration', () => {
  it.each([
    ['{ "version": 1', 'is not valid JSON'],
    ['{"version":1,"name":"x"}', 'gateway'],
  ])('of %s names what is wrong', async (text, words) => {
    await writeFile(join(patient.home, 'config.json'), text)
    const { value, findings } = await readConfiguration(surroundings(patient.home))
    expect([value, findings[0]?.verdict, findings[0]?.mend]).toEqual([null, 'wrong', 'edit config.json at that field'])
    expect(findings[0]?.says).toContain(words)
  })

  it('tells who has no node yet how to make one', async () => {
    await rm(join(patient.home, 'config.json'))
    const { findings } = await readConfiguration(surroundings(patient.home))
    expect(findings[0]?.mend).toBe(`souk-node init --home ${patient.home}`)
  })
})

describe('readKeys', () => {
  it('names the key of a good file', async () => {
    const { findings } = await readKeys(surroundings(patient.home))
    expect(findings).toEqual([{ verdict: 'ok', says: `keys.json: node key ${patient.identity.nodeKey}`, mend: null }])
  })

  it('tells of damaged keys, and never quotes them', async () => {
    await writeFile(join(patient.home, 'keys.json'), '{"version":1,"nodeKey":{"d":"a-secret"', { mode: 0o600 })
    const { value, findings } = await readKeys(surroundings(patient.home))
    expect([value, findings[0]?.verdict]).toEqual([null, 'wrong'])
    expect(findings[0]?.says).toContain('is damaged')
    expect(JSON.stringify(findings)).not.toContain('a-secret')
  })

  it('tells of keys that are away, and that a new node would be another one', async () => {
    await rm(join(patient.home, 'keys.json'))
    expect((await readKeys(surroundings(patient.home))).findings[0]?.mend).toContain('put your copy of keys.json there')
  })

  it.skipIf(process.platform === 'win32')('tells of keys that others can read', async () => {
    await chmod(join(patient.home, 'keys.json'), 0o644)
    const { findings } = await readKeys(surroundings(patient.home))
    expect(findings[0]?.mend).toBe(`chmod 600 ${join(patient.home, 'keys.json')}`)
  })

  it('says so when the keys cannot be read at all', async () => {
    await rm(join(patient.home, 'keys.json'))
    await mkdir(join(patient.home, 'keys.json'), { mode: 0o700 })
    const [finding] = (await readKeys(surroundings(patient.home))).findings
    expect(finding?.verdict).toBe('wrong')
    // They may be as they should be: no advice to make new ones.
    expect([finding?.says, finding?.mend]).toEqual([
      `${join(patient.home, 'keys.json')} cannot be read (EISDIR)`,
      'is this the user who owns the state folder? else look at the disk',
    ])
  })
})
