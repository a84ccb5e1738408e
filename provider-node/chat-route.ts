// `POST /v1/chat/completions`: always a stream of NodeChatEvents, counts in every event, the receipt in the last, then `[DONE]`.
// An answer that breaks off ends the connection: it never looks like a finished one.
import { randomInt } from 'node:crypto'
import type { Handler } from 'hono'
import { ChatRequest } from '../protocol/openai.ts'
import type { NodeChatEvent } from '../protocol/node.ts'
import { encodeSse } from '../protocol/sse.ts'
import { acceptCall, finishCall, ownerOf, type Call } from './call.ts'
import type { TextJob, TextRun, TextStep } from './engines/engine.ts'
import { NodeRefusal } from './refusal.ts'
import type { NodeEnv, ServerNeeds } from './server.ts'

export function createChatRoute(needs: ServerNeeds): Handler<NodeEnv> {
  return async (c) => {
    const call = await acceptCall(c, needs, 'chat', ChatRequest)
    const { engine } = call.model
    if (engine.task !== 'chat') throw new NodeRefusal('internal', 'This model has no chat engine.')
    const run = await engine.start(chatJob(call), call.signal)
    // Independent of the stream: a caller who left is settled all the same.
    const receipt = settle(needs, call, run)
    return c.body(
      answerStream(run, receipt, call.signal, () => c.env.outgoing.destroy()),
      200,
      {
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-store',
      },
    )
  }
}

/** Without a temperature the likeliest answer is given: our models were trained for exact ones, and audits can compare it. */
export function chatJob({ body, ticket, model }: Pick<Call<ChatRequest>, 'body' | 'ticket' | 'model'>): TextJob {
  const { outputTokensMax } = model.manifest
  const asked = body.max_completion_tokens ?? body.max_tokens ?? outputTokensMax
  const stop = body.stop ?? []
  return {
    ...ownerOf(ticket),
    prompt: { kind: 'chat', messages: body.messages },
    prefix: '',
    outputTokensMax: Math.min(asked, outputTokensMax, ticket.outputTokensMax),
    temperature: body.temperature ?? 0,
    topP: body.top_p ?? 1,
    topK: body.top_k ?? 0,
    seed: body.seed ?? randomInt(2 ** 47),
    stop: typeof stop === 'string' ? [stop] : stop,
    choices: body.n ?? 1,
    logprobs: body.logprobs ? (body.top_logprobs ?? 0) : null,
    isJson: body.response_format?.type === 'json_object',
  }
}

/** @returns the receipt; settles when the engine has stopped, and is awaited by the stream only when there is one */
function settle(needs: ServerNeeds, call: Call<ChatRequest>, run: TextRun): Promise<string | null> {
  const receipt = run.ended.then(({ texts, tokensAfterAbort, ...end }) => {
    needs.metrics.tokensAfterCancel.add({}, tokensAfterAbort)
    return finishCall(needs, call, { ...end, outputs: texts, inputTokens: run.inputTokens })
  })
  receipt.catch((cause: unknown) =>
    needs.log('error', 'receipt_failed', { cause: cause instanceof Error ? cause.name : 'unknown' }),
  )
  return receipt
}

/** @param breakOff ends the connection without ending the body */
function answerStream(
  run: TextRun,
  receipt: Promise<string | null>,
  signal: AbortSignal,
  breakOff: () => void,
): ReadableStream<Uint8Array> {
  const steps = run.steps[Symbol.asyncIterator]()
  const encoder = new TextEncoder()
  let isOver = false
  const abandon = (controller: ReadableStreamDefaultController<Uint8Array>) => {
    if (isOver) return
    isOver = true
    breakOff()
    controller.close()
  }
  return new ReadableStream<Uint8Array>({
    start(controller) {
      // A reader that has stopped reading would otherwise keep the socket.
      signal.addEventListener('abort', () => abandon(controller), { once: true })
    },
    async pull(controller) {
      const next = await steps.next().catch(() => null)
      if (!next || next.done) return abandon(controller)
      const isLast = next.value.finishReason !== null
      const event = chatEvent(run.inputTokens, next.value, isLast ? await receipt : null)
      if (isOver) return
      controller.enqueue(encoder.encode(encodeSse(JSON.stringify(event)) + (isLast ? encodeSse('[DONE]') : '')))
      if (!isLast) return
      isOver = true
      controller.close()
    },
    cancel() {
      isOver = true
    },
  })
}

function chatEvent(inputTokens: number, step: TextStep, receipt: string | null): NodeChatEvent {
  return {
    choices: [
      { index: step.choice, delta: step.text === '' ? {} : { content: step.text }, finish_reason: step.finishReason },
    ],
    usage: { prompt_tokens: inputTokens, completion_tokens: step.outputTokens },
    ...(receipt === null ? {} : { receipt }),
  }
}
