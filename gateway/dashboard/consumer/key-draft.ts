// What the form for a new key says, as the gateway takes it (pure); what is wrong is said at its field.
import { CreateKeyRequest, type BudgetPeriod } from '../../../protocol/auth.ts'
import type { z } from 'zod'

export interface KeyDraft {
  readonly name: string
  readonly scopes: readonly string[]
  readonly models: readonly string[]
  readonly nodes: readonly string[]
  /** decimal dollars; empty: no cap */
  readonly usd: string
  readonly period: BudgetPeriod
  /** whole numbers; empty: no limit */
  readonly rpm: string
  readonly tpm: string
  readonly concurrency: string
  /** as `datetime-local` writes it; empty: never */
  readonly expires: string
}

export const EMPTY_KEY: KeyDraft = {
  name: '',
  scopes: ['inference'],
  models: [],
  nodes: [],
  usd: '',
  period: 'month',
  rpm: '',
  tpm: '',
  concurrency: '',
  expires: '',
}

export type KeyFaults = Readonly<Partial<Record<keyof KeyDraft, string>>>
export type ReadDraft =
  | { readonly ok: true; readonly request: z.input<typeof CreateKeyRequest> }
  | { readonly ok: false; readonly faults: KeyFaults }

const WORDS: Readonly<Partial<Record<keyof KeyDraft, string>>> = {
  name: 'A name of 1 to 80 characters.',
  scopes: 'At least one.',
  models: 'Model ids of at most 160 characters, at most 100 of them.',
  nodes: 'Node ids, such as node_0123456789abcdef.',
  usd: 'Dollars with at most nine places, such as 5 or 0.25.',
  rpm: 'A whole number from 1 to 1,000,000.',
  tpm: 'A whole number from 1 to 1,000,000,000.',
  concurrency: 'A whole number from 1 to 10,000.',
  expires: 'A time to come.',
}

/** @param now ms since 1970 */
export function readDraft(draft: KeyDraft, now: number): ReadDraft {
  const expires = draft.expires === '' ? null : Date.parse(draft.expires)
  const numbers = { rpm: whole(draft.rpm), tpm: whole(draft.tpm), concurrency: whole(draft.concurrency) }
  const rates = Object.fromEntries(Object.entries(numbers).filter(([, value]) => value !== undefined))
  const parsed = CreateKeyRequest.safeParse({
    name: draft.name,
    scopes: draft.scopes,
    ...(draft.models.length > 0 && { models: draft.models }),
    ...(draft.nodes.length > 0 && { nodes: draft.nodes }),
    ...(draft.usd.trim() !== '' && { limit: { usd: draft.usd.trim(), period: draft.period } }),
    ...(Object.keys(rates).length > 0 && { rateLimit: rates }),
    ...(expires !== null && !Number.isNaN(expires) && { expiresAt: new Date(expires).toISOString() }),
  })
  const isPast = expires !== null && !(expires > now)
  if (parsed.success && !isPast) return { ok: true, request: parsed.data }
  const fields = parsed.success ? [] : parsed.error.issues.map(({ path }) => fieldOf(path.map(String)))
  return { ok: false, faults: faultsAt([...fields, ...(isPast ? ['expires' as const] : [])]) }
}

/** The form's field for a path of the request, such as the gateway names in an error. */
export function fieldOf(path: readonly string[]): keyof KeyDraft {
  const [first = '', second = ''] = path
  if (first === 'limit') return 'usd'
  if (first === 'rateLimit') return second === 'tpm' || second === 'concurrency' ? second : 'rpm'
  if (first === 'expiresAt') return 'expires'
  return first === 'scopes' || first === 'models' || first === 'nodes' ? first : 'name'
}

export const faultsAt = (fields: readonly (keyof KeyDraft)[]): KeyFaults =>
  Object.fromEntries(fields.map((field) => [field, WORDS[field] ?? 'This is not right.']))

/** What is no whole number stays what it is, to be refused. */
function whole(text: string): number | undefined {
  const trimmed = text.trim()
  if (trimmed === '') return undefined
  return /^\d{1,15}$/.test(trimmed) ? Number(trimmed) : Number.NaN
}
