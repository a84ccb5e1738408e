// Ceilings of publishing, each with its unit and its reason.
export const PUBLISH_LIMITS = {
  /** ms of a model's own probes here: a large one takes minutes to load on a disk */
  probesMs: 15 * 60_000,
  /** tokens of a chat probe's answer: as many as the gateway asks for */
  probeTokens: 64,
  /** elements of an output that is recorded as a probe's: every list of models carries it */
  probeElements: 1_024,
  /** bytes of a file that a check of the sources fetches whole and hashes; of a larger one its size is asked for */
  sourceBytes: 1024 * 1024,
} as const
