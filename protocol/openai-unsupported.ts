// What OpenAI's surface has and this one does not, so that a refusal can say so.

/** Field names OpenAI defines and we refuse, so that the refusal can say "not supported" and not "unknown". */
export const UNSUPPORTED_FIELDS: ReadonlySet<string> = new Set([
  'tools',
  'tool_choice',
  'parallel_tool_calls',
  'functions',
  'function_call',
  'logit_bias',
  'audio',
  'modalities',
  'prediction',
  'reasoning_effort',
  'verbosity',
  'web_search_options',
  'presence_penalty',
  'frequency_penalty',
  'response_format',
  'moderation',
  'prompt_cache_options',
  'prompt_cache_retention',
  'suffix',
  'echo',
  'best_of',
  'store',
  'transforms',
  'plugins',
  'route',
  'reasoning',
  'include_reasoning',
  'structured_outputs',
  'min_p',
  'top_a',
  'repetition_penalty',
])

/** Fields of which some values are served, and what the refusal of the others says. */
export const PARTLY_SERVED: Readonly<Record<string, string>> = {
  response_format:
    'Served are {"type": "text"} and {"type": "json_object"}: describe a schema in a message, and check the answer against it.',
}
