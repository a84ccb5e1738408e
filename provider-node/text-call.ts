// What chat and completions answer alike: always a stream of NodeChatEvents, counts in every event, the receipt in the last, then `[DONE]`.
// An answer that breaks off ends the connection: it never looks like a finished one. This runs on the node's main thread for every token, so
// events stay small, and what waits of several choices goes out as one piece.
import { randomInt } from 'node:crypto'
import type { Context } from 'hono'
import type { CompletionRequest } from '../protocol/openai.ts'
import type { NodeChatEvent } from '../protocol/node.ts'
import { finishCall, ownerOf, type Call } from './call.ts'
import type { TextJob, TextRun, TextStep } from './engines/engine.ts'
import { StepQueue } from './engines/step-queue.ts'
import { startTogether } from './engines/text-together.ts'
import { NODE_LIMITS } from './limits.ts'
import { NodeRefusal } from './refusal.ts'
import type { NodeEnv, ServerNeeds } from './server.ts'

/** Fields that both surfaces have. */
type Asked = Pick<CompletionRequest, 'temperature' | 'top_p' | 'top_k' | 'seed' | 'stop' | 'n'>

/**
 * What a job is of the fields that both surfaces have. Without a temperature the likeliest answer is given: our models were trained for exact
 * ones, and audits can compare it. The ticket's tokens are shared among all choices of all prompts.
 * @param outputTokens asked for of each choice
 * @throws NodeRefusal `bad_ticket` when it does not order a token for each choice
 */
export function jobOf(
  { body, ticket, model }: Pick<Call<Asked>, 'body' | 'ticket' | 'model'>,
  outputTokens: number | null | undefined,
  prompts: number,
): Omit<TextJob, 'prompt' | 'prefix' | 'logprobs' | 'isJson'> {
  const { outputTokensMax } = model.manifest
  const choices = body.n ?? 1
  const ordered = Math.floor(ticket.outputTokensMax / (choices * prompts))
  if (ordered < 1) throw new NodeRefusal('bad_ticket', 'The ticket does not order a token for each choice.')
  const stop = body.stop ?? []
  return {
    ...ownerOf(ticket),
    outputTokensMax: Math.min(outputTokens ?? outputTokensMax, outputTokensMax, ordered),
    temperature: body.temperature ?? 0,
    topP: body.top_p ?? 1,
    topK: body.top_k ?? 0,
    seed: body.seed ?? randomInt(2 ** 47),
    stop: typeof stop === 'string' ? [stop] : stop,
    choices,
  }
}

/** @throws NodeRefusal `bad_request` when several choices are to go on from one prefix */
export function checkContinuation({ prefix, choices }: Pick<TextJob, 'prefix' | 'choices'>, prompts: number): void {
  if (prefix !== '' && choices * prompts > 1) throw new NodeRefusal('bad_request', 'Only one choice can be continued.')
}

/** Computes the jobs side by side and answers with what they say. @throws EngineRefusal before the first event, for all of them or none */
export async function answerText(
  c: Context<NodeEnv>,
  needs: ServerNeeds,
  call: Call<unknown>,
  jobs: readonly TextJob[],
): Promise<Response> {
  const { engine } = call.model
  if (engine.task !== 'chat') throw new NodeRefusal('internal', 'This model has no text engine.')
  const run = await startTogether(engine, jobs, call.signal)
  // Independent of the stream: a caller who left is settled all the same.
  const receipt = settle(needs, call, run, jobs)
  const choices = jobs.reduce((sum, job) => sum + job.choices, 0)
  return c.body(answerStream(run, { choices, receipt, signal: call.signal, breakOff: c.env.caller.breakOff }), 200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
  })
}

/** @returns the receipt; settles when the engine has stopped, and is awaited by the stream only when there is one */
function settle(
  needs: ServerNeeds,
  call: Call<unknown>,
  run: TextRun,
  jobs: readonly TextJob[],
): Promise<string | null> {
  const continuedCharacters = jobs.reduce((sum, { prefix }) => sum + prefix.length, 0)
  const receipt = run.ended.then(({ texts, tokensAfterAbort, ...end }) => {
    needs.metrics.tokensAfterCancel.add({}, tokensAfterAbort)
    return finishCall(needs, call, { ...end, outputs: texts, inputTokens: run.inputTokens, continuedCharacters })
  })
  receipt.catch((cause: unknown) =>
    needs.log('error', 'receipt_failed', { cause: cause instanceof Error ? cause.name : 'unknown' }),
  )
  return receipt
}

interface AnswerNeeds {
  readonly choices: number
  readonly receipt: Promise<string | null>
  readonly signal: AbortSignal
  /** ends the connection without ending the body */
  readonly breakOff: () => void
}

function answerStream(run: TextRun, { choices, receipt, signal, breakOff }: AnswerNeeds): ReadableStream<Uint8Array> {
  const steps = waiting(run.steps)
  const encoder = new TextEncoder()
  let open = choices
  let isOver = false
  const abandon = (controller: ReadableStreamDefaultController<Uint8Array>) => {
    if (isOver) return
    isOver = true
    // In this order: what breaks off may cancel this stream at once, and a cancelled one cannot be closed.
    controller.close()
    breakOff()
  }
  return new ReadableStream<Uint8Array>({
    start(controller) {
      // A reader that has stopped reading would otherwise keep the socket.
      signal.addEventListener('abort', () => abandon(controller), { once: true })
    },
    async pull(controller) {
      const next = await steps.take(NODE_LIMITS.eventPauseMs).catch(() => null)
      if (!next) return abandon(controller)
      open -= next.filter(({ finishReason }) => finishReason !== null).length
      const isLast = open <= 0
      const events = next.flatMap((step) => eventsOf(run.inputTokens, step))
      const last = events.at(-1)
      if (isLast && last) {
        const jws = await receipt
        if (jws !== null) last.receipt = jws
      }
      if (isOver) return
      controller.enqueue(encoder.encode(events.map(encodeEvent).join('') + (isLast ? 'data: [DONE]\n\n' : '')))
      if (!isLast) return
      isOver = true
      controller.close()
    },
    cancel() {
      isOver = true
    },
  })
}

/** What the engine has said and nobody has taken. */
function waiting(steps: AsyncIterable<TextStep>): StepQueue {
  const queue = new StepQueue()
  const pump = async () => {
    for await (const step of steps) queue.push(step)
  }
  pump().then(
    () => queue.end(),
    (cause: unknown) => queue.fail(cause instanceof Error ? cause : new Error('the engine failed')),
  )
  return queue
}

/** One, or several where a slow reader has let so many log probabilities wait that one event would be too large for the gateway. */
export function eventsOf(inputTokens: number, step: TextStep): NodeChatEvent[] {
  const { choice: index, text, logprobs, outputTokens, finishReason: finish_reason } = step
  const usage = { prompt_tokens: inputTokens, completion_tokens: outputTokens }
  const events: NodeChatEvent[] = []
  let from = 0
  for (; logprobs.length - from > NODE_LIMITS.eventTokens; from += NODE_LIMITS.eventTokens) {
    const some = logprobs.slice(from, from + NODE_LIMITS.eventTokens)
    events.push({ choices: [{ index, delta: {}, logprobs: some, finish_reason: null }], usage })
  }
  const told = logprobs.length === 0 ? {} : { logprobs: from === 0 ? [...logprobs] : logprobs.slice(from) }
  const delta = text === '' ? {} : { content: text }
  events.push({ choices: [{ index, delta, ...told, finish_reason }], usage })
  return events
}

/** JSON has no line break outside its strings, and inside they are escaped: one line is one event. */
const encodeEvent = (event: NodeChatEvent): string => `data: ${JSON.stringify(event)}\n\n`
