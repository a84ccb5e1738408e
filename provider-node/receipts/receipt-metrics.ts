// What is counted of receipts: how many wait for the gateway and for how long, what it took and refused, and what the disk did. Labels are codes.
import type { Metrics } from '../metrics.ts'
import type { Backlog } from './store.ts'

export interface ReceiptMetrics {
  /** where the waiting ones are counted; before, none are */
  watch(backlog: () => Backlog, now: () => number): void
  handedIn(count: number): void
  rejected(code: string): void
  /** a request that brought no answers */
  requestFailed(code: string): void
  /** @param code of the system call, or what else was wrong with the store */
  storeError(code: string): void
}

export function createReceiptMetrics(metrics: Metrics): ReceiptMetrics {
  let backlog: () => Backlog = () => ({ waiting: 0, oldestAt: null, rejected: 0 })
  let now = () => 0
  metrics.gauge('souk_node_receipts_waiting', 'receipts that the gateway has not acknowledged', () => [
    { value: backlog().waiting },
  ])
  metrics.gauge('souk_node_receipts_oldest_seconds', 'seconds since the oldest of them was signed', () => {
    const { oldestAt } = backlog()
    return [{ value: oldestAt === null ? 0 : Math.max(0, (now() - oldestAt) / 1_000) }]
  })
  const handedIn = metrics.counter('souk_node_receipts_handed_in_total', 'receipts that the gateway acknowledged')
  const rejected = metrics.counter('souk_node_receipts_rejected_total', 'receipts that it refused for good, by code')
  const failed = metrics.counter(
    'souk_node_receipt_requests_failed_total',
    'requests with receipts that were not answered, by code',
  )
  const errors = metrics.counter('souk_node_receipt_store_errors_total', 'what the disk did to receipts, by code')
  return {
    watch: (read, clock) => {
      backlog = read
      now = clock
    },
    handedIn: (count) => handedIn.add({}, count),
    rejected: (code) => rejected.add({ code }),
    requestFailed: (code) => failed.add({ code }),
    storeError: (code) => errors.add({ code }),
  }
}
