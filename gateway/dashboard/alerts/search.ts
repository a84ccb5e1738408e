// What the address of the alerts page says: whose deliveries are shown.
export interface AlertsSearch {
  /** a webhook's id */
  readonly webhook?: string
}

export const readSearch = (search: Record<string, unknown>): AlertsSearch =>
  typeof search.webhook === 'string' ? { webhook: search.webhook } : {}
