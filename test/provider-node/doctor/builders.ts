// A machine for the doctor to look at: a real state folder with real keys, and whatever a test wants to be wrong with it.
import { writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { join } from 'node:path'
import type { Claim } from '../../../provider-node/claim.ts'
import { loadConfig } from '../../../provider-node/config.ts'
import type { Check, Facts, Surroundings } from '../../../provider-node/doctor/facts.ts'
import { createIdentity, type Identity } from '../../../provider-node/identity.ts'
import { aTemporaryFolder } from '../builders.ts'

export const NODE_ID = 'node_0123456789abcdef'

export interface Patient {
  readonly home: string
  readonly identity: Identity
  readonly facts: (overrides?: Partial<Facts>) => Facts
  remove(): Promise<void>
}

/** Of a healthy machine. */
export const surroundings = (home: string, overrides: Partial<Surroundings> = {}): Surroundings => ({
  home,
  env: {},
  now: Date.now,
  platform: 'linux',
  nodeVersion: 'v20.18.0',
  memoryBytes: 16e9,
  freeBytes: () => Promise.resolve(50e9),
  isDeep: false,
  fetch,
  ...overrides,
})

/** @param fields of config.json, over those of a registered node that is reached by its link */
export async function aPatient(gateway: string, fields: object = {}): Promise<Patient> {
  const { path: home, remove } = await aTemporaryFolder()
  const identity = await createIdentity(home)
  const config = {
    version: 1,
    name: 'mine',
    gateway,
    endpoint: null,
    host: '127.0.0.1',
    port: null,
    nodeId: NODE_ID,
    models: [{ folder: 'word-vectors', prices: { inputPerMillion: '0.01', outputPerMillion: '0' } }],
    ...fields,
  }
  await writeFile(join(home, 'config.json'), JSON.stringify(config))
  const loaded = await loadConfig(home, {})
  const facts = (overrides: Partial<Facts> = {}): Facts => ({
    ...surroundings(home),
    config: loaded,
    identity,
    ...overrides,
  })
  return { home, identity, facts, remove }
}

/** `wrong: sentence -> how to mend it`, one line per finding. */
export async function said(check: Check, facts: Facts): Promise<string[]> {
  const findings = await check(facts, AbortSignal.timeout(30_000))
  return findings.map(({ verdict, says, mend }) => `${verdict}: ${says}${mend === null ? '' : ` -> ${mend}`}`)
}

/** The note of a running node: of the process that started this one, which lives as long. */
export const aClaim = (overrides: Partial<Claim> = {}): Claim => ({
  pid: process.ppid,
  host: hostname(),
  startedAt: '2026-11-21T12:00:00.000Z',
  url: null,
  link: null,
  ...overrides,
})
