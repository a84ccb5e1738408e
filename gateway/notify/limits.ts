// Ceilings of this room, each with its unit and its reason.
//
// A cron run shares the 1_000 subrequests of one invocation with the market's sweep, which has the same trigger (gateway/cron.ts). Here: spreading takes
// a read and a batch for each page, at most 2 × 2; claiming takes 2; each delivery takes 4 (two look-ups, the message itself, the batch that
// writes what came of it), so 60 take 240. Together 246. More than 60 a minute wait for the next minute; a Queue goes here when they are many.
export const NOTIFY = {
  /** webhooks of an account: each one multiplies every event */
  webhooksMax: 10,
  /** ms until an unanswered message counts as failed */
  attemptMs: 10_000,
  /** events read in one page, and pages in one run */
  spreadRows: 100,
  spreadPages: 2,
  /** deliveries of one run */
  runMax: 60,
  /** of them for one account, so that one with many events or a dead receiver leaves room for the others */
  runMaxPerAccount: 10,
  /** sent at the same time: more than one account's share, so that its dead receivers never fill every lane */
  lanes: 20,
  /** ms a claim keeps other runs away: runMax ÷ lanes rounds of a look-up (5 s), a message (10 s) and D1 are below a minute */
  leaseMs: 120_000,
  /** ms the secret before a rotation signs as well */
  oldSecretMs: 86_400_000,
  /** ms without one delivery after which a webhook is disabled */
  failingMs: 5 * 86_400_000,
  /** test messages to one webhook in {@link testWindowMs}: the gateway is no tool to knock on doors with */
  testsMax: 10,
  testWindowMs: 60_000,
} as const
