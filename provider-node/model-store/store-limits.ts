// Ceilings of fetching and keeping models, each with its unit and its reason.
export const STORE_LIMITS = {
  /** bytes of one file whose manifest gives no size: more than any open model's largest part */
  fileBytes: 128 * 1024 ** 3,
  /** bytes of a manifest.json: 64 files with hashes, sizes and paths are a tenth of it */
  manifestBytes: 1024 * 1024,
  /** bytes that stay free on the disk behind a download, for logs and databases beside it */
  spareBytes: 64 * 1024 ** 2,
  /** ms until a source has answered with headers, and ms between two of its chunks */
  headersMs: 30_000,
  gapMs: 30_000,
  /** ms one connection may last: a day is 128 GiB at 1.6 MB/s, and what was fetched until then is kept */
  connectionMs: 24 * 3_600_000,
  /** redirects of one request: mirrors and storage behind them need two */
  redirects: 5,
  /** times each source may fail in a row without having brought `progressBytes`; then the download is given up */
  failures: 5,
  progressBytes: 1024 ** 2,
  /** ms before the second try, doubling up to the last */
  retryMs: { first: 1_000, last: 30_000 },
  /** ms between two lines of progress of one file */
  progressMs: 1_000,
  /** ms after which a lock that nobody touched belongs to a program that is gone; its holder touches it five times as often */
  lockStaleMs: 30_000,
  /** ms between two looks at a lock that another program holds */
  lockLookMs: 500,
  /** ms a model that could not be loaded again refuses its calls before it tries once more: checking files costs the disk */
  reloadMs: 10_000,
  /** ms between two looks at config.json; a change counts when two looks agree, so that no half-written file is read */
  configLookMs: 500,
} as const
