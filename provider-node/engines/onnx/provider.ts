// Which execution provider a graph runs on. Each candidate opens this very graph and runs it a few times, in a process of its own: a driver that
// crashes or hangs takes that process and nothing else. Whatever cannot be used is told with its cause, and cpu serves.
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { listSupportedBackends, type InferenceSession } from 'onnxruntime-node'

export interface Choice {
  readonly provider: string
  /** ms of one run, per provider that was measured */
  readonly measured: Readonly<Record<string, number>>
}

export interface Unusable {
  readonly provider: string
  /** the runtime's own words, shortened */
  readonly cause: string
}

export interface ChoiceNeeds {
  readonly file: string
  /** `auto` or a name */
  readonly configured: string
  readonly optionsOf: (provider: string) => InferenceSession.SessionOptions
  /** candidates of `auto`; absent: what the runtime lists for this platform */
  readonly listed?: readonly string[]
  /** ms one provider may take to open the graph and to run it; absent: {@link PROBE_MS} */
  readonly probeMs?: number
  /** for tests: another program in the place of provider-probe.mjs */
  readonly program?: string
}

/** A first start of a GPU's driver takes up to half a minute; whoever needs longer would hold up the node's start. */
const PROBE_MS = 60_000
/** Faster by less than this share counts as a tie, and ties go to cpu: it needs no driver. */
const GAIN = 0.1
const CAUSE_CHARACTERS = 200

export type ProbeResult = { readonly provider: string; readonly ms: number | null } | Unusable

export async function chooseProvider(needs: ChoiceNeeds): Promise<Choice & { unusable: readonly Unusable[] }> {
  const { configured, listed = listSupportedBackends().map(({ name }) => name) } = needs
  const candidates = (configured === 'auto' ? listed : [configured]).filter((name) => name !== 'cpu')
  const results = await probeAll(needs, candidates)
  const unusable = results.filter((result) => 'cause' in result)
  const usable = results.filter((result) => 'ms' in result)
  if (usable.length === 0) return { provider: 'cpu', measured: {}, unusable }
  // The processor is measured last and only against somebody.
  if (configured === 'auto') usable.push(...(await probeAll(needs, ['cpu'])).filter((result) => 'ms' in result))
  const measured: Record<string, number> = {}
  for (const { provider, ms } of usable) if (ms !== null) measured[provider] = ms
  return { provider: configured === 'auto' ? fastest(measured) : configured, measured, unusable }
}

/** @returns cpu also when it could not be measured: then nothing says that another would be faster */
export function fastest(measured: Readonly<Record<string, number>>): string {
  const cpuMs = measured.cpu ?? 0
  const [best] = Object.entries(measured).sort(([, a], [, b]) => a - b)
  return best && best[1] < cpuMs * (1 - GAIN) ? best[0] : 'cpu'
}

/** One process for all of them; the one at which it died is unusable, and a new process goes on behind it. */
async function probeAll(needs: ChoiceNeeds, candidates: readonly string[]): Promise<ProbeResult[]> {
  const results: ProbeResult[] = []
  while (results.length < candidates.length) {
    const left = candidates.slice(results.length)
    const { seen, death } = await probeUntilDeath(needs, left)
    results.push(...seen)
    const provider = left[seen.length]
    if (provider !== undefined) results.push({ provider, cause: death })
  }
  return results
}

function probeUntilDeath(
  { file, optionsOf, probeMs = PROBE_MS, program }: ChoiceNeeds,
  candidates: readonly string[],
): Promise<{ seen: ProbeResult[]; death: string }> {
  const probe = fork(program ?? fileURLToPath(new URL('./provider-probe.mjs', import.meta.url)), [], {
    execArgv: [],
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  })
  const seen: ProbeResult[] = []
  let death: string | null = null
  const kill = () => {
    death = `it did not answer within ${probeMs} ms`
    probe.kill('SIGKILL')
  }
  let late = setTimeout(kill, probeMs)
  return new Promise((resolve) => {
    // Both ends are this program, so the type is the check.
    probe.on('message', (result: ProbeResult) => {
      seen.push('cause' in result ? { ...result, cause: shortly(result.cause) } : result)
      clearTimeout(late)
      late = setTimeout(kill, probeMs)
      if (seen.length === candidates.length) probe.kill('SIGKILL')
    })
    const end = (how: string) => {
      clearTimeout(late)
      resolve({ seen, death: death ?? how })
    }
    probe.once('error', (cause) => end(`it could not be tried: ${shortly(cause.message)}`))
    probe.once('close', (code, signal) => end(`it ended the process that tried it (${signal ?? `code ${code}`})`))
    probe.send({ file, candidates: candidates.map((provider) => ({ provider, options: optionsOf(provider) })) }, () => {
      // A process that died before it could read says so by its end.
    })
  })
}

/** The runtime's reasons begin with a place in its source and end with what is the matter. */
const shortly = (cause: string): string => cause.trim().slice(-CAUSE_CHARACTERS)
