// The gateway in local workerd: the bundle and bindings of production, with its databases and guards kept in a state folder.
// What production has and a laptop lacks is injected here and nowhere else: secrets, the local switch (SOUK_LOCAL), a clock for the crons.
import type { D1Database } from '@cloudflare/workers-types/experimental'
import { Miniflare, Log, LogLevel } from 'miniflare'
import { createWriteStream } from 'node:fs'
import { createServer } from 'node:net'
import { dirname, join, resolve } from 'node:path'
import { loadBundle } from './bundle.ts'
import { childrenRunning, claimState, isAlive, type Claim } from './claim.ts'
import { isDue } from './cron.ts'
import { errno, ExpectedFailure, oneLine } from './expected.ts'
import { migrate } from './migrate.ts'
import { CONFIG_PATH } from './root.ts'
import { loadSecrets } from './secrets.ts'
import { withoutItsHandlers } from './signals.ts'
import { staticFiles } from './static-files.ts'
import { readConfig, workerOptions, type WranglerConfig } from './wrangler-config.ts'

export interface GatewayOptions {
  /** databases, guards, secrets, logs; made when absent */
  readonly stateDir: string
  /** 0 takes a free one */
  readonly port: number
  /** variables over those of wrangler.toml, such as SOUK_ADMINS or SOUK_HOLD_DEADLINE_MS */
  readonly vars?: Readonly<Record<string, string>>
  readonly configPath?: string
  /** true: workerd listens for an inspector, on a port of its own; for measurements */
  readonly hasInspector?: boolean
}

export interface Gateway {
  /** through Miniflare's entry, at the port that was asked for */
  readonly url: string
  /** straight into workerd: for benchmarks, and where a hang-up must be seen at once */
  readonly directUrl: string
  readonly chainId: number
  readonly mf: Miniflare
  /** Resolves when workerd ended although nobody stopped it. */
  readonly died: Promise<void>
  /** Runs every cron of wrangler.toml now. */
  runCrons(): Promise<void>
  database(binding: string): Promise<D1Database>
  /** See {@link Claim.adopt}. */
  adopt(pid: number): void
  stop(): Promise<void>
}

const HOST = '127.0.0.1'
/**
 * workerd judges the address it connects to, whatever a name said when it was checked: the public internet and this machine, not the network around
 * it, where a node's name could lead later.
 */
const OUTBOUND = { network: { allow: ['public', 'local'], tlsOptions: { trustBrowserCas: true } } }
/** ms between two looks whether workerd still lives */
const WATCH_MS = 1_000

/** @throws ExpectedFailure for a port or folder in use, a broken wrangler.toml, a build or migration that fails */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const stateDir = resolve(options.stateDir)
  const configPath = options.configPath ?? CONFIG_PATH
  const config = readConfig(configPath)
  const claim = await claimState(stateDir)
  try {
    await assertFree(options.port)
    const modules = await loadBundle(configPath)
    const secrets = await loadSecrets(stateDir)
    const mf = withoutItsHandlers(
      () =>
        new Miniflare({
          host: HOST,
          port: options.port,
          ...(options.hasInspector ? { inspectorPort: 0, inspectorHost: HOST } : {}),
          // Nothing of where anybody is: `false` would make up a continent.
          cf: {},
          telemetry: { enabled: false },
          log: new Log(LogLevel.ERROR),
          handleRuntimeStdio: logTo(join(stateDir, 'gateway.log')),
          defaultPersistRoot: stateDir,
          workers: [
            {
              ...localOptions(config, configPath),
              ...assetsOf(config, configPath),
              name: config.name ?? 'souk',
              modules,
              outboundService: OUTBOUND,
              bindings: {
                ...config.vars,
                SOUK_DOMAIN: '',
                ...secrets,
                SOUK_LOCAL: '1',
                ...options.vars,
              },
              unsafeDirectSockets: [{ host: HOST, port: 0 }],
            },
          ],
        }),
    )
    return await running(mf, config, configPath, claim)
  } catch (error) {
    claim.release()
    throw error
  }
}

async function running(mf: Miniflare, config: WranglerConfig, configPath: string, claim: Claim): Promise<Gateway> {
  try {
    const url = await mf.ready
    const workerd = childrenRunning('workerd')
    workerd.forEach((pid) => claim.adopt(pid))
    await migrate(config, configPath, (binding) => mf.getD1Database(binding))
    const runCrons = (crons = config.triggers.crons ?? []) => scheduled(mf, crons)
    const timer = everyMinute(config.triggers.crons ?? [], runCrons)
    const watch = watchProcesses(workerd)
    return {
      url: url.origin,
      directUrl: (await mf.unsafeGetDirectURL()).origin,
      chainId: Number(config.vars.SOUK_CHAIN_ID),
      mf,
      died: watch.died,
      runCrons: () => runCrons(),
      database: (binding) => mf.getD1Database(binding),
      adopt: (pid) => claim.adopt(pid),
      async stop() {
        timer.stop()
        watch.stop()
        await mf.dispose()
        claim.release()
      },
    }
  } catch (error) {
    await mf.dispose()
    if (error instanceof ExpectedFailure) throw error
    throw new ExpectedFailure(
      `The gateway did not start (${oneLine(error)}): see gateway.log, or choose another SOUK_STATE.`,
    )
  }
}

/** Databases keep their local name when production gives them another id, or yesterday's balance would vanish with a deployment. */
function localOptions(config: WranglerConfig, configPath: string) {
  // static-files.ts stands in for the assets.
  const { modulesRules: _rules, assets: _assets, ...options } = workerOptions(configPath)
  const d1Databases = Object.fromEntries(config.d1_databases.map((db) => [db.binding, db.database_name ?? db.binding]))
  return { ...options, d1Databases }
}

/** The dashboard's files; none where the configuration names none. */
function assetsOf({ assets }: WranglerConfig, configPath: string) {
  if (!assets?.directory || !assets.binding) return {}
  return { serviceBindings: { [assets.binding]: staticFiles(resolve(dirname(configPath), assets.directory)) } }
}

async function scheduled(mf: Miniflare, crons: readonly string[]): Promise<void> {
  const worker = await mf.getWorker()
  for (const cron of crons) await worker.scheduled({ cron, scheduledTime: new Date() })
}

/** Runs at the start of each minute what is due; a run that is still going is not joined by another of its cron, and holds up no other cron. */
function everyMinute(crons: readonly string[], run: (crons: string[]) => Promise<void>): { stop(): void } {
  crons.forEach((cron) => isDue(cron, new Date(0)))
  let timer: NodeJS.Timeout
  const going = new Set<string>()
  const arm = () => {
    timer = setTimeout(
      () => {
        for (const cron of crons.filter((each) => isDue(each, new Date()) && !going.has(each))) {
          going.add(cron)
          run([cron])
            .catch((error: unknown) => console.error(`A cron failed: ${oneLine(error)}`))
            .finally(() => going.delete(cron))
        }
        arm()
      },
      60_000 - (Date.now() % 60_000),
    )
  }
  arm()
  return { stop: () => clearTimeout(timer) }
}

function watchProcesses(pids: readonly number[]): { died: Promise<void>; stop(): void } {
  let timer: NodeJS.Timeout
  const died = new Promise<void>((resolveDied) => {
    timer = setInterval(() => {
      if (pids.every(isAlive)) return
      clearInterval(timer)
      resolveDied()
    }, WATCH_MS)
  })
  return { died, stop: () => clearInterval(timer) }
}

async function assertFree(port: number): Promise<void> {
  if (port === 0) return
  await new Promise<void>((free, reject) => {
    const probe = createServer()
    probe.once('error', (cause) => reject(portFailure(port, errno(cause))))
    probe.listen(port, HOST, () => probe.close(() => free()))
  })
}

const portFailure = (port: number, code: string | null) =>
  new ExpectedFailure(
    code === 'EADDRINUSE'
      ? `Port ${port} is in use: stop what listens there, or choose another with SOUK_PORT (0 takes a free one).`
      : `Port ${port} cannot be opened (${code ?? 'unknown'}): choose another with SOUK_PORT (0 takes a free one).`,
  )

/** What the Worker logs goes to a file of this run, so that the screen stays readable. */
function logTo(path: string): (stdout: NodeJS.ReadableStream, stderr: NodeJS.ReadableStream) => void {
  return (stdout, stderr) => {
    const file = createWriteStream(path, { mode: 0o600 })
    stdout.pipe(file, { end: false })
    stderr.pipe(file, { end: false })
  }
}
