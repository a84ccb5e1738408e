// Ceilings and times of the node's side of the link, each with its unit and its reason. What both sides must know stands in protocol/link.ts.
export const LINK_LIMITS = {
  /** ms a link has to stand until the count of tries begins anew: a gateway that accepts and drops is not hammered */
  steadyMs: 60_000,
  /** ms until the gateway has answered the upgrade */
  dialMs: 15_000,
  /** bytes of a refusal's body that are read: it is one JSON error */
  refusalBytes: 16 * 1024,
  /** characters of the gateway's own sentence that are shown */
  sentenceCharacters: 300,
  /** ms a closing handshake may take; then the socket is destroyed */
  closeMs: 2_000,
  /** bytes of control frames and data that may wait in a socket's buffer: beyond, the other side takes nothing and only asks */
  backlogBytes: 4 * 1024 * 1024,
  /** ms between two tries while another process holds the link: longer than the gateway needs to notice one that died without a word; and at least */
  conflictMs: 60_000,
  conflictLeastMs: 10_000,
  /** ms between two tries after a refusal that only the operator can end, when it may end at any moment (a clock, a registration) */
  refusedMs: 60_000,
  /** tries after which a refused key is no longer thought to be one that was registered just now */
  refusedTries: 5,
  /** ms between two tries when nothing will change soon: revoked, or a wire that is not spoken */
  hopelessMs: 300_000,
  /** ms of a gateway's Retry-After that are believed */
  retryAfterMs: 3_600_000,
  /** ms by which clocks may differ before that is named as the reason of a refusal: claims hold for a minute, the header has whole seconds */
  clockMs: 45_000,
  /** links in a row that did not stand: from then on they are told together and not one by one */
  quickDrops: 3,
} as const
