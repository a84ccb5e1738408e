// The held-out questions of tiny-chat, from its folder.
import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { shippedFolder } from './builders.ts'

const Item = z.object({
  category: z.string(),
  check: z.enum(['exact', 'prefix']),
  messages: z.array(z.object({ role: z.enum(['system', 'user', 'assistant']), content: z.string() })),
  expected: z.string(),
})
export type EvalItem = z.infer<typeof Item>

export const evalItems = (): EvalItem[] =>
  z.object({ items: z.array(Item) }).parse(JSON.parse(readFileSync(`${shippedFolder('tiny-chat')}/eval.json`, 'utf8')))
    .items

/** Categories in which the model answers every held-out question exactly, as its card says. */
export const PERFECT = [
  'capital of a country',
  'country of a capital',
  'multiplication tables to 12',
  'days and months',
  'opposites',
  'plurals',
  'counting',
  'number of letters',
  'general facts',
  'lists of three',
  'remembers a new name (2-3 turns)',
  'follow-up question (2 turns)',
  'question at position 300-480 of a long dialogue',
]
