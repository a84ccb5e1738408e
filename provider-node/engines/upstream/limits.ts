// Ceilings of the engines that stand before another server. The gateway waits for this node as long as design.md says; whoever computes for it
// gets no longer, so that a server that hangs is noticed here first and by its own name.
export const UPSTREAM_LIMITS = {
  /** ms until a connection stands: the server is on this machine or near it, and the gateway waits 10 s for our head */
  connectMs: 5_000,
  /** ms from the request to the first output, and so many more per token of the input: reading a prompt takes time */
  firstOutputMs: 20_000,
  firstOutputMsPerToken: 2,
  /** ms between two pieces of an answer */
  gapMs: 20_000,
  /** ms for the usage and the end of a stream whose choices are all finished; without them its chunks are counted */
  trailerMs: 2_000,
  /** ms after which a call counts as begun although nothing has come: errors of the server that come sooner are refusals with a code */
  begunMs: 2_000,
  /** ms for vectors or tensors, whole */
  answerMs: 60_000,
  /** ms between two looks at an idle server; while it is down, doubling from the first to the last; ms one look may take */
  healthMs: 15_000,
  downMs: { first: 1_000, last: 30_000 },
  lookMs: 5_000,
  /** bytes of a list of models, of a description, of an error: more is not read */
  smallBytes: 1_048_576,
  errorBytes: 65_536,
  /** UTF-16 units of one event: thousands of times a real one; log probabilities are the largest part */
  eventCharacters: 262_144,
  /** UTF-16 units an answer may have per token ordered: beyond it the server ignores `max_tokens` */
  charactersPerToken: 256,
  /** s that a server may send callers away for */
  retryAfterSeconds: 60,
} as const

export type UpstreamLimits = {
  readonly [Name in keyof typeof UPSTREAM_LIMITS]: (typeof UPSTREAM_LIMITS)[Name] extends number
    ? number
    : { readonly first: number; readonly last: number }
}

/** Bytes of UTF-8 that one token stands for, on average, where nobody counts: English and code have about four. */
const BYTES_PER_TOKEN = 4

export const estimatedTokens = (bytes: number): number => Math.ceil(bytes / BYTES_PER_TOKEN)
