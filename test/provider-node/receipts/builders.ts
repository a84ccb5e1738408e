// Receipts to keep, stores to keep them in, and what an operator was told meanwhile.
import type { Disk } from '../../../provider-node/receipts/disk.ts'
import { createReceiptStore, type ReceiptStore } from '../../../provider-node/receipts/store.ts'
import type { Kept } from '../../../provider-node/receipts/stored.ts'
import type { StoreTold } from '../../../provider-node/receipts/trouble.ts'

export const aReceipt = (index: number, over: Partial<Kept> = {}): Kept => ({
  t: 'kept',
  jti: `jti-${index}`,
  at: 1_700_000_000_000 + index,
  ticket: `ticket.${index}`,
  receipt: `receipt.${index}`,
  ...over,
})

export interface Told extends StoreTold {
  /** events with their sentences */
  readonly events: { event: string; reason: string }[]
  readonly errors: string[]
}

export function aListener(): Told {
  const events: Told['events'] = []
  const errors: string[] = []
  return {
    events,
    errors,
    log: (_, event, fields = {}) => void events.push({ event, reason: String(fields.reason ?? '') }),
    error: (code) => void errors.push(code),
  }
}

export const aStore = (
  disk: Disk,
  told: StoreTold = aListener(),
  now = () => 1_700_000_000_000,
): Promise<ReceiptStore> => createReceiptStore({ disk, now, told })

/** jtis of everything that waits, in its order. */
export const waitingIn = async (store: ReceiptStore): Promise<string[]> =>
  (await store.next(1_000_000, () => true)).map(({ jti }) => jti)
