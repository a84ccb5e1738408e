// Signing secrets of webhooks: shown once when made, kept sealed (AES-256-GCM under a key derived from the gateway's own secret), each for
// its one webhook. Unlike an API key's, a secret has to be had again for every message, so a hash would not do.
import { base64url, fromBase64url } from '../../protocol/canonical.ts'
import type { RandomBytes } from '../../protocol/units.ts'
import { WEBHOOK_SECRET_BYTES, webhookSecret } from '../../protocol/webhook.ts'
import { openText, Secret, sealText, type Seal } from '../core/sealed.ts'

export interface NewSecret {
  /** `whsec_…`: stored nowhere */
  readonly secret: string
  readonly sealed: string
}

export async function newSecret(webhookId: string, keySecret: string, random: RandomBytes): Promise<NewSecret> {
  const secret = webhookSecret(random(WEBHOOK_SECRET_BYTES))
  const sealed = await sealText(sealOf(webhookId, keySecret), secret, random)
  return { secret, sealed: base64url(new Uint8Array(sealed)) }
}

/** Null for what was sealed for another webhook, or under another secret of the gateway. */
export const openSecret = (sealed: string, webhookId: string, keySecret: string): Promise<string | null> =>
  openText(sealOf(webhookId, keySecret), Uint8Array.from(fromBase64url(sealed)).buffer)

const sealOf = (webhookId: string, keySecret: string): Seal => ({
  secret: new Secret(keySecret),
  salt: webhookId,
  place: 'webhook signing secret',
})
