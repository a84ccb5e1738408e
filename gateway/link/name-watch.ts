// Names that change their answer after their node was registered (DNS rebinding). A Worker cannot pin the address it checked, but it can look again:
// while calls go to a name it is looked up every half minute, and a name that has come to lead to an address that is not public gets no more of them.
// What is known of a name belongs to this isolate.
import { checkResolved, type EndpointPolicy, type Resolve } from './endpoint-guard.ts'

export const NAME_WATCH = {
  /** ms for which a look is good: a name is used for one address now and another one then only as fast as that */
  freshMs: 30_000,
  /** ms a call waits for the first look of this isolate; afterwards the registration's look stands until the next one */
  firstMs: 500,
  /** ms between two looks, whatever came of the first: its request may be over, and took it along */
  lookMs: 5_000,
  /** names remembered; the oldest leave */
  namesMax: 10_000,
} as const

interface Known {
  /** null: nothing was found against it */
  refusal: string | null
  /** when the last look came back with an answer, and when the last one began */
  lookedAt: number
  beganAt: number
}

/** Why nothing may be sent there now; null: it may. */
export type JudgeName = (endpoint: URL) => Promise<string | null>

export interface NameWatchNeeds {
  readonly resolve: Resolve
  readonly policy: EndpointPolicy
  /** ms since the Unix epoch */
  readonly clock: () => number
}

/** Only an answer counts against a name: a resolver that is away stops no node that passed at its registration. */
export function createNameWatch({ resolve, policy, clock }: NameWatchNeeds): JudgeName {
  const names = new Map<string, Known>()
  const look = async (endpoint: URL, known: Known): Promise<void> => {
    let isAnswered = false
    const checked = await checkResolved(endpoint, policy, async (name) => {
      const answers = await resolve(name)
      isAnswered = answers.length > 0
      return answers
    })
    if (!checked.ok && !isAnswered) return
    known.refusal = checked.ok ? null : (checked.detail ?? 'It is not acceptable.')
    known.lookedAt = clock()
  }
  return async (endpoint) => {
    const { hostname } = endpoint
    const known = names.get(hostname) ?? { refusal: null, lookedAt: LONG_AGO, beganAt: LONG_AGO }
    keep(names, hostname, known)
    const now = clock()
    if (now - known.lookedAt < NAME_WATCH.freshMs || now - known.beganAt < NAME_WATCH.lookMs) return known.refusal
    known.beganAt = now
    const looking = look(endpoint, known)
    if (known.lookedAt === LONG_AGO) await atMost(looking, NAME_WATCH.firstMs)
    return known.refusal
  }
}

const LONG_AGO = Number.NEGATIVE_INFINITY

function keep(names: Map<string, Known>, hostname: string, known: Known): void {
  if (!names.has(hostname) && names.size >= NAME_WATCH.namesMax) {
    for (const oldest of names.keys()) {
      names.delete(oldest)
      break
    }
  }
  names.set(hostname, known)
}

async function atMost(work: Promise<void>, ms: number): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)))
  try {
    await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
