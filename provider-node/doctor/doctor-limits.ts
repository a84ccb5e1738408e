// How long the doctor may look, and where its sentences change, each with its unit and its reason.
export const DOCTOR_LIMITS = {
  /** ms one check may take, unless its line says otherwise: files and numbers of this machine */
  checkMs: 5_000,
  /** ms for whatever asks the gateway: longer than its slowest answer should be */
  gatewayMs: 10_000,
  /** ms for the checks that start a process or ask another server; with the first stage's 10 s all stay below 30 s */
  slowMs: 18_000,
  /** ms one execution provider may take to run a graph, so that two that hang leave time to say so */
  providerMs: 6_000,
  /** ms by which the clock may be off: what a node signs is good for a minute, and half of it belongs to the way */
  clockMs: 30_000,
  /** ms after which waiting receipts are no longer those of the last minutes */
  backlogMs: 3_600_000,
  /** bytes free below which the disk counts as full: receipts of some hours, and room to write config.json anew */
  diskBytes: 64 * 1024 ** 2,
  /** bytes of an answer that is only looked at */
  answerBytes: 65_536,
} as const
