// From a claimed delivery to its end (flow): opens the secrets, tries once, judges what came of it, writes it down.
import { instant, type RandomBytes } from '../../protocol/units.ts'
import { logError } from '../core/errors.ts'
import { attempt, type AttemptNeeds } from './attempt.ts'
import type { Claimed, DeliveryBook } from './delivery-book.ts'
import { messageBody, messageId } from './message.ts'
import { judgeAttempt, type Attempt } from './outcome.ts'
import { openSecret } from './signing-secret.ts'

export interface SendNeeds extends AttemptNeeds {
  readonly config: { readonly isLocal: boolean; readonly keySecret: string }
  readonly random: RandomBytes
}

export async function send(claimed: Claimed, book: DeliveryBook, needs: SendNeeds): Promise<void> {
  const { webhook, tries } = claimed
  const tried = await tryOnce(claimed, needs)
  const now = needs.clock()
  const failingSince = webhook.failingSince === null ? null : instant(webhook.failingSince)
  await book.settle(claimed, tried, judgeAttempt(tried, { tries, failingSince }, now, draw(needs.random)), now)
}

export async function tryOnce({ webhook, event }: Claimed, needs: SendNeeds): Promise<Attempt> {
  const { id, url, sealedSecret, sealedOldSecret, oldUntil } = webhook
  const sealed = [
    sealedSecret,
    ...(sealedOldSecret !== null && (oldUntil ?? 0) > needs.clock() ? [sealedOldSecret] : []),
  ]
  const opened = await Promise.all(sealed.map((text) => openSecret(text, id, needs.config.keySecret)))
  const secrets = opened.filter((secret) => secret !== null)
  if (secrets.length === 0) logError(new Error(`the secret of ${id} cannot be opened`), null)
  return attempt({ url, secrets, id: messageId(event.id), body: messageBody(event) }, needs)
}

/** 0 ≤ draw < 1, of 32 bits. */
const draw = (random: RandomBytes): number => random(4).reduce((sum, byte) => sum * 256 + byte, 0) / 2 ** 32
