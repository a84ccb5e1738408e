// Ceilings of the gateway's side of links, each with its unit and its reason. What both sides must know stands in protocol/link.ts.

export const LINK_LIMITS = {
  /** bytes of answers that wait in one guard for their readers: an isolate has 128 MB, and may hold more guards than this one. Beyond it the slowest reader is cut off */
  answerBytesMax: 48 * 1024 * 1024,
  /** bytes that wait for readers beyond which no new stream is opened: those that are open come first */
  openBytesMax: 32 * 1024 * 1024,
  /** bytes of bodies on their way to one node, sent and not known to be taken: a socket's writer here sees no other end of its buffer */
  bodyBytesMax: 16 * 1024 * 1024,
  /** bytes a waiting frame counts beside its payload: frames of one byte would otherwise fill a memory that nobody counts */
  frameCost: 256,
  /** ids of streams set apart at a time, so that a guard that was asleep never gives one twice */
  idBlock: 4_096,
  /** ms an old link has to answer whether it still is there, when another process asks for its place */
  probeMs: 3_000,
  /** ms between two looks at a link whose node says nothing: whoever lost its power sends no goodbye */
  checkMs: 60_000,
  /** ms between two looks while calls are under way */
  watchMs: 5_000,
  /** characters of the reason of a close (RFC 6455 5.5: 123 bytes) */
  reasonCharacters: 120,
} as const
