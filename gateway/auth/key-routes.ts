// `/api/keys`: create, list, show, reroll, revoke. The account's guard is the truth about keys; this room only mints them, and shows each
// secret once. A signed-in wallet makes any key; a key with the scope `manage` makes keys no broader than itself (delegate.ts).
import { Hono } from 'hono'
import { CreateKeyRequest, RerollRequest, type CreatedKey, type KeyView, type RevokedKey } from '../../protocol/auth.ts'
import { instant, isKeyId, isNodeId, newKeyId, type KeyId } from '../../protocol/units.ts'
import { GatewayError } from '../core/errors.ts'
import { LIMITS } from '../core/limits.ts'
import { identified, requireManager, type Manager } from '../core/management.ts'
import { PageQuery } from '../core/page.ts'
import type { AppEnv } from '../core/principal.ts'
import { jsonBody, queryString } from '../core/validate.ts'
import { KEY_SECRET_BYTES, mintApiKey } from './api-key.ts'
import { inherited, mayHandOn, type Breadth } from './delegate.ts'
import { toLimits } from './limit-request.ts'
import { granted, type AuthNeeds } from './needs.ts'

export function createKeyRoutes({ accounts, config, clock, random }: AuthNeeds) {
  const mint = (accountId: Manager['accountId'], keyId: KeyId) =>
    mintApiKey(accountId, keyId, random(KEY_SECRET_BYTES), config.keySecret)

  return new Hono<AppEnv>()
    .post('/', identified, jsonBody(CreateKeyRequest), async (c) => {
      const manager = await requireManager(c, accounts)
      const { name, limit, rateLimit, ...body } = c.req.valid('json')
      const { scopes, models, nodes, expiresAt } = permitted(manager, {
        scopes: [...new Set(body.scopes)],
        models: body.models ?? null,
        nodes: body.nodes ?? null,
        expiresAt: body.expiresAt ?? null,
      })
      if (expiresAt !== null && Date.parse(expiresAt) <= clock())
        throw new GatewayError('invalid_request', { param: 'expiresAt', detail: 'expiresAt: a time to come' })
      const { keyId, secretHash, hint, key: text } = mint(manager.accountId, newKeyId(random))
      const { key } = granted(
        await accounts(manager.accountId).createKey({
          id: keyId,
          secretHash,
          hint,
          name,
          scopes,
          models,
          nodes: nodes?.filter(isNodeId) ?? null,
          ...toLimits({ limit, rateLimit }),
          expiresAt: expiresAt === null ? null : instant(Date.parse(expiresAt)),
        }),
      )
      c.header('cache-control', 'no-store')
      return c.json({ ...key, key: text } satisfies CreatedKey, 201)
    })
    .get('/', identified, queryString(PageQuery), async (c) => {
      const { accountId } = await requireManager(c, accounts)
      const { cursor, limit } = c.req.valid('query')
      const { data, nextCursor } = await accounts(accountId).listKeys(cursor ?? null, limit ?? LIMITS.pageRows)
      return c.json({ data, nextCursor })
    })
    .get('/:id', async (c) => {
      const { accountId } = await requireManager(c, accounts)
      return c.json(granted(await accounts(accountId).showKey(keyIdOf(c.req.param('id')))).key)
    })
    .post('/:id/reroll', identified, jsonBody(RerollRequest), async (c) => {
      const manager = await requireManager(c, accounts)
      const guard = accounts(manager.accountId)
      const keyId = keyIdOf(c.req.param('id'))
      // Whoever rerolls a key has its secret afterwards, so it must be one that could have been made. A key may always reroll itself.
      if (manager.key && manager.key.id !== keyId) refuseBroader(manager.key, granted(await guard.showKey(keyId)).key)
      const { secretHash, hint, key: text } = mint(manager.accountId, keyId)
      const { graceSeconds, hint: of } = c.req.valid('json')
      const { key } = granted(await guard.rerollKey({ keyId, secretHash, hint, graceMs: graceSeconds * 1_000, of }))
      c.header('cache-control', 'no-store')
      return c.json({ ...key, key: text } satisfies CreatedKey)
    })
    .delete('/:id', async (c) => {
      const { accountId } = await requireManager(c, accounts)
      const keyId = keyIdOf(c.req.param('id'))
      const guard = accounts(accountId)
      const before = granted(await guard.showKey(keyId)).key
      const { key } = granted(await guard.revokeKey(keyId))
      return c.json({ ...key, wasRevoked: before.revokedAt !== null } satisfies RevokedKey)
    })
}

/** @throws GatewayError forbidden, naming the field */
function permitted({ key }: Manager, wanted: Breadth): Breadth {
  if (!key) return wanted
  const narrowed = inherited(key, wanted)
  refuseBroader(key, narrowed)
  return narrowed
}

function refuseBroader(manager: KeyView, wanted: Breadth): void {
  const judged = mayHandOn(manager, wanted)
  if (judged.ok) return
  const { code, param, detail } = judged
  throw new GatewayError(code, { detail, ...(param === null ? {} : { param }) })
}

function keyIdOf(text: string): KeyId {
  if (!isKeyId(text)) throw new GatewayError('not_found')
  return text
}
