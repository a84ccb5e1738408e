// Which server stands behind an engine, and which of a caller's wishes it is known to honour. A wish that a server would drop in silence is
// refused by name instead: another node may honour it. Told by what each says of itself in its list of models.
import type { Parameter } from '../../../protocol/routing.ts'
import type { Honours } from '../honours.ts'

/** `souk`: another node. `other`: anything that speaks the protocol as OpenAI wrote it. */
export type ServerKind = 'vllm' | 'sglang' | 'llamacpp' | 'ollama' | 'lmstudio' | 'openvino' | 'other'

/** `owned_by` of its models, as its source or its answers have it. Ollama says the name's first part, so it is asked otherwise. */
const OWNERS: Readonly<Record<string, ServerKind>> = {
  vllm: 'vllm',
  sglang: 'sglang',
  llamacpp: 'llamacpp',
  organization_owner: 'lmstudio',
  OVMS: 'openvino',
}

export const kindOfOwner = (ownedBy: string): ServerKind | null => OWNERS[ownedBy] ?? null

export interface Abilities {
  /** `top_k`, and beside it the fields that take back defaults of its own: callers are promised the model itself */
  readonly sampling: Readonly<Record<string, number>> | null
  /** how it says "all tokens" */
  readonly topKAll: number
  /** goes on behind a last message of the assistant */
  readonly continues: boolean
  /** several choices in one request */
  readonly choices: boolean
  /** `response_format: json_object` for chat, and for plain text */
  readonly json: { readonly chat: boolean; readonly text: boolean }
  /** fields it is known to honour, as its documentation and its source have it; others are sent as well, and may be dropped */
  readonly known: readonly Parameter[]
}

/** What servers were written for from the first day. */
const BASIC = ['temperature', 'top_p', 'stop'] as const

const PLAIN = {
  sampling: null,
  topKAll: 0,
  continues: false,
  choices: true,
  json: { chat: true, text: false },
  known: BASIC,
}

export const ABILITIES: Readonly<Record<ServerKind, Abilities>> = {
  // Both take defaults from the model's generation_config.json: penalties too, which change greedy answers.
  vllm: {
    sampling: { min_p: 0, repetition_penalty: 1 },
    topKAll: -1,
    continues: true,
    choices: true,
    json: { chat: true, text: true },
    known: [...BASIC, 'top_k', 'seed', 'n', 'logprobs', 'top_logprobs', 'response_format'],
  },
  // A seed only counts where it was started for repeatable answers.
  sglang: {
    sampling: { min_p: 0, repetition_penalty: 1 },
    topKAll: -1,
    continues: true,
    choices: true,
    json: { chat: true, text: true },
    known: [...BASIC, 'top_k', 'n', 'logprobs', 'top_logprobs', 'response_format'],
  },
  // Its own defaults are top_k 40 and min_p 0.05.
  llamacpp: {
    sampling: { min_p: 0, repeat_penalty: 1 },
    topKAll: 0,
    continues: true,
    choices: true,
    json: { chat: true, text: true },
    known: [...BASIC, 'top_k', 'seed', 'n', 'logprobs', 'top_logprobs', 'response_format'],
  },
  lmstudio: {
    ...PLAIN,
    sampling: { repeat_penalty: 1 },
    choices: false,
    json: { chat: false, text: false },
    known: [...BASIC, 'top_k', 'seed'],
  },
  // Drops top_k and n in silence.
  ollama: { ...PLAIN, choices: false, known: [...BASIC, 'seed', 'response_format'] },
  openvino: { ...PLAIN, sampling: {}, known: [...BASIC, 'top_k'] },
  other: PLAIN,
}

/** For text. A server that nobody knows is believed the least. */
export const honoursOfServer = (kind: ServerKind): Honours => ({
  parameters: ABILITIES[kind].known,
  continues: ABILITIES[kind].continues,
})
