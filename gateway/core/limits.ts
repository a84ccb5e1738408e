// Every ceiling of the gateway, with its unit and its reason. Ceilings of the wire itself stand in protocol/.

export const LIMITS = {
  /** bytes of a request body: a million characters of text and its JSON */
  bodyBytes: 4 * 1024 * 1024,
  /** nesting of a JSON body: deeper ones only exist to exhaust a parser */
  jsonDepth: 64,
  /** bytes of a node's whole answer, and of what is collected of a stream for a caller who does not */
  nodeAnswerBytes: 8 * 1024 * 1024,
  /** bytes a node's stream may have for each token ordered, where that is more: an event with its usage is 200 to 400 */
  nodeTokenBytes: 1024,
  /** bytes it may have besides for each log probability ordered: a token's name, its bytes as numbers, its value */
  nodeChanceBytes: 256,
  /** log probabilities collected for a caller who does not stream; each takes about 200 bytes of an isolate's 128 MiB while it waits */
  collectedChances: 131_072,
  /** bytes of answers in tensors that are held at the same time until they are compared: an isolate has 128 MiB, and reads each twice */
  comparedBytes: 32 * 1024 * 1024,
  /** bytes of one event of a node */
  nodeEventBytes: 1024 * 1024,
  /** offers one call may ask; a busy one of them once more, when it is free soon (inference/attempts/next-attempt.ts) */
  attemptsMax: 4,
  /** rows of a list page */
  pageRows: 100,
  /** active API keys of an account */
  keysPerAccount: 200,
  /** wallets of an account */
  walletsPerAccount: 20,
  /** characters of a manifest's JSON, known tensors and all: an image of 224 × 224 fits; every list of models reads it, and D1 takes 2 MB a row */
  manifestCharacters: 512 * 1024,
  /** models of an author: each one is a row every list reads */
  modelsPerAuthor: 200,
  /** models of which an operator says whether their nodes may serve them */
  modelRulesPerOperator: 500,
  /** nodes of an operator, revoked ones left out */
  nodesPerOperator: 50,
} as const

/** What a wallet that cost nothing may make us do: every new node is called before it has earned anything. Lifted under the local switch. */
export const NODE_QUOTAS = {
  /** new nodes of an account in an hour: a rack is registered in a morning */
  perHour: 10,
  /** nodes of an account that wait for their proof at the same time: each is tried again and again */
  pending: 10,
  /** nodes behind one host name, whoever registered them: so many calls a stranger can send there */
  perHost: 20,
  /** ms between two registrations of one node: each is kept for ever where it names new prices, and may lead to a call somewhere else */
  apartMs: 2_000,
} as const
export type NodeQuotas = { readonly [quota in keyof typeof NODE_QUOTAS]: number }

/** ms a node has to come up with its new key before its endpoint must prove it: a restart and the loading of its models */
export const ROTATION_PROOF_MS = 300_000

/** Idempotency-Key: what one may be, and how much of an answer is kept for whoever asks again. */
export const IDEMPOTENCY = {
  /** characters of a key */
  keyChars: 255,
  /** bytes of an answer as it is kept; a longer one is not kept, and a repeat is told so */
  keptBytes: 64 * 1024,
} as const

/** ms; SOUK_TIMEOUTS may override each one. */
export const CALL_TIMEOUTS = {
  /** until the node's response head */
  connectMs: 10_000,
  /** until its first output, plus {@link firstTokenMsPerInputToken} for each input token */
  firstTokenMs: 20_000,
  /**
   * both together while another node can be asked, or what its input alone takes where that is longer: a silent or slow one costs its caller no
   * more. The last one has the two above
   */
  failOverMs: 10_000,
  /** between two outputs */
  gapMs: 20_000,
  /** after the end of the last choice, in which a node that does not end its answer may still say its usage and its receipt */
  lastWordMs: 1_000,
  /** the whole call */
  totalMs: 300_000,
  /** a caller that takes no byte for so long has left */
  callerStallMs: 30_000,
  /** silence after which the caller gets a comment */
  keepAliveMs: 10_000,
  /** between two progress reports to the guard */
  progressMs: 3_000,
  /** how long the end of a call is sent again behind its answer, when the guard stayed away: waitUntil ends half a minute after the response */
  settleLaterMs: 23_000,
}
export type CallTimeouts = typeof CALL_TIMEOUTS

export const firstTokenMsPerInputToken = 2
/** the same for tensors: a home's line takes about a megabyte a second */
export const firstTokenMsPerByte = 0.001

/** ms a hold outlives the longest call, so that the relay always settles first */
export const HOLD_GRACE_MS = 30_000

/** The snapshot of offers: fresh, still usable while it is refreshed behind the call. ms */
export const SNAPSHOT = { freshMs: 5_000, staleMs: 30_000 } as const

/** Sign-in: life of a nonce, of a session, and how old a "fresh sign-in" may be. ms */
export const SIGN_IN = { nonceMs: 600_000, sessionMs: 43_200_000, freshMs: 600_000 } as const

/** Who acts for an account besides its first wallet. */
export const MEMBERS = {
  /** ms until what makes or unmakes an owner holds: two days, so that a weekend away is no weekend too late */
  ownerDelayMs: 172_800_000,
  /** ms an invitation is good for */
  invitationMs: 7 * 86_400_000,
  /** invitations of an account that wait at the same time */
  invitationsMax: 20,
  /** changes that one run of the cron carries out */
  dueRows: 50,
  /** sessions shown of an account: the newest */
  sessionRows: 100,
} as const

/** Asking a chain about a contract's signature. */
export const CHAIN = {
  /** ms of one check, all its requests together: somebody waits for it */
  askMs: 5_000,
  /** checks of an isolate at the same time: each costs the operator's node a call with a stranger's code */
  asksAtOnce: 16,
} as const

/** A request that a node's own key signs. */
export const NODE_REQUEST = {
  /** bytes of its body: a hundred offers are 60 kB */
  bodyBytes: 256 * 1024,
  /** characters of the signature: a path of 512 in base64url, twice over */
  jwsCharacters: 4_096,
  /** how far its clock may be from ours, either way */
  clockSeconds: 60,
} as const

/** What an operator, or a node by its key, may ask for every so often only. */
export const OPERATOR = {
  /** ms between two self-tests of one node: each makes the gateway call it */
  selftestApartMs: 10_000,
  /** ms of a whole self-test: somebody waits for it */
  selftestMs: 25_000,
  /** models tried in one: a Worker makes a bounded number of requests */
  selftestModels: 8,
  /** ms between two changes of one node's offers: each new price is kept for ever */
  offersApartMs: 2_000,
  /** ms between two proofs of one node that its coming back asks for: each makes the gateway call it */
  resumeApartMs: 2_000,
} as const

/** What the house takes and asks for until somebody sets it otherwise (protocol/parameters.ts); fee and audits stand in the configuration. */
export const PARAMETER_DEFAULTS = {
  /** a fifth: enough to show itself, too little to do much harm */
  probationShareBps: 2_000,
  /** served attempts that end a probation */
  probationCalls: 20,
  /** half, so that an honest node can pay for its power meanwhile */
  probationVestingBps: 5_000,
  disputeDays: 7,
} as const

/** Parameters as an isolate keeps them: fresh, still usable while they are read anew, and how long one reading keeps others from beginning. ms */
export const PARAMETERS_FRESH = { freshMs: 30_000, staleMs: 300_000, sharedMs: 5_000 } as const

/** What people may say was wrong. */
export const COMPLAINTS = {
  /** reports of one account in a day: an admin reads each */
  reportsPerDay: 10,
  /** disputes of one account in a day; each costs the payer a call besides */
  disputesPerDay: 20,
} as const
