// `POST /v1/chat/completions`: a dialogue, by the model's template. A gateway may ask to go on with the assistant's last message.
import type { Handler } from 'hono'
import { Continuation } from '../protocol/node.ts'
import { ChatRequest } from '../protocol/openai.ts'
import { acceptCall, type Call } from './call.ts'
import type { TextJob } from './engines/engine.ts'
import { NodeRefusal } from './refusal.ts'
import type { NodeEnv, ServerNeeds } from './server.ts'
import { answerText, checkContinuation, jobOf } from './text-call.ts'

const NodeChatRequest = ChatRequest.extend({ continue_final_message: Continuation.continue_final_message })
type NodeChatRequest = ReturnType<typeof NodeChatRequest.parse>

export function createChatRoute(needs: ServerNeeds): Handler<NodeEnv> {
  return async (c) => {
    const call = await acceptCall(c, needs, 'chat', NodeChatRequest)
    return answerText(c, needs, call, [chatJob(call)])
  }
}

/** @throws NodeRefusal `bad_request`, `bad_ticket` */
function chatJob(call: Call<NodeChatRequest>): TextJob {
  const { body } = call
  const job: TextJob = {
    ...jobOf(call, body.max_completion_tokens ?? body.max_tokens, 1),
    ...dialogueOf(body),
    logprobs: body.logprobs ? (body.top_logprobs ?? 0) : null,
    isJson: body.response_format?.type === 'json_object',
  }
  checkContinuation(job, 1)
  return job
}

function dialogueOf({ messages, continue_final_message }: NodeChatRequest): Pick<TextJob, 'prompt' | 'prefix'> {
  if (!continue_final_message) return { prompt: { kind: 'chat', messages }, prefix: '' }
  const last = messages.at(-1)
  if (last?.role !== 'assistant')
    throw new NodeRefusal('bad_request', 'The last message is not by the assistant: there is nothing to continue.')
  return { prompt: { kind: 'chat', messages: messages.slice(0, -1) }, prefix: last.content }
}
