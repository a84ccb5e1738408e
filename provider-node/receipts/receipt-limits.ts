// Ceilings of keeping receipts and of handing them in, each with its unit and its reason.
import { RECEIPTS_MAX } from '../../protocol/receipt.ts'

export const RECEIPT_LIMITS = {
  /** ms an answer's end waits for its receipt to be on the disk; beyond it the answer goes on, and the operator is told that the disk is slow */
  durableMs: 250,
  /** bytes of one file of the store: small enough that deleting whole files gives space back soon */
  segmentBytes: 4 * 1024 ** 2,
  /** bytes of all its files: half a million receipts, which is 100 calls a second for over an hour. Beyond them it counts as a full disk. */
  storeBytes: 1024 ** 3,
  /** bytes of receipts that wait in memory because the disk takes none; beyond them new calls are refused `busy` rather than done unpaid */
  memoryBytes: 64 * 1024 ** 2,
  /** ms between two tries of a disk that took nothing */
  diskRetryMs: 5_000,
  /** closed files beyond which the oldest one's last receipts are written again, so that one that nobody acknowledges does not keep them all */
  segmentsKept: 4,
  /** receipts kept that the gateway refused: the newest; and bytes of one of their files */
  rejectedKept: 10_000,
  /** days of work in the history that earnings are compared with: day files, newest first; and bytes of all of them */
  historyDays: 400,
  historyBytes: 4 * 1024 ** 3,
  /** lines of the history that wait in memory for a disk that is full: the newest; they are for comparing, nobody is paid by them */
  historyWaiting: 100_000,
  /** receipts sent in one request, as many as the gateway takes, and ms the first one waits for others: a busy node makes few requests */
  batch: RECEIPTS_MAX,
  batchMs: 30_000,
  /** bytes of one request's receipts: below the gateway's 4 MiB */
  batchBytes: 3 * 1024 ** 2,
  /** ms within which the backlog of the last run begins to be handed in, drawn at random */
  startMs: 1_000,
  /** ms between two requests while there is a backlog: the gateway has other nodes that come back at the same moment */
  backlogPauseMs: 100,
  /** ms of the pause after a failure at most, first and last; in between it doubles, and each is drawn at random below its bound */
  retryMs: { first: 5_000, last: 300_000, least: 500 },
  /** ms the rest gets to be handed in when the node stops; what is left waits for the next start */
  drainMs: 3_000,
  /** ms after which a receipt that the gateway cannot take (and only then) is given up: the gateway clears what explains a call after a quarter */
  usefulMs: 90 * 86_400_000,
} as const
