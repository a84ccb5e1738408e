// Runs the checks: first what everything else stands on, then the others side by side, each with its own end. Whatever happens, a check says something
// and all of them together are done within half a minute (hashing large models is the one exception, and only when it was asked for).
import { setTimeout as wait } from 'node:timers/promises'
import { DOCTOR_LIMITS } from './doctor-limits.ts'
import type { Check, Facts, Surroundings } from './facts.ts'
import { wrong, type Finding } from './finding.ts'
import { checkGateway } from './gateway.ts'
import { checkLink } from './link.ts'
import { checkFolder, checkNodeVersion } from './machine.ts'
import { checkModels } from './models.ts'
import { checkPort } from './port.ts'
import { checkProcess } from './process.ts'
import { checkProviders } from './providers.ts'
import { checkReceipts } from './receipts.ts'
import { checkRegistration } from './registration.ts'
import { readConfiguration, readKeys } from './setup.ts'
import { checkUpstreams } from './upstreams.ts'

interface Line {
  readonly run: Check
  readonly timeoutMs: number
}

const { checkMs, gatewayMs, slowMs } = DOCTOR_LIMITS

/** In the order they are told. `config` and `keys` are read for all of them. */
const CHECKS = {
  node: { run: checkNodeVersion, timeoutMs: checkMs },
  folder: { run: checkFolder, timeoutMs: checkMs },
  config: { run: () => Promise.resolve([]), timeoutMs: checkMs },
  keys: { run: () => Promise.resolve([]), timeoutMs: checkMs },
  process: { run: checkProcess, timeoutMs: checkMs },
  gateway: { run: checkGateway, timeoutMs: gatewayMs },
  registration: { run: checkRegistration, timeoutMs: gatewayMs },
  link: { run: checkLink, timeoutMs: gatewayMs },
  port: { run: checkPort, timeoutMs: checkMs },
  models: { run: checkModels, timeoutMs: slowMs },
  providers: { run: checkProviders, timeoutMs: slowMs },
  upstreams: { run: checkUpstreams, timeoutMs: slowMs },
  receipts: { run: checkReceipts, timeoutMs: checkMs },
} as const satisfies Record<string, Line>

export type CheckName = keyof typeof CHECKS
export const CHECK_NAMES = Object.keys(CHECKS).filter((name): name is CheckName => Object.hasOwn(CHECKS, name))

export interface Told extends Finding {
  readonly check: CheckName
}

/** @param wanted in any order; told in their own */
export async function runChecks(given: Surroundings, wanted: readonly CheckName[]): Promise<Told[]> {
  const [config, keys] = await Promise.all([
    within(checkMs, () => readConfiguration(given), UNREAD),
    within(checkMs, () => readKeys(given), UNREAD),
  ])
  const facts: Facts = { ...given, config: config.value, identity: keys.value }
  const told = await Promise.all(
    CHECK_NAMES.filter((name) => wanted.includes(name)).map(async (check) => {
      if (check === 'config' || check === 'keys') return named(check, (check === 'config' ? config : keys).findings)
      const { run, timeoutMs } = CHECKS[check]
      const isUnbounded = check === 'models' && given.isDeep
      return named(check, await bounded(run, facts, isUnbounded ? null : timeoutMs))
    }),
  )
  return told.flat()
}

const named = (check: CheckName, findings: readonly Finding[]): Told[] =>
  findings.map((finding) => ({ check, ...finding }))

/** A check that takes too long, or fails in a way nobody thought of, is a finding like any other. */
export async function bounded(run: Check, facts: Facts, timeoutMs: number | null): Promise<readonly Finding[]> {
  const over = new AbortController()
  const looked = run(facts, over.signal).catch((cause: unknown) => [
    wrong(
      `it failed in a way nobody thought of (${nameOf(cause)})`,
      'please report this with what souk-node doctor --json says',
    ),
  ])
  if (timeoutMs === null) return looked
  return within(timeoutMs, () => looked, [
    wrong(
      `it took longer than ${timeoutMs / 1_000} s`,
      'look at this machine: is it overloaded, or its disk or network stuck?',
    ),
  ]).finally(() => over.abort())
}

async function within<T>(timeoutMs: number, run: () => Promise<T>, late: T): Promise<T> {
  const over = new AbortController()
  const timer = wait(timeoutMs, late, { signal: over.signal }).catch(() => late)
  return Promise.race([run(), timer]).finally(() => over.abort())
}

const UNREAD = {
  value: null,
  findings: [wrong('it could not be read within 5 s', 'look at the disk of the state folder: it does not answer')],
}

const nameOf = (cause: unknown): string => (cause instanceof Error ? cause.name : 'unknown')
