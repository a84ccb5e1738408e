// A request as its caller wrote it, in the forms in which its node may have got it (pure). The gateway keeps back what is about routing, prices and
// labels, always streams, draws a seed where none was given, and names the most tokens of its order where the caller named none.
import { ChatRequest, CompletionRequest, EmbeddingRequest } from '../../../../protocol/openai.ts'
import type { Ticket } from '../../../../protocol/ticket.ts'

/** OpenAI's default of the older surface */
const COMPLETION_TOKENS = 16

/** @returns bodies to be tried one after the other; empty: it is no JSON at all */
export function nodeBodies(pasted: string, ticket: Ticket, drawnSeed: number | null): readonly unknown[] {
  const json = jsonOf(pasted)
  if (json === undefined) return []
  const chat = ChatRequest.safeParse(json)
  if (chat.success) {
    const { messages, max_completion_tokens, max_tokens, top_logprobs, response_format } = chat.data
    const sent = messages.map(({ role, content }) => ({ role: role === 'developer' ? 'system' : role, content }))
    const asked = max_completion_tokens ?? max_tokens ?? null
    const body = { model: ticket.model, messages: sent, ...given({ top_logprobs, response_format }) }
    return [...variants(chat.data, ticket, drawnSeed, asked).map((rest) => ({ ...body, ...rest })), json]
  }
  const completion = CompletionRequest.safeParse(json)
  if (completion.success) {
    const { prompt, max_tokens } = completion.data
    const rests = variants(completion.data, ticket, drawnSeed, max_tokens ?? COMPLETION_TOKENS)
    return [...rests.map((rest) => ({ model: ticket.model, prompt, ...rest })), json]
  }
  const embedding = EmbeddingRequest.safeParse(json)
  if (!embedding.success) return [json]
  const { input, dimensions } = embedding.data
  return [{ model: ticket.model, input: typeof input === 'string' ? [input] : input, ...given({ dimensions }) }, json]
}

function variants(
  request: ChatRequest | CompletionRequest,
  ticket: Ticket,
  drawnSeed: number | null,
  asked: number | null,
): Record<string, unknown>[] {
  const { temperature, top_p, top_k, n, logprobs } = request
  const prompts = 'prompt' in request && Array.isArray(request.prompt) ? request.prompt.length : 1
  const ordered = Math.floor(ticket.outputTokensMax / ((n ?? 1) * prompts))
  const stop = typeof request.stop === 'string' ? [request.stop] : request.stop
  const seeds = request.seed === null || request.seed === undefined ? [drawnSeed, null] : [request.seed]
  const most = [...new Set([asked ?? ordered, ordered])]
  return seeds.flatMap((seed) =>
    most.map((max_tokens) => ({
      stream: true,
      max_tokens,
      ...given({ temperature, top_p, top_k, seed, stop, n, logprobs }),
    })),
  )
}

const given = (fields: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined && value !== null))

function jsonOf(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}
