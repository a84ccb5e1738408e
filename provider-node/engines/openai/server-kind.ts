// Which server stands behind an engine, and which of a caller's wishes it is known to honour. A wish that a server would drop in silence is
// refused by name instead: another node may honour it. Told by what each says of itself in its list of models.

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
}

const PLAIN = { sampling: null, topKAll: 0, continues: false, choices: true, json: { chat: true, text: false } }

export const ABILITIES: Readonly<Record<ServerKind, Abilities>> = {
  // Both take defaults from the model's generation_config.json: penalties too, which change greedy answers.
  vllm: {
    sampling: { min_p: 0, repetition_penalty: 1 },
    topKAll: -1,
    continues: true,
    choices: true,
    json: { chat: true, text: true },
  },
  sglang: {
    sampling: { min_p: 0, repetition_penalty: 1 },
    topKAll: -1,
    continues: true,
    choices: true,
    json: { chat: true, text: true },
  },
  // Its own defaults are top_k 40 and min_p 0.05.
  llamacpp: {
    sampling: { min_p: 0, repeat_penalty: 1 },
    topKAll: 0,
    continues: true,
    choices: true,
    json: { chat: true, text: true },
  },
  lmstudio: { ...PLAIN, sampling: { repeat_penalty: 1 }, choices: false, json: { chat: false, text: false } },
  // Drops top_k and n in silence.
  ollama: { ...PLAIN, choices: false },
  openvino: { ...PLAIN, sampling: {} },
  other: PLAIN,
}
