// An answer as its caller pastes it (pure): the JSON of the API, the events of a stream, or the plain text. What of it a node hashes are the texts,
// vectors or tensors, in their order.
import { z } from 'zod'
import { utf8ToBytes } from '../../../../protocol/canonical.ts'
import { vectorBytes } from '../../../../protocol/receipt.ts'
import { SseDecoder } from '../../../../protocol/sse.ts'
import { tensorOutputsOf } from './pasted-tensors.ts'

export interface PastedAnswer {
  /** one per choice: text, or the bytes of a vector or tensor */
  readonly outputs: readonly (string | Uint8Array)[]
  /** drawn by the gateway, as its answer says; null: it says none */
  readonly seed: number | null
}

const Souk = z.object({ seed: z.number().optional() }).optional()
const Text = z.object({
  souk: Souk,
  choices: z
    .array(
      z.object({
        index: z.number().int().min(0).default(0),
        text: z.string().optional(),
        message: z.object({ content: z.string().nullish() }).optional(),
        delta: z.object({ content: z.string().nullish() }).optional(),
      }),
    )
    .default([]),
})
const Vectors = z.object({
  data: z.array(z.object({ index: z.number().int(), embedding: z.union([z.array(z.number()), z.base64()]) })).min(1),
})

export function readAnswer(pasted: string): PastedAnswer {
  const tensors = tensorOutputsOf(pasted)
  if (tensors !== null) return { outputs: tensors, seed: null }
  const json = jsonOf(pasted)
  const vectors = Vectors.safeParse(json)
  if (vectors.success) {
    const sorted = vectors.data.data.toSorted((a, b) => a.index - b.index)
    return { outputs: sorted.map(({ embedding }) => bytesOf(embedding)), seed: null }
  }
  const events = json === undefined ? eventsOf(pasted) : [json]
  const parts = events.flatMap((event) => Text.safeParse(event).data ?? [])
  if (parts.length === 0) return { outputs: [pasted], seed: null }
  const texts = new Map<number, string>()
  for (const { index, text, message, delta } of parts.flatMap(({ choices }) => choices))
    texts.set(index, (texts.get(index) ?? '') + (text ?? message?.content ?? delta?.content ?? ''))
  const inOrder = [...texts].sort(([a], [b]) => a - b)
  return { outputs: inOrder.map(([, text]) => text), seed: parts.flatMap(({ souk }) => souk?.seed ?? []).at(0) ?? null }
}

const bytesOf = (embedding: readonly number[] | string): Uint8Array =>
  typeof embedding === 'string'
    ? Uint8Array.from(atob(embedding), (char) => char.charCodeAt(0))
    : vectorBytes(embedding)

function jsonOf(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}

/** Of a stream as a terminal shows it; none when it is no stream. */
function eventsOf(text: string): unknown[] {
  if (!/^\s*(data:|:)/.test(text)) return []
  try {
    return new SseDecoder().push(utf8ToBytes(`${text.trimStart()}\n\n`)).flatMap(({ data }) => jsonOf(data) ?? [])
  } catch {
    return []
  }
}
