// A request of the playground: from what stands in the form to the exact text that is sent, and that the code beside it repeats. Pure.
import type { QuoteRequest } from '../../../protocol/endpoints.ts'
import { PROVIDER_HEADER } from '../../../protocol/provider-header.ts'
import type { Continent, ProviderPreferences } from '../../../protocol/routing.ts'
import type { Surface } from './surface.ts'
import type { TensorRequest } from './tensor-fields.ts'

export interface Turn {
  readonly role: 'user' | 'assistant'
  readonly content: string
}

/** Numbers as they were typed; empty: not sent. */
export interface Sampling {
  readonly maxTokens: string
  readonly temperature: string
  readonly topP: string
  readonly seed: string
  readonly stop: string
}
export const NO_SAMPLING: Sampling = { maxTokens: '', temperature: '', topP: '', seed: '', stop: '' }

/** Who may serve it; empty: nothing is said of it. */
export interface Wishes {
  readonly sort: '' | 'price' | 'throughput' | 'latency'
  readonly only: string
  readonly ignore: string
  readonly regions: readonly Continent[]
  readonly maxInputPrice: string
  readonly maxOutputPrice: string
  readonly maxBytesPrice: string
  readonly isPinnedOnly: boolean
  readonly isPrivateOnly: boolean
  readonly isOneTry: boolean
}
export const NO_WISHES: Wishes = {
  ...{ sort: '', only: '', ignore: '', regions: [], maxInputPrice: '', maxOutputPrice: '', maxBytesPrice: '' },
  ...{ isPinnedOnly: false, isPrivateOnly: false, isOneTry: false },
}

export const NO_TENSORS: TensorRequest = { ok: false, why: 'This model names no inputs.' }

export interface Form {
  readonly surface: Surface
  readonly model: string
  readonly system: string
  /** what was said before, oldest first */
  readonly turns: readonly Turn[]
  /** message, prompt, or the lines to embed */
  readonly text: string
  readonly sampling: Sampling
  /** put together where they are typed (tensors-form.tsx) */
  readonly tensors: TensorRequest
  readonly wishes: Wishes
}

export interface Asked {
  readonly surface: Surface
  readonly model: string
  readonly path: string
  /** the very text of the body */
  readonly body: string
  /** beside content type and key */
  readonly headers: Readonly<Record<string, string>>
  readonly quote: QuoteRequest
}
export type AskedOr = { readonly ok: true; readonly asked: Asked } | { readonly ok: false; readonly why: string }

export function askedOf(form: Form): AskedOr {
  if (form.model === '') return { ok: false, why: 'Choose a model.' }
  const provider = preferencesOf(form.wishes, form.surface)
  if (form.surface === 'tensors') return tensorsAsked(form, provider)
  if (form.text.trim() === '') return { ok: false, why: EMPTY[form.surface] }
  const request = { ...wordsOf(form), ...(provider && { provider }) }
  const endpoint = PATHS[form.surface]
  return {
    ok: true,
    asked: {
      ...{ surface: form.surface, model: form.model, path: endpoint, headers: {} },
      body: JSON.stringify(request),
      quote: { endpoint, request },
    },
  }
}

const PATHS = {
  chat: '/v1/chat/completions',
  completion: '/v1/completions',
  embeddings: '/v1/embeddings',
} as const
const EMPTY = {
  chat: 'Write a message.',
  completion: 'Write the beginning of a text.',
  embeddings: 'Write at least one line.',
} as const

function wordsOf(form: Form): Record<string, unknown> {
  const { surface, model, text } = form
  if (surface === 'embeddings') {
    const lines = text.split('\n').filter((line) => line.trim() !== '')
    return { model, input: lines, encoding_format: 'float' }
  }
  if (surface === 'completion') return { model, prompt: text, stream: true, ...samplingOf(form.sampling) }
  const system = form.system.trim() === '' ? [] : [{ role: 'system', content: form.system }]
  const messages = [...system, ...form.turns, { role: 'user', content: text }]
  return { model, messages, stream: true, ...samplingOf(form.sampling) }
}

function samplingOf({ maxTokens, temperature, topP, seed, stop }: Sampling): Record<string, unknown> {
  const said = { max_tokens: maxTokens, temperature, top_p: topP, seed }
  const numbers = Object.entries(said).flatMap(([name, typed]) =>
    typed === '' ? [] : [[name, Number(typed)] as const],
  )
  return { ...Object.fromEntries(numbers), ...(stop !== '' && { stop }) }
}

function tensorsAsked({ model, tensors }: Form, provider: ProviderPreferences | undefined): AskedOr {
  if (!tensors.ok) return tensors
  const { body, inputBytes } = tensors
  return {
    ok: true,
    asked: {
      ...{ surface: 'tensors', model, path: `/v2/models/${model}/infer`, body },
      headers: provider ? { [PROVIDER_HEADER]: JSON.stringify(provider) } : {},
      quote: { endpoint: '/v2/models/infer', request: { model, inputBytes, ...(provider && { provider }) } },
    },
  }
}

/** Undefined when nothing is wished. */
export function preferencesOf(wishes: Wishes, surface: Surface): ProviderPreferences | undefined {
  const only = idsOf(wishes.only)
  const ignore = idsOf(wishes.ignore)
  const price =
    surface === 'tensors'
      ? { bytes: wishes.maxBytesPrice.trim() }
      : { prompt: wishes.maxInputPrice.trim(), completion: wishes.maxOutputPrice.trim() }
  const prices = Object.entries(price).filter(([, usd]) => usd !== '')
  const said: ProviderPreferences = {
    ...(wishes.sort !== '' && { sort: wishes.sort }),
    ...(only.length > 0 && { only }),
    ...(ignore.length > 0 && { ignore }),
    ...(wishes.regions.length > 0 && { regions: [...wishes.regions] }),
    ...(prices.length > 0 && { max_price: Object.fromEntries(prices) }),
    ...(wishes.isPinnedOnly && { require_pinned: true }),
    ...(wishes.isPrivateOnly && { data_collection: 'deny' }),
    ...(wishes.isOneTry && { allow_fallbacks: false }),
  }
  return Object.keys(said).length === 0 ? undefined : said
}

const idsOf = (text: string): string[] => text.split(/[\s,]+/).filter((id) => id !== '')
