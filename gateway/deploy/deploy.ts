// The deployment, step by step: checks, databases, secrets, migrations, upload, a look at the running gateway. Each step may be repeated;
// it stops at the first that a person must act on and says exactly what to do. The dry run does everything that needs no network.
import { readFileSync, rmSync } from 'node:fs'
import { relative } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { z } from 'zod'
import { buildBundle, readBundle } from '../local/bundle.ts'
import { ExpectedFailure } from '../local/expected.ts'
import { ROOT } from '../local/root.ts'
import { readConfig, type WranglerConfig } from '../local/wrangler-config.ts'
import { checkBundle, checkDeployment, isPlaceholder, SECRETS } from './checks.ts'
import { developmentValues } from './development-values.ts'
import { WranglerFailure, type WranglerCommand } from './wrangler-command.ts'

interface DryRunNeeds {
  readonly configPath: string
  /** where the bundle goes; emptied first */
  readonly outDir: string
  /** a development state folder whose keys must not be deployed; it may be absent */
  readonly stateDir: string
  say(text: string): void
}

export interface DeployNeeds extends DryRunNeeds {
  readonly wrangler: WranglerCommand
  readonly fetch: typeof fetch
  /** ms between two looks at the deployed gateway */
  readonly pauseMs?: number
}

/** times the deployed gateway is asked whether it is well: a new host name takes a while */
const HEALTH_TRIES = 10

/** @throws ExpectedFailure with every reason why this must not be deployed */
export async function dryRun(needs: DryRunNeeds): Promise<void> {
  const config = readConfig(needs.configPath)
  const missing = check(needs, config)
  await build(needs)
  for (const sentence of missing) needs.say(`before deploying: ${sentence}`)
  needs.say('not checked without the network: databases, secrets, migrations, /healthz')
  needs.say('The dry run passed; nothing was sent.')
}

/** @throws ExpectedFailure at the first step that a person must act on */
export async function deploy(needs: DeployNeeds): Promise<void> {
  const { say, wrangler } = needs
  const config = readConfig(needs.configPath)
  const missing = check(needs, config)
  await requireDatabases(wrangler, config)
  if (missing.length > 0) throw new ExpectedFailure(missing.join('\n'))
  await requireSecrets(wrangler)
  await build(needs)
  for (const { binding } of config.d1_databases) {
    say(`migrating ${binding} …`)
    await wrangler(['d1', 'migrations', 'apply', binding, '--remote'])
  }
  say('deploying …')
  await wrangler(['deploy'])
  const url = `https://${String(config.vars.SOUK_DOMAIN)}/healthz`
  await requireHealth(needs, url)
  say(`Deployed: ${url} is well.`)
}

/** @returns what is not filled in yet @throws ExpectedFailure for what must never be deployed */
function check(needs: DryRunNeeds, config: WranglerConfig): readonly string[] {
  const { refusals, missing } = checkDeployment({
    toml: readFileSync(needs.configPath, 'utf8'),
    vars: config.vars,
    define: config.define,
    databases: config.d1_databases.map((db) => ({ name: db.database_name ?? db.binding, id: db.database_id ?? '' })),
    developmentValues: developmentValues(needs.stateDir),
  })
  if (refusals.length > 0) throw new ExpectedFailure(refusals.join('\n'))
  return missing
}

/** The real bundle, looked through and measured. */
async function build({ configPath, outDir, stateDir, say }: DryRunNeeds): Promise<void> {
  rmSync(outDir, { recursive: true, force: true })
  await buildBundle(outDir, configPath)
  const modules = readBundle(outDir).map(({ contents }) => Buffer.from(contents))
  const faults = checkBundle(Buffer.concat(modules).toString('utf8'), developmentValues(stateDir))
  if (faults.length > 0) throw new ExpectedFailure(faults.join('\n'))
  const kib = (bytes: number) => `${(bytes / 1024).toFixed(1)} KiB`
  const raw = modules.reduce((sum, bytes) => sum + bytes.length, 0)
  const gzip = modules.reduce((sum, bytes) => sum + gzipSync(bytes).length, 0)
  say(`bundle: ${kib(raw)}, gzip ${kib(gzip)}, in ${relative(ROOT, outDir) || outDir}`)
}

const Databases = z.array(z.object({ uuid: z.string(), name: z.string() }))

/** Makes the databases that still have a placeholder, and stops there: their ids belong into wrangler.toml by the owner's hand. */
async function requireDatabases(wrangler: WranglerCommand, config: WranglerConfig): Promise<void> {
  const open = config.d1_databases.filter((db) => isPlaceholder(db.database_id ?? ''))
  if (open.length === 0) return
  const list = async () => Databases.parse(JSON.parse(await wrangler(['d1', 'list', '--json'])))
  const before = new Set((await list()).map(({ name }) => name))
  for (const { database_name: name = '' } of open) if (!before.has(name)) await wrangler(['d1', 'create', name])
  const ids = new Map((await list()).map(({ name, uuid }) => [name, uuid]))
  const lines = open.map((db) => `  ${db.binding}: database_id = "${ids.get(db.database_name ?? '') ?? 'not found'}"`)
  throw new ExpectedFailure(
    `The databases exist. Write their ids into wrangler.toml, then deploy again:\n${lines.join('\n')}`,
  )
}

const Secrets = z.array(z.object({ name: z.string() }))

async function requireSecrets(wrangler: WranglerCommand): Promise<void> {
  const text = await wrangler(['secret', 'list', '--format', 'json']).catch((error: unknown) => {
    // Before the first deployment there is no Worker yet; `secret put` makes it.
    if (error instanceof WranglerFailure && /10007|not found|does not exist/i.test(error.output)) return '[]'
    throw error
  })
  const known = new Set(Secrets.parse(JSON.parse(text)).map(({ name }) => name))
  if (known.has('SOUK_LOCAL'))
    throw new ExpectedFailure(
      'The Worker has a secret SOUK_LOCAL, which opens the faucet: run `npx wrangler secret delete SOUK_LOCAL`, then deploy again.',
    )
  const absent = Object.entries(SECRETS).filter(([name]) => !known.has(name))
  if (absent.length === 0) return
  const commands = absent.map(([, command]) => `  ${command}`)
  throw new ExpectedFailure(`Secrets are missing. Make them once, then deploy again:\n${commands.join('\n')}`)
}

const Health = z.object({ ok: z.literal(true) })

async function requireHealth(needs: DeployNeeds, url: string): Promise<void> {
  for (let tried = 0; tried < HEALTH_TRIES; tried++) {
    const reply = await needs.fetch(url, { signal: AbortSignal.timeout(10_000), redirect: 'error' }).catch(() => null)
    if (reply?.ok && Health.safeParse(await reply.json().catch(() => null)).success) return
    await sleep(needs.pauseMs ?? 3_000)
  }
  throw new ExpectedFailure(
    `It was deployed, but ${url} does not answer: does a route in wrangler.toml lead SOUK_DOMAIN to it?`,
  )
}
