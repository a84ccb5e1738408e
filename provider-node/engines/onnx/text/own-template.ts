// The chat template a model came with: a Jinja program, which must never see what callers write. It is rendered with unguessable placeholders in
// place of their texts; what it says itself is read with the model's special tokens, and their texts, put in where the placeholders stand, are
// read without. So no message can end its own turn, whatever the template does. A template that loses, repeats or changes a message's text cannot
// be used. It runs for a bounded time and may say a bounded amount.
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Template } from '@huggingface/jinja'
import { z } from 'zod'
import { NODE_LIMITS } from '../../../limits.ts'
import { withinMs } from './bounded.ts'
import type { Messages } from './chatml.ts'
import type { ChatTemplate } from './template.ts'
import type { ModelTokenizer } from './tokenizer.ts'

const CONFIG = 'tokenizer_config.json'
const TokenName = z.union([z.string(), z.looseObject({ content: z.string() }).transform(({ content }) => content)])
const ConfigFile = z.looseObject({
  chat_template: z.union([z.string(), z.array(z.looseObject({ name: z.string(), template: z.string() }))]),
})

/** @throws Error in words for the operator */
export function loadOwnTemplate(
  folder: string,
  files: Readonly<Record<string, string>>,
  tokenizer: Pick<ModelTokenizer, 'encode' | 'pieces'>,
): ChatTemplate {
  if (!(CONFIG in files)) throw new Error(`its chat template is in ${CONFIG}, which its manifest does not name`)
  const config: unknown = JSON.parse(readFileSync(join(folder, CONFIG), 'utf8'))
  const parsed = ConfigFile.safeParse(config)
  if (!parsed.success) throw new Error(`there is no chat_template in its ${CONFIG}`)
  const { chat_template: written } = parsed.data
  const source = typeof written === 'string' ? written : written.find(({ name }) => name === 'default')?.template
  if (source === undefined) throw new Error(`none of the templates in its ${CONFIG} is called default`)
  const render = renderer(source, namesOf(parsed.data))
  probe(render)
  return {
    tokens(messages) {
      const parts = partsOf(render, messages)
      return parts && tokensOf(parts, tokenizer)
    },
  }
}

/** @returns null when the template throws (it does so for dialogues it does not take), is too slow or says too much */
type Render = (messages: readonly { role: string; content: string }[]) => string | null

function renderer(source: string, names: Readonly<Record<string, string>>): Render {
  let template: Template
  try {
    template = withinMs(NODE_LIMITS.templateMs, () => new Template(source))
  } catch {
    throw new Error('its chat template cannot be read')
  }
  return (messages) => {
    try {
      const rendered = withinMs(NODE_LIMITS.templateMs, () =>
        template.render({ ...names, messages, add_generation_prompt: true }),
      )
      return rendered.length > NODE_LIMITS.templateCharacters ? null : rendered
    } catch {
      return null
    }
  }
}

/** `bos_token`, `eos_token` and so on, as templates call them. */
function namesOf(config: Readonly<Record<string, unknown>>): Record<string, string> {
  const tokens = Object.entries(config).filter(([key]) => key.endsWith('_token'))
  return Object.fromEntries(
    tokens.flatMap(([key, value]) => {
      const name = TokenName.safeParse(value)
      return name.success ? [[key, name.data]] : []
    }),
  )
}

const ROLES = [
  ['user'],
  ['system', 'user'],
  ['user', 'assistant', 'user'],
  ['system', 'user', 'assistant', 'user', 'assistant', 'user'],
] as const

/** Text that escaping, folding and collapsing would change. @throws Error in words for the operator, of what sample dialogues show */
function probe(render: Render): void {
  const mark = randomBytes(8).toString('hex')
  for (const roles of ROLES) {
    const dialogue = roles.map((role, turn) => ({
      role,
      content: `Q${mark}${turn} "it's" <b> & \\ {{ x }} é\n\n  ${turn}Z`,
    }))
    const rendered = render(dialogue)
    // A model may know no system, say; but a user's word it must take.
    if (rendered === null && roles.length === 1)
      throw new Error('its chat template takes no message of a user, or takes too long for it')
    if (rendered === null || dialogue.every(({ content }) => rendered.split(content).length === 2)) continue
    throw new Error(`its chat template loses, repeats or changes what messages say (${roles.join(', ')})`)
  }
}

/**
 * The template's own words, and at odd places the callers'; null when the template does not take this dialogue, or loses, repeats or changes a
 * text of it. White space around a text stands around its placeholder, so that a template that trims, trims as always; a text of white space
 * alone, or of nothing, stands for itself: no special token can be made of it.
 */
function partsOf(render: Render, messages: Messages): string[] | null {
  const nonce = randomBytes(16).toString('hex')
  const texts = messages.map(({ content }) => content.trim())
  const dialogue = messages.map(({ role, content }, index) => ({
    role: role === 'developer' ? 'system' : role,
    content: texts[index] === '' ? content : content.replace(texts[index] ?? '', () => `x${nonce}x${index}x`),
  }))
  const pieces = render(dialogue)?.split(new RegExp(`x${nonce}x(\\d+)x`))
  if (!pieces) return null
  const seen = pieces.filter((_, at) => at % 2 === 1).map(Number)
  const isEachOnce = new Set(seen).size === seen.length && seen.length === texts.filter((text) => text !== '').length
  const isChanged = pieces.some((piece, at) => at % 2 === 0 && piece.toLowerCase().includes(nonce))
  if (!isEachOnce || isChanged) return null
  return pieces.map((piece, at) => (at % 2 === 0 ? piece : (texts[Number(piece)] ?? '')))
}

/** Ordinary text that stands together is read together, as if the whole had been read at once. */
function tokensOf(parts: readonly string[], tokenizer: Pick<ModelTokenizer, 'encode' | 'pieces'>): number[] {
  const tokens: number[] = []
  let text = ''
  const flush = () => {
    if (text !== '') tokens.push(...tokenizer.encode(text))
    text = ''
  }
  parts.forEach((part, at) => {
    for (const piece of at % 2 === 0 ? tokenizer.pieces(part) : [part]) {
      if (typeof piece === 'string') text += piece
      else {
        flush()
        tokens.push(piece)
      }
    }
  })
  flush()
  return tokens
}
