// Log probabilities on their way out: each waits until its token's text is given out, so that a stop sequence that was held back is not told of
// here either. Put together, their bytes are the text.
import type { TokenLogprob } from '../../protocol/openai.ts'
import type { TextPart } from './text-stream.ts'

export class ToldTokens {
  #held: TokenLogprob[] = []
  #released = 0
  /** UTF-8 of the text given out, less that of the tokens released */
  #ahead = 0
  /** Of bytes that were no UTF-8 the text has others: then one cannot tell where in a token it was cut. */
  #isExact = true

  hold(token: TokenLogprob): void {
    this.#held.push(token)
  }

  /** @param isOver the answer ends here: of a token that is given out in part, the part is told */
  release({ text, wholeParts }: TextPart, isOver: boolean): TokenLogprob[] {
    const whole = this.#held.splice(0, wholeParts - this.#released)
    this.#released = wholeParts
    this.#isExact &&= !text.includes('\uFFFD')
    this.#ahead += Buffer.byteLength(text) - whole.reduce((sum, { bytes }) => sum + (bytes?.length ?? 0), 0)
    const [cut] = this.#held
    if (!isOver || !cut?.bytes || !this.#isExact || this.#ahead <= 0) return whole
    this.#held = []
    return [...whole, cutToken(cut, cut.bytes.slice(0, this.#ahead))]
  }
}

/** Its alternatives name the token itself, too: there it is cut likewise. */
function cutToken(token: TokenLogprob, bytes: number[]): TokenLogprob {
  const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(Uint8Array.from(bytes))
  const isItself = (other: string) => other === token.token
  return {
    ...token,
    token: text,
    bytes,
    top_logprobs: token.top_logprobs.map((other) => (isItself(other.token) ? { ...other, token: text, bytes } : other)),
  }
}
