// `/api/keys`: create, list, revoke. The account's guard is the truth about keys; this room only mints them, and shows each once.
// A key cannot make keys: only a signed-in wallet can.
import { Hono } from 'hono'
import { CreateKeyRequest, type CreatedKey } from '../../protocol/auth.ts'
import { fromUsd, instant, isKeyId, isNodeId, newKeyId } from '../../protocol/units.ts'
import { GatewayError } from '../core/errors.ts'
import { LIMITS } from '../core/limits.ts'
import { PageQuery } from '../core/page.ts'
import { requireSession, type AppEnv } from '../core/principal.ts'
import { jsonBody, queryString } from '../core/validate.ts'
import { signedIn } from './authenticate.ts'
import { KEY_SECRET_BYTES, mintApiKey } from './api-key.ts'
import { granted, type AuthNeeds } from './needs.ts'

export function createKeyRoutes({ accounts, config, clock, random }: AuthNeeds) {
  return new Hono<AppEnv>()
    .post('/', signedIn, jsonBody(CreateKeyRequest), async (c) => {
      const { accountId } = requireSession(c)
      const { name, scopes, models, nodes, limit, rateLimit, expiresAt } = c.req.valid('json')
      if (expiresAt !== undefined && Date.parse(expiresAt) <= clock())
        throw new GatewayError('invalid_request', { param: 'expiresAt', detail: 'expiresAt: a time to come' })
      const minted = mintApiKey(accountId, newKeyId(random), random(KEY_SECRET_BYTES), config.keySecret)
      const { key } = granted(
        await accounts(accountId).createKey({
          id: minted.keyId,
          secretHash: minted.secretHash,
          hint: minted.hint,
          name,
          scopes: [...new Set(scopes)],
          models: models ?? null,
          nodes: nodes?.filter(isNodeId) ?? null,
          limit: limit ? { nanos: fromUsd(limit.usd), period: limit.period, shadow: limit.shadow } : null,
          rpm: rateLimit?.rpm ?? null,
          tpm: rateLimit?.tpm ?? null,
          concurrency: rateLimit?.concurrency ?? null,
          ratesShadow: rateLimit?.shadow ?? false,
          expiresAt: expiresAt === undefined ? null : instant(Date.parse(expiresAt)),
        }),
      )
      const created: CreatedKey = { ...key, key: minted.key }
      c.header('cache-control', 'no-store')
      return c.json(created, 201)
    })
    .get('/', signedIn, queryString(PageQuery), async (c) => {
      const { accountId } = requireSession(c)
      const { cursor, limit } = c.req.valid('query')
      const { data, nextCursor } = await accounts(accountId).listKeys(cursor ?? null, limit ?? LIMITS.pageRows)
      return c.json({ data, nextCursor })
    })
    .delete('/:id', async (c) => {
      const { accountId } = requireSession(c)
      const id = c.req.param('id')
      if (!isKeyId(id)) throw new GatewayError('not_found')
      const { key } = granted(await accounts(accountId).revokeKey(id))
      return c.json(key)
    })
}
