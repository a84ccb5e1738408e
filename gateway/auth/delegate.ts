// What a key with the scope `manage` may hand on (rule): keys no broader than itself. It makes keys that infer, never ones that manage, so
// that revoking it ends what it can do; they live no longer than it, and call no model and no node that it may not. A key whose own spending
// is limited hands on nothing: many limited keys are an unlimited one.
import type { KeyView } from '../../protocol/auth.ts'
import type { ErrorCode } from '../../protocol/errors.ts'

export interface Breadth {
  readonly scopes: KeyView['scopes']
  readonly models: readonly string[] | null
  readonly nodes: readonly string[] | null
  /** ISO 8601, null for ever */
  readonly expiresAt: string | null
}

export interface TooBroad {
  readonly ok: false
  readonly code: Extract<ErrorCode, 'forbidden'>
  /** the field that is too broad; null: the key hands on nothing at all */
  readonly param: keyof Breadth | null
  readonly detail: string
}

/** Whether `manager` may make such a key, or get a new secret of it. */
export function mayHandOn(manager: KeyView, wanted: Breadth): { readonly ok: true } | TooBroad {
  if (isLimited(manager)) return tooBroad(null, 'A key with a budget or rates of its own hands on no keys.')
  if (wanted.scopes.includes('manage')) return tooBroad('scopes', 'Only a signed-in wallet makes keys that manage.')
  if (!isWithin(wanted.models, manager.models)) return tooBroad('models', 'This key may not call all of these models.')
  if (!isWithin(wanted.nodes, manager.nodes)) return tooBroad('nodes', 'This key may not use all of these nodes.')
  if (!endsWith(wanted.expiresAt, manager.expiresAt))
    return tooBroad('expiresAt', `This key ends at ${manager.expiresAt}, and so does what it makes.`)
  return { ok: true }
}

/** What is not asked for is as narrow as the key that makes it. */
export const inherited = (manager: KeyView, wanted: Breadth): Breadth => ({
  scopes: wanted.scopes,
  models: wanted.models ?? manager.models,
  nodes: wanted.nodes ?? manager.nodes,
  expiresAt: wanted.expiresAt ?? manager.expiresAt,
})

/** A shadow refuses nothing, so it limits nothing. */
function isLimited({ limit, rateLimit: { rpm, tpm, concurrency, shadow } }: KeyView): boolean {
  const hasRates = rpm !== null || tpm !== null || concurrency !== null
  return (limit !== null && !limit.shadow) || (hasRates && !shadow)
}

function isWithin(list: readonly string[] | null, bound: readonly string[] | null): boolean {
  return bound === null || (list !== null && list.every((item) => bound.includes(item)))
}

function endsWith(end: string | null, bound: string | null): boolean {
  return bound === null || (end !== null && Date.parse(end) <= Date.parse(bound))
}

const tooBroad = (param: TooBroad['param'], detail: string): TooBroad => ({
  ok: false,
  code: 'forbidden',
  param,
  detail,
})
