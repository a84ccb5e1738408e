// Sends a request with an API key and tells what comes, as it comes. The call is the gateway's: its id, node and hold stand in the answer's head, its
// charge in the last event. What is refused, breaks off or is stopped is told as that and as nothing else.
import { z } from 'zod'
import { readEvents } from '../../../protocol/event-stream.ts'
import { SoukTrailer } from '../../../protocol/openai.ts'
import { soukErrorOf } from '../../../protocol/refusal.ts'
import { SoukError } from '../../../protocol/souk-error.ts'
import type { Asked } from './asked.ts'

/** What the head of an answer says. */
export interface Head {
  readonly callId: string | null
  readonly node: string | null
  /** dollars set aside */
  readonly hold: string | null
}

export interface Charge {
  /** dollars, exact */
  readonly cost: string
  readonly inputTokens: number | null
  readonly outputTokens: number | null
}

export type Told =
  | { readonly kind: 'head'; readonly head: Head }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'charge'; readonly charge: Charge; readonly callId: string | null; readonly node: string | null }

/** Of any of the surfaces; what they share is enough to show an answer. */
const Usage = z.object({
  prompt_tokens: z.number(),
  completion_tokens: z.number().optional(),
  cost: z.string(),
})
const Event = z.object({
  choices: z.array(
    z.object({ delta: z.object({ content: z.string().nullish() }).optional(), text: z.string().optional() }),
  ),
  usage: Usage.nullish(),
  souk: SoukTrailer.pick({ callId: true, node: true }).optional(),
})
const Vectors = z.object({
  data: z.array(z.object({ embedding: z.array(z.number()) })),
  usage: Usage,
  souk: SoukTrailer.pick({ callId: true, node: true }),
})
/** the Open Inference surface has errors of its own shape */
const OipError = z.object({ error: z.string(), code: z.string(), requestId: z.string().nullable() })

/** @throws SoukError; an AbortError when `signal` was used */
export async function send(
  asked: Asked,
  key: string,
  signal: AbortSignal,
  tell: (told: readonly Told[]) => void,
): Promise<void> {
  const response = await fetch(asked.path, {
    method: 'POST',
    headers: { ...asked.headers, authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: asked.body,
    credentials: 'omit',
    signal,
  })
  const { headers } = response
  tell([{ kind: 'head', head: headOf(headers) }])
  if (!response.ok || !response.body) throw await refusalOf(response)
  if (asked.surface === 'chat' || asked.surface === 'completion') {
    for await (const event of readEvents(response.body)) tell(toldBy(Event.parse(event)))
    return
  }
  const text = await response.text()
  if (asked.surface === 'embeddings') return tell(vectorsTold(Vectors.parse(JSON.parse(text))))
  const { callId, node } = headOf(headers)
  const charge = { cost: headers.get('x-souk-cost') ?? '', inputTokens: null, outputTokens: null }
  tell([
    { kind: 'text', text },
    { kind: 'charge', charge, callId, node },
  ])
}

const headOf = (headers: Headers): Head => ({
  callId: headers.get('x-souk-call-id'),
  node: headers.get('x-souk-node'),
  hold: headers.get('x-souk-hold'),
})

function toldBy({ choices, usage, souk }: z.infer<typeof Event>): Told[] {
  const text = choices.map(({ delta, text: words }) => delta?.content ?? words ?? '').join('')
  return [...(text === '' ? [] : [{ kind: 'text', text } as const]), ...(usage ? [chargeOf(usage, souk)] : [])]
}

function vectorsTold({ data, usage, souk }: z.infer<typeof Vectors>): Told[] {
  const lines = data.map(({ embedding }, i) => {
    const shown = embedding.slice(0, NUMBERS_SHOWN).map((each) => each.toFixed(4))
    const rest = embedding.length > NUMBERS_SHOWN ? ', …' : ''
    return `${i + 1}. ${embedding.length} numbers: [${shown.join(', ')}${rest}]`
  })
  return [{ kind: 'text', text: lines.join('\n') }, chargeOf(usage, souk)]
}

const NUMBERS_SHOWN = 8

const chargeOf = (
  { cost, prompt_tokens: inputTokens, completion_tokens: outputTokens }: z.infer<typeof Usage>,
  souk: { readonly callId: string; readonly node: string } | undefined,
): Told => ({
  kind: 'charge',
  charge: { cost, inputTokens, outputTokens: outputTokens ?? null },
  callId: souk?.callId ?? null,
  node: souk?.node ?? null,
})

async function refusalOf(response: Response): Promise<SoukError> {
  const { status } = response
  const json: unknown = await response.json().catch(() => null)
  const oip = OipError.safeParse(json)
  if (oip.success) return new SoukError(status, oip.data.code, oip.data.error, oip.data.requestId)
  const id = response.headers.get('x-request-id')
  const unreadable = () =>
    new SoukError(status, 'unreadable_reply', `The gateway answered ${status} without saying why.`, id)
  return soukErrorOf(status, json) ?? unreadable()
}

const Generation = z.object({
  data: z.object({
    usage: Usage.extend({ completion_tokens: z.number() }),
  }),
})

/** between two looks at a call that was stopped, and how often: it is settled as soon as the gateway has noticed */
const SETTLED_MS = 500
const LOOKS_MAX = 40

/** What a call that ended early was charged, once it is settled; null when nobody knows by then. */
export async function chargeAfter(callId: string, key: string, signal: AbortSignal): Promise<Charge | null> {
  for (let looks = 0; looks < LOOKS_MAX && !signal.aborted; looks++) {
    await new Promise((resolve) => setTimeout(resolve, SETTLED_MS))
    const response = await fetch(`/v1/generation?id=${encodeURIComponent(callId)}`, {
      headers: { authorization: `Bearer ${key}` },
      credentials: 'omit',
      signal,
    }).catch(() => null)
    const read = Generation.safeParse(response?.ok ? await response.json().catch(() => null) : null)
    if (!read.success) continue
    const { cost, prompt_tokens: inputTokens, completion_tokens: outputTokens } = read.data.data.usage
    return { cost, inputTokens, outputTokens }
  }
  return null
}
