// What a request asks of an engine beyond what every engine honours, and how it looks from outside (rule). Of its fields alone: no word of a prompt
// goes through here.
import { PARAMETERS, type Parameter } from '../../../protocol/routing.ts'
import type { CallShape } from '../../market/market-port.ts'

/** The request's own values of {@link PARAMETERS}; absent, null or undefined: not given. */
export type Fields = Readonly<Partial<Record<Parameter, unknown>>>

/** Values that ask for what every engine does anyway. */
const NEUTRAL: Readonly<Partial<Record<Parameter, (value: unknown) => boolean>>> = {
  top_p: (value) => value === 1,
  top_k: (value) => value === 0,
  n: (value) => value === 1,
  stop: (value) => Array.isArray(value) && value.length === 0,
  logprobs: (value) => value === false,
  top_logprobs: (value) => value === 0,
  response_format: (value) => formatOf(value) === 'text',
}

/** @example { n: 1, seed: 7, logprobs: false } // seed */
export function parametersInUse(fields: Fields): ReadonlySet<Parameter> {
  return new Set(PARAMETERS.filter((name) => isGiven(fields[name]) && !NEUTRAL[name]?.(fields[name])))
}

/**
 * @param parts messages, prompts or inputs
 * @param maxTokens as asked for; absent: not
 * @example { temperature: 0.5, stop: ['a', 'b'], seed: 7 } // sampling { temperature: 0.5, stop: 2, seed: true }
 */
export function shapeOf(
  fields: Fields,
  parts: number,
  maxTokens?: number | null,
): Pick<CallShape, 'parts' | 'maxTokens' | 'sampling'> {
  const told = PARAMETERS.flatMap((name) => {
    const value = isGiven(fields[name]) ? worded(name, fields[name]) : null
    return value === null ? [] : [[name, value] as const]
  })
  return { parts, ...(maxTokens ? { maxTokens } : {}), sampling: Object.fromEntries(told) }
}

/** A stop sequence is a word of the caller's, and a seed could be its name: they are told as how many, and whether. */
function worded(name: Parameter, value: unknown): number | string | boolean | null {
  if (name === 'stop') return Array.isArray(value) ? value.length : 1
  if (name === 'seed') return true
  if (name === 'response_format') return formatOf(value)
  return typeof value === 'number' || typeof value === 'boolean' ? value : null
}

const formatOf = (value: unknown): string | null =>
  typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string' ? value.type : null

const isGiven = (value: unknown): boolean => value !== undefined && value !== null
