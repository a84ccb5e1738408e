// Opening a graph: on the execution provider that was configured or is fastest, else on the processor with a warning. What the runtime lists says
// nothing about drivers, so any provider but cpu is first tried in a process of its own (provider.ts).
import { env, InferenceSession } from 'onnxruntime-node'
import { chooseProvider, type Choice } from './provider.ts'

// The runtime's own lines on standard error quote what callers sent ("idx=77 must be within …"): only what ends the process may be written.
env.logLevel = 'fatal'

export interface SessionNeeds {
  /** of one graph run */
  readonly threads: number
  /** `auto`, or a provider of onnxruntime (`cpu`, `cuda`, `webgpu`, …); cpu needs no probe */
  readonly provider: string
  readonly warn: (event: string, fields: Readonly<Record<string, string>>) => void
  /** memory of a run is kept for the next one: for graphs that run hundreds of times a second in nearly the same shapes; absent: given back */
  readonly hasArena?: boolean
  /** what another session of the same files has chosen before, by file: then nothing is tried again */
  readonly chosen?: Readonly<Record<string, Choice>>
}

export interface OpenedSession {
  readonly session: InferenceSession
  readonly provider: string
  /** ms of one run per provider, as measured at load; empty when there was nothing to choose */
  readonly measured: Readonly<Record<string, number>>
}

/** @param file absolute path @param bytes to be opened in its place @throws Error when no provider can open it */
export type OpenSession = (file: string, bytes?: Uint8Array) => Promise<OpenedSession>

export function createOpenSession({
  threads,
  provider,
  warn,
  hasArena = false,
  chosen = {},
}: SessionNeeds): OpenSession {
  const create = (file: string, bytes: Uint8Array | undefined, name: string) => {
    const options = { ...sessionOptions(threads, name), enableCpuMemArena: hasArena }
    return bytes ? InferenceSession.create(bytes, options) : InferenceSession.create(file, options)
  }
  return async (file, bytes) => {
    const choice = chosen[file] ?? (await choose(file))
    const { measured } = choice
    if (choice.provider !== 'cpu') {
      try {
        return { session: await create(file, bytes, choice.provider), provider: choice.provider, measured }
      } catch (cause) {
        warn('provider_fallback', { provider: choice.provider, cause: shortly(cause) })
      }
    }
    return { session: await create(file, bytes, 'cpu'), provider: 'cpu', measured }
  }

  async function choose(file: string): Promise<Choice> {
    const { unusable, ...choice } = await chooseProvider({
      file,
      configured: provider,
      optionsOf: (name) => sessionOptions(threads, name),
    })
    const causes = unusable.map(({ provider: name, cause }) => (unusable.length > 1 ? `${name}: ${cause}` : cause))
    if (unusable.length > 0)
      warn(provider === 'auto' ? 'provider_unusable' : 'provider_fallback', {
        provider: unusable.map((each) => each.provider).join(', '),
        cause: causes.join('; '),
      })
    return choice
  }
}

/**
 * Threads that have nothing to do must not spin: on a machine shared with others that costs a factor of two to four. Without the arena, memory of a
 * large run goes back to the machine, and no figure was lower. Nothing is logged: see above.
 */
const sessionOptions = (threads: number, provider: string): InferenceSession.SessionOptions => ({
  executionProviders: [provider],
  intraOpNumThreads: threads,
  interOpNumThreads: 1,
  logSeverityLevel: 4,
  enableCpuMemArena: false,
  extra: { session: { intra_op: { allow_spinning: '0' } } },
})

const shortly = (cause: unknown): string => (cause instanceof Error ? cause.message.slice(0, 200) : 'unknown')
