// Chat: the body a node gets, and the reading of its stream. Every event is parsed and re-made; nothing of the node's bytes is passed on.
import type { ChatRequest, FinishReason } from '../../protocol/openai.ts'
import { NODE_PATHS } from '../../protocol/node.ts'
import { LIMITS, type CallTimeouts } from '../core/limits.ts'
import type { Serve } from './attempt.ts'
import { AttemptFailure } from './failure.ts'
import { nodeChatEvents } from './node-events.ts'
import type { OrderDraft } from './order.ts'
import { inputBound, outputBound } from './quote.ts'

export interface ChatAnswer {
  readonly finishReason: FinishReason
  readonly receipt: string | null
}

export interface WholeChatAnswer extends ChatAnswer {
  readonly content: string
}

/** What a chat request orders. The prompt's bytes are those of the messages' JSON: an upper bound whatever the template does. */
export function chatDraft(request: ChatRequest): OrderDraft {
  const messages = request.messages.map(({ role, content }) => ({
    role: role === 'developer' ? 'system' : role,
    content,
  }))
  const bytes = new TextEncoder().encode(JSON.stringify(messages)).byteLength
  const asked = request.max_completion_tokens ?? request.max_tokens
  return {
    task: 'chat',
    path: NODE_PATHS.chat,
    stream: request.stream ?? false,
    most: (model) => ({
      inputTokens: inputBound(bytes, messages.length, model),
      outputTokens: outputBound(asked, model),
    }),
    bodyFor: (model, offer) =>
      JSON.stringify({
        model: model.id,
        messages,
        stream: true,
        max_tokens: Math.min(Number(outputBound(asked, model)), offer.outputTokensMax),
        ...sampling(request),
      }),
  }
}

/** Reads a node's chat stream. @param deliver gives text to the caller and waits until it was taken */
export function serveChat(
  timeouts: CallTimeouts,
  deliver: (text: string, nodeId: string) => Promise<void>,
): Serve<ChatAnswer> {
  return async (response, { offer, meter, watch, background, noteFirstOutput, reportProgress }) => {
    let finishReason: FinishReason | null = null
    let receipt: string | null = null
    for await (const event of nodeChatEvents(response, watch, background, Number(meter.order.most.outputTokens))) {
      const [choice] = event.choices
      meter.noteClaim(event.usage)
      receipt = event.receipt ?? receipt
      finishReason = choice?.finish_reason ?? finishReason
      const text = choice?.delta.content ?? ''
      if (text === '') continue
      // While the caller takes its bytes the node owes nothing: its clock stands still.
      watch.disarm()
      meter.noteOutput(text)
      noteFirstOutput()
      await watch.race(deliver(text, offer.nodeId))
      if (meter.isOverOrder) return { finishReason: 'length', receipt }
      reportProgress()
      watch.arm(timeouts.gapMs)
    }
    if (finishReason === null) throw new AttemptFailure('provider_broke_off', 'node')
    return { finishReason, receipt }
  }
}

/** For who wants the answer in one piece. Its text belongs to the attempt: of a broken one nothing is left over. */
export function serveWholeChat(timeouts: CallTimeouts): Serve<WholeChatAnswer> {
  return async (response, context) => {
    const parts: string[] = []
    let length = 0
    const collect = async (text: string) => {
      length += text.length
      if (length > LIMITS.nodeAnswerBytes)
        throw new AttemptFailure('provider_failed', 'node', { cause: new Error('more text than can be collected') })
      parts.push(text)
    }
    const answer = await serveChat(timeouts, collect)(response, context)
    return { ...answer, content: parts.join('') }
  }
}

function sampling(request: ChatRequest) {
  const { temperature, top_p, seed } = request
  const stop = typeof request.stop === 'string' ? [request.stop] : request.stop
  return Object.fromEntries(
    Object.entries({ temperature, top_p, seed, stop }).filter(([, value]) => value !== undefined && value !== null),
  )
}
