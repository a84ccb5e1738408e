// `POST /v1/completions`: text that goes on, without a template. Several prompts are computed side by side under one ticket; choice k of prompt p
// is number p × n + k. A gateway may ask to go on from a delivered answer.
import type { Handler } from 'hono'
import { Continuation } from '../protocol/node.ts'
import { CompletionRequest } from '../protocol/openai.ts'
import { acceptCall, type Call } from './call.ts'
import type { TextJob } from './engines/engine.ts'
import type { NodeEnv, ServerNeeds } from './server.ts'
import { answerText, checkContinuation, jobOf } from './text-call.ts'

const NodeCompletionRequest = CompletionRequest.extend({ continue_text: Continuation.continue_text })
type NodeCompletionRequest = ReturnType<typeof NodeCompletionRequest.parse>

export function createCompletionsRoute(needs: ServerNeeds): Handler<NodeEnv> {
  return async (c) => {
    const call = await acceptCall(c, needs, 'chat', NodeCompletionRequest)
    return answerText(c, needs, call, completionJobs(call))
  }
}

/** A job for each prompt. @throws NodeRefusal `bad_request`, `bad_ticket` */
function completionJobs(call: Call<NodeCompletionRequest>): TextJob[] {
  const { prompt, continue_text: prefix = '', max_tokens, logprobs } = call.body
  const prompts = typeof prompt === 'string' ? [prompt] : prompt
  return prompts.map((text) => {
    // Made anew for each: without a seed of the caller's, equal prompts must not get equal samples.
    const shared = jobOf(call, max_tokens, prompts.length)
    const job: TextJob = {
      ...shared,
      prompt: { kind: 'text', text },
      prefix,
      logprobs: logprobs ?? null,
      isJson: false,
    }
    checkContinuation(job, prompts.length)
    return job
  })
}
