// Tokens and the characters they stand for (rule): one character may need several tokens, and a token may hold a part of one. Characters are
// Unicode code points, as OpenAI counts them.
import type { TokenLogprob } from '../../../protocol/openai.ts'

type Token = Pick<TokenLogprob, 'token' | 'bytes'>

/** Characters that begin in these tokens. @example charactersOf of "h", "é" in two tokens // 2 */
export const charactersOf = (tokens: readonly Token[]): number =>
  tokens.reduce((sum, token) => sum + charactersIn(token), 0)

/** Where each token begins. A token in the middle of a character begins where that character ends. */
export function offsetsOf(tokens: readonly Token[], from: number): number[] {
  let at = from
  return tokens.map((token) => {
    const offset = at
    at += charactersIn(token)
    return offset
  })
}

/** Its text, or OpenAI's spelling of bytes that are none. @example { token: '\ufffd', bytes: [226, 156] } // 'bytes:\xe2\x9c' */
export function tokenName({ token, bytes }: Token): string {
  if (bytes === null || !token.includes('\ufffd') || isText(token, bytes)) return token
  return `bytes:${bytes.map((byte) => `\\x${byte.toString(16).padStart(2, '0')}`).join('')}`
}

/** In UTF-8 every character has exactly one byte that is no continuation. */
const charactersIn = ({ token, bytes }: Token): number =>
  bytes === null ? [...token].length : bytes.filter((byte) => (byte & 0xc0) !== 0x80).length

function isText(token: string, bytes: readonly number[]): boolean {
  const own = new TextEncoder().encode(token)
  return own.length === bytes.length && own.every((byte, index) => byte === bytes[index])
}
