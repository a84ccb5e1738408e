// Models as their authors and everybody else see them: publish, look, and say that one is not to be used any more. A manifest is signed by its
// author's wallet; a state asks for a fresh sign-in, because it stops other people's traffic.
import { Hono, type MiddlewareHandler } from 'hono'
import { z } from 'zod'
import { ModelStateRequest, PublishRequest, type ModelView } from '../../../protocol/publish.ts'
import type { Instant } from '../../../protocol/units.ts'
import type { Clock } from '../../core/clock.ts'
import type { Config } from '../../core/env.ts'
import { GatewayError } from '../../core/errors.ts'
import { parseWith, readJson, readJsonValue } from '../../core/json-body.ts'
import { SIGN_IN } from '../../core/limits.ts'
import { requireAdmin, requireSession, type AppEnv } from '../../core/principal.ts'
import { jsonBody, queryString, takes } from '../../core/validate.ts'
import type { Model } from '../market-port.ts'
import { saveModelState } from './model-state-book.ts'
import { changeState } from './model-state.ts'
import { createModelBook, type ModelBook } from './models.ts'
import { checkPublication } from './publication.ts'

export interface ModelRoutesNeeds {
  readonly db: D1Database
  readonly clock: Clock
  readonly config: Pick<Config, 'chainId'>
}

const ListQuery = z.object({
  cursor: z.string().max(200).optional(),
  /** AccountId: of this author only */
  author: z.string().max(80).optional(),
})

export function createModelRoutes(needs: ModelRoutesNeeds) {
  const { clock, config } = needs
  const models = createModelBook(needs)
  return (
    new Hono<AppEnv>()
      .post('/models', async (c) => {
        const { accountId, roles } = requireSession(c)
        const request = readPublication(await readJsonValue(c.req.raw))
        const context = { chainId: config.chainId, nowSeconds: Math.floor(clock() / 1_000) }
        const signed = await checkPublication(request, context)
        if (!signed.ok) throw new GatewayError(signed.code, { param: 'signature', detail: signed.detail })
        const { manifest, signature } = request
        const publisher = { accountId, isAdmin: roles.includes('admin'), address: signed.value, signature }
        const { model, isNew } = await models.publish(manifest, publisher)
        return c.json(toModelView(model), isNew ? 201 : 200)
      })
      .get('/models', queryString(ListQuery), async (c) => {
        const { cursor = null, author = null } = c.req.valid('query')
        const { data, nextCursor } = await models.list(cursor, author)
        return c.json({ data: data.map(toModelView), nextCursor })
      })
      .get('/models/:author/:name', async (c) => c.json(toModelView(await find(models, idOf(c.req.param())))))
      .put('/models/:author/:name/state', takes(ModelStateRequest), async (c) => {
        const { accountId, roles, signedInAt } = requireSession(c)
        if (clock() - signedInAt > SIGN_IN.freshMs) throw new GatewayError('fresh_sign_in_required')
        const request = await readJson(c.req.raw, ModelStateRequest)
        const model = await find(models, idOf(c.req.param()))
        const by = { isAuthor: model.authorAccountId === accountId, isAdmin: roles.includes('admin') }
        return c.json(toModelView(await setState(needs, models, model, request, by)))
      })
      // The house takes a model down and lifts that again: `blocked`, and out of it. What its author may, only its author does.
      .post('/admin/models/:author/:name/state', freshAdmin(clock), jsonBody(ModelStateRequest), async (c) => {
        const model = await find(models, idOf(c.req.param()))
        const by = { isAuthor: false, isAdmin: true }
        return c.json(toModelView(await setState(needs, models, model, c.req.valid('json'), by)))
      })
  )
}

const freshAdmin =
  (clock: Clock): MiddlewareHandler<AppEnv> =>
  async (c, next) => {
    requireAdmin(c, clock())
    await next()
  }

/** @throws GatewayError as changeState says; conflict when it was changed at the same moment */
async function setState(
  { db, clock }: ModelRoutesNeeds,
  models: ModelBook,
  model: Model,
  request: ModelStateRequest,
  by: { readonly isAuthor: boolean; readonly isAdmin: boolean },
): Promise<Model> {
  if (request.seen !== undefined && request.seen !== isoOrNull(model.stateAt))
    throw new GatewayError('changed_meanwhile')
  const replacement = request.replacedBy === undefined ? null : await models.find(request.replacedBy)
  const changed = changeState(knownOf(model), request, by, replacement && knownOf(replacement))
  if (!changed.ok) throw new GatewayError(changed.code, changed)
  const isSaved = await saveModelState(db, model, changed.value, clock())
  if (!isSaved) throw new GatewayError('changed_meanwhile')
  return find(models, model.id)
}

/** The gateways before took a bare manifest: who sends one is told what is missing, not that a field is unknown. */
function readPublication(body: unknown): PublishRequest {
  if (typeof body === 'object' && body !== null && 'files' in body && !('manifest' in body))
    throw new GatewayError('invalid_request', {
      param: 'signature',
      detail:
        'A manifest is signed by its author: send { manifest, author, deadline, signature } with the EIP-712 signature of ModelPublication.',
    })
  return parseWith(PublishRequest, body)
}

const idOf = ({ author, name }: { author: string; name: string }) => `${author}/${name}`

async function find(models: ModelBook, id: string): Promise<Model> {
  const model = await models.find(id)
  if (!model) throw new GatewayError('model_not_found')
  return model
}

const knownOf = ({ id, state, manifest }: Model) => ({ id, state, task: manifest.task })

/** Without the probes: they are questions with answers, and a node should have to work for those. */
function toModelView(model: Model): ModelView {
  const { probes: _probes, ...manifest } = model.manifest
  const { id, digest, authorAccountId, royaltyBps, state, reason, replacedBy, publishedBy } = model
  const [stateAt, createdAt] = [isoOrNull(model.stateAt), new Date(model.createdAt).toISOString()]
  return {
    ...{
      id,
      digest,
      manifest,
      authorAccountId,
      royaltyBps,
      state,
      reason,
      replacedBy,
      stateAt,
      publishedBy,
      createdAt,
    },
  }
}

const isoOrNull = (at: Instant | null): string | null => (at === null ? null : new Date(at).toISOString())
