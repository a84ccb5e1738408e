// Which models a server has, and what kind of server it is: asked once at start, when the operator can still be told, and then as its health.
import type { IncomingMessage } from 'node:http'
import { OperatorError } from '../../operator-error.ts'
import { createUpstream, parsedJson, readWhole, UpstreamFault, type Upstream } from '../upstream/http.ts'
import type { UpstreamLimits } from '../upstream/limits.ts'
import { ModelList } from './events.ts'
import { kindOfOwner, type ServerKind } from './server-kind.ts'

/** Of a longer list, so many are named to the operator. */
const NAMED_MAX = 10
const NAME_CHARACTERS = 80

/** @throws OperatorError in one sentence: no server, no list, or not this model */
export async function discover(
  upstream: Upstream,
  base: string,
  model: string,
  limits: UpstreamLimits,
): Promise<{ readonly kind: ServerKind }> {
  const models = await listed(upstream, limits, new AbortController().signal).catch((cause: unknown) => {
    throw new OperatorError(`the server ${base} cannot be used: ${whyNot(cause)}`)
  })
  const own = find(models, model)
  if (!own) throw new OperatorError(`the server ${base} has no model ${model}: it has ${namesOf(models)}`)
  return { kind: kindOfOwner(own.owned_by ?? '') ?? ((await isOllama(base, limits)) ? 'ollama' : 'other') }
}

/** A look at an idle server. @returns null when it serves this model, else why not, in a word */
export async function lookAt(
  upstream: Upstream,
  model: string,
  limits: UpstreamLimits,
  signal: AbortSignal,
): Promise<string | null> {
  try {
    return find(await listed(upstream, limits, signal), model) ? null : 'model_gone'
  } catch (cause) {
    return cause instanceof UpstreamFault ? cause.detail : 'unknown'
  }
}

type Listed = ReturnType<typeof ModelList.parse>['data']

async function listed(upstream: Upstream, limits: UpstreamLimits, signal: AbortSignal): Promise<Listed> {
  const response = await upstream.send({ method: 'GET', path: '/models', headMs: limits.lookMs, signal })
  const { statusCode: status = 0 } = response
  if (status !== 200) {
    response.destroy()
    throw new UpstreamFault('garbage', `status ${status}`)
  }
  const parsed = ModelList.safeParse(parsedJson(await readWhole(response, limits.smallBytes, limits.lookMs)))
  if (!parsed.success) throw new UpstreamFault('garbage', 'models')
  return parsed.data.data
}

/** Ollama names a model without its tag where that is `latest`. */
const find = (models: Listed, model: string) => models.find(({ id }) => id === model || id === `${model}:latest`)

function namesOf(models: Listed): string {
  if (models.length === 0) return 'none'
  // Names are the server's text: without what could move a terminal.
  const names = models.slice(0, NAMED_MAX).map(({ id }) => id.replace(/[^\x20-\x7e]/g, '?').slice(0, NAME_CHARACTERS))
  const more = models.length - names.length
  return `${names.join(', ')}${more > 0 ? ` and ${more} more` : ''}`
}

function whyNot(cause: unknown): string {
  if (!(cause instanceof UpstreamFault)) return 'it failed'
  const { kind, detail } = cause
  if (detail === 'status 401' || detail === 'status 403') return 'it refuses the key of upstream.apiKeyEnv'
  if (/^status 30/.test(detail)) return 'it redirects, and redirects are not followed'
  if (detail === 'status 404') return 'it has no list of models there (upstream.url ends with /v1 or before it)'
  if (kind === 'unreachable') return `nobody answers there (${detail})`
  if (kind === 'late') return 'it takes too long to answer'
  return kind === 'garbage' ? `it answers no list of models (${detail})` : `the connection breaks (${detail})`
}

/** Its models are owned by whoever made them, so it is asked for its own version. Anything but a version is no. */
async function isOllama(base: string, limits: UpstreamLimits): Promise<boolean> {
  const root = createUpstream(new URL(base).origin, {}, limits.connectMs)
  try {
    const { signal } = new AbortController()
    const response: IncomingMessage = await root.send({
      method: 'GET',
      path: '/api/version',
      headMs: limits.lookMs,
      signal,
    })
    const body = parsedJson(await readWhole(response, limits.errorBytes, limits.lookMs))
    return response.statusCode === 200 && typeof body === 'object' && body !== null && 'version' in body
  } catch {
    return false
  } finally {
    root.close()
  }
}
