// An event as a receiver gets it (a rule): the same bytes and the same id at every try, so that a repeat can be told from news.
import { sha256Hex } from '../../protocol/canonical.ts'
import { base32, type RandomBytes } from '../../protocol/units.ts'
import type { EventData, WebhookMessage } from '../../protocol/webhook.ts'

export interface StoredEvent {
  readonly id: string
  readonly accountId: string
  readonly kind: string
  readonly data: EventData
  /** ms */
  readonly at: number
}

/** `webhook-id` of an event: short and plain whatever the event's own id is made of, since a header and the signed text carry it. */
export const messageId = (eventId: string): string => `evt_${sha256Hex(eventId).slice(0, 32)}`

export const newDeliveryId = (random: RandomBytes): string => `dl_${base32(random(10))}`

/** @example messageBody(event) // '{"type":"balance.low","timestamp":"2027-…","data":{"accountId":"…","balance":"0.99…"}}' */
export function messageBody({ accountId, kind, data, at }: StoredEvent): string {
  const message: WebhookMessage = {
    type: kind,
    timestamp: new Date(at).toISOString(),
    data: { ...data, accountId },
  }
  return JSON.stringify(message)
}
