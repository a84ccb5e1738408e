// `npm run simulate`: 10,000 seeds, or as many as its argument says, on every core; the first failing seed is told with its broken promise.
// `SEED=n npm run simulate` tells one seed's whole story. A worker gets its seeds by number and remainder, so that none waits for another.
import { fork } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { fileURLToPath } from 'node:url'
import { simulate, type Outcome } from './simulate.ts'

const SEEDS = 10_000

interface Share {
  readonly from: number
  readonly to: number
  readonly step: number
}

if (process.env.SOUK_SIMULATE_SHARE !== undefined)
  await work(JSON.parse(process.env.SOUK_SIMULATE_SHARE) as Share) // what `all` below writes
else if (process.env.SEED !== undefined) await one(Number(process.env.SEED))
else await all(Number(process.argv[2] ?? SEEDS), Number(process.env.FROM ?? 1))

async function one(seed: number): Promise<void> {
  const outcome = await simulate(seed, (line) => console.log(line))
  console.log(`seed ${seed}: ${outcome.steps} steps, ${outcome.calls} calls, log ${outcome.hash}`)
  if (outcome.violation !== null) fail(outcome)
}

async function all(seeds: number, from: number): Promise<void> {
  const startedMs = Date.now()
  const cores = availableParallelism()
  const totals = { seeds: 0, steps: 0, calls: 0, acknowledged: 0, lines: 0 }
  const tell = () => {
    const seconds = ((Date.now() - startedMs) / 1000).toFixed(0)
    const { steps, calls, acknowledged, lines } = totals
    console.log(
      `${totals.seeds}/${seeds} seeds, ${steps} steps, ${calls} calls (${acknowledged} acknowledged), ${lines} lines, ${seconds} s`,
    )
  }
  const failed: Outcome[] = []
  const workers = Array.from({ length: cores }, (_, n) => {
    const share: Share = { from: from + n, to: from + seeds - 1, step: cores }
    const env = { ...process.env, SOUK_SIMULATE_SHARE: JSON.stringify(share) }
    const worker = fork(fileURLToPath(import.meta.url), { execArgv: ['--import', 'tsx'], env })
    worker.on('message', (outcome: Outcome) => {
      totals.seeds += 1
      for (const name of ['steps', 'calls', 'acknowledged', 'lines'] as const) totals[name] += outcome[name]
      if (outcome.violation !== null) failed.push(outcome)
      if (totals.seeds % 100 === 0 && totals.seeds < seeds) tell()
      // The others stop as well: one broken promise is enough.
      if (failed.length > 0) for (const other of workers) other.kill()
    })
    return worker
  })
  const codes = await Promise.all(
    workers.map((worker) => new Promise<number | null>((resolve) => worker.once('exit', resolve))),
  )
  tell()
  const [first] = failed
  if (first) fail(first)
  else if (codes.some((code) => code !== 0)) throw new Error(`a worker ended with ${codes.join(', ')}`)
  else console.log(`every promise held in ${totals.seeds} seeds`)
}

async function work({ from, to, step }: Share): Promise<void> {
  for (let seed = from; seed <= to; seed += step) {
    const outcome = await simulate(seed)
    await new Promise<void>((resolve) => process.send?.(outcome, () => resolve()))
    if (outcome.violation !== null) break
  }
  process.disconnect()
}

function fail({ seed, violation, faults, steps }: Outcome): void {
  console.log(
    `seed ${seed} breaks a promise after ${steps} steps: ${violation}\n  faults: ${faults}\n  SEED=${seed} npm run simulate`,
  )
  process.exitCode = 1
}
