// Every ceiling of a node, with its unit and its reason. Those of one model (concurrency, queue, threads) stand in the configuration.
export const NODE_LIMITS = {
  /** bytes of a request body: as much as the gateway takes from its callers */
  bodyBytes: 4 * 1024 * 1024,
  /** ms until a request's headers, and until its whole body, have arrived: whoever sends slower only holds a socket */
  headersMs: 10_000,
  requestMs: 30_000,
  /** ms an idle connection is kept: longer than proxies and clients keep theirs, or a request meets a connection that is just being closed */
  keepAliveMs: 75_000,
  /** ms a finished answer has to reach its reader when the node stops */
  lastBytesMs: 1_000,
  /** characters of a ticket: three times a real one */
  ticketCharacters: 4_096,
  /** used tickets remembered until they expire: 500 calls a second for their three minutes */
  ticketsRemembered: 100_000,
  /** receipts kept in memory for the operator */
  receiptsKept: 1_000,
  /** ms one call may take: as long as the gateway would wait */
  callMs: 300_000,
  /** seconds within which a call of the operator's own programs has to begin */
  ownCallSeconds: 60,
  /** ms between two events of one answer, its first and last apart: nobody reads faster, and each costs node, gateway and caller a write */
  eventPauseMs: 10,
  /** tokens of prompts in one run of a text model, padding included: answers under way wait for it */
  prefillTokens: 128,
  /** bytes of one text model's key-value cache, padding included; a step holds it twice for a moment. One call alone may take more. */
  cacheBytes: 1024 * 1024 * 1024,
  /** log probabilities in one event, for a reader so slow that more wait: 20 alternatives each, they are 100 kB, a tenth of what is read */
  eventTokens: 64,
  /** ms a model's own chat template may take for one dialogue, and characters it may say besides the messages: it is a program that came with it */
  templateMs: 1_000,
  templateCharacters: 1_000_000,
  /** ms a request to the gateway may take */
  gatewayMs: 15_000,
  /** ms between two fetches of the gateway's keys for a key id we do not know */
  unknownKeyMs: 10_000,
  /** ms after which known keys are fetched again, so that a withdrawn one is forgotten */
  keysFreshMs: 300_000,
  /** ms between two looks at what became of its models: the gateway refuses a blocked one within seconds, this only frees the memory */
  modelsEveryMs: 300_000,
  /** ms until the first of these looks */
  modelsFirstMs: 10_000,
  /** ms between two looks whether the node is registered, and between two greetings (doubling up to the second) */
  helloMs: { first: 1_000, last: 30_000 },
} as const
