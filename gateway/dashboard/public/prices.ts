// Prices as the market shows them: dollars per million units, from what the gateway says per unit.
import type { ModelView } from '../../../protocol/openai.ts'
import { fromUsd, MILLION, nanos, toUsd } from '../../../protocol/units.ts'
import { usd } from '../ui/money.tsx'

/** @param perUnit decimal dollars. @example perMillion('0.00000001') // '$0.01' */
export const perMillion = (perUnit: string): string => usd(toUsd(nanos(fromUsd(perUnit) * MILLION)))

export type Task = ModelView['task']

export const TASKS: Readonly<Record<Task, string>> = {
  chat: 'Chat',
  embeddings: 'Embeddings',
  classification: 'Classification',
  ocr: 'Text in images',
  tensors: 'Tensors',
}

/** Paid by the byte, and called by the Open Inference Protocol. */
export const isOfTensors = (task: string): boolean => task !== 'chat' && task !== 'embeddings'

/** What a model costs at its cheapest offer, in as few words as its task needs; exactly, where the gateway says so. */
export function priceWords({ task, pricing }: Pick<ModelView, 'task' | 'pricing'>): readonly string[] {
  if (pricing === null) return ['nobody offers it now']
  const price = (of: 'prompt' | 'completion' | 'byte'): string =>
    pricing.per_million === undefined ? perMillion(pricing[of]) : usd(pricing.per_million[of])
  const perCall = Number(pricing.request) > 0 ? [`${usd(pricing.request)} per call`] : []
  if (isOfTensors(task)) return [`${price('byte')} per MB of tensors`, ...perCall]
  const input = `${price('prompt')} per million input tokens`
  if (task === 'embeddings') return [input, ...perCall]
  return [input, `${price('completion')} per million output tokens`, ...perCall]
}
