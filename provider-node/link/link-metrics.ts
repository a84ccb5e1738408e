// What a node counts about its link. A node without one shows none of these series.
import type { Metrics } from '../metrics.ts'

export interface LinkGauges {
  isUp(): boolean
  /** calls on it now */
  streams(): number
}

export interface LinkMetrics {
  /** From now on there is a link to look at. */
  watch(link: LinkGauges): void
  reconnected(): void
  bytes(direction: 'in' | 'out', count: number): void
}

export function createLinkMetrics(metrics: Metrics): LinkMetrics {
  let link: LinkGauges | null = null
  const gauge = (name: string, help: string, read: (link: LinkGauges) => number) =>
    metrics.gauge(name, help, () => (link ? [{ value: read(link) }] : []))
  gauge('souk_node_link_up', '1 while the link to the gateway stands', (it) => (it.isUp() ? 1 : 0))
  gauge('souk_node_link_streams', 'calls on the link now', (it) => it.streams())
  const reconnects = metrics.counter('souk_node_link_reconnects_total', 'times the link stood again after it was lost')
  const bytes = metrics.counter(
    'souk_node_link_bytes_total',
    'bytes of frames over the link, in from the gateway and out to it',
  )
  return {
    watch(given) {
      link = given
    },
    reconnected: () => reconnects.add(),
    bytes: (direction, count) => bytes.add({ direction }, count),
  }
}
