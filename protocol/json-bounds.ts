// How large a JSON text may become as values (rule). A megabyte of brackets or of empty strings takes a hundred of memory once it is parsed, so the
// text is counted before: what no tensor needs is refused while it is still text. Without recursion, and in one walk.

/** Ceilings of a request or an answer in tensors. Together they keep 16 MiB of text below half of an isolate's 128 MiB. */
export const JSON_BOUNDS = {
  /** nesting: a tensor has at most sixteen dimensions */
  depth: 32,
  /** arrays and objects: the pixels of a large image, each an array of its own */
  containers: 1024 * 1024,
  /** names of fields: 64 tensors each way, and parameters */
  fields: 4_096,
  /** strings: more elements of BYTES go in binary */
  strings: 1024 * 1024,
  /** commas, and so elements: 16 MiB of floats in their usual digits are two million */
  values: 4 * 1024 * 1024,
} as const

/** What there is too much of, in words; null when the text is within its bounds. Exact as far as it is JSON, which is as far as a parser goes. */
export function beyondJsonBounds(text: string): string | null {
  const seen = { depth: 0, containers: 0, fields: 0, strings: 0, values: 0 }
  for (let at = 0; at < text.length; at++) {
    const character = text.charCodeAt(at)
    if (character === COMMA) seen.values++
    else if (character === QUOTE) {
      seen.strings++
      at = endOfString(text, at)
    } else if (character === COLON) seen.fields++
    else if (character === OPEN_ARRAY || character === OPEN_OBJECT) {
      seen.containers++
      if (++seen.depth > JSON_BOUNDS.depth) return `It is nested deeper than ${JSON_BOUNDS.depth}.`
    } else if (character === CLOSE_ARRAY || character === CLOSE_OBJECT) seen.depth--
  }
  if (seen.containers > JSON_BOUNDS.containers) return `It has more than ${JSON_BOUNDS.containers} arrays and objects.`
  if (seen.fields > JSON_BOUNDS.fields) return `It has more than ${JSON_BOUNDS.fields} fields.`
  if (seen.strings > JSON_BOUNDS.strings) return `It has more than ${JSON_BOUNDS.strings} strings.`
  return seen.values > JSON_BOUNDS.values ? `It has more than ${JSON_BOUNDS.values} values.` : null
}

/** Where its closing quote stands; the end of the text without one. */
function endOfString(text: string, opening: number): number {
  for (let at = opening + 1; ; at++) {
    at = text.indexOf('"', at)
    if (at < 0) return text.length
    let backslashes = 0
    while (text.charCodeAt(at - 1 - backslashes) === BACKSLASH) backslashes++
    if (backslashes % 2 === 0) return at
  }
}

const codeOf = (character: string): number => character.charCodeAt(0)
const QUOTE = codeOf('"')
const BACKSLASH = codeOf('\\')
const COMMA = codeOf(',')
const COLON = codeOf(':')
const OPEN_ARRAY = codeOf('[')
const CLOSE_ARRAY = codeOf(']')
const OPEN_OBJECT = codeOf('{')
const CLOSE_OBJECT = codeOf('}')
