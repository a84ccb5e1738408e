// One call as its caller sees it: every byte of the answer is compared as it comes. It is whole, cancelled by us, or failed; whatever else happens is a fault of the product.
import { Agent, request, type IncomingMessage } from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'
import { answeringOf, askingOf, keystream, sha256, type Asking } from './pattern.ts'
import { WHOLE } from './whole.ts'

/** `failed`: an error and never an end. `wrong`: a byte that is not of this answer, or an end that came too early. `stuck`: no end at all. */
export type Ending = 'whole' | 'cancelled' | 'failed' | 'wrong' | 'stuck'

export interface Outcome {
  readonly ending: Ending
  /** ms since the Unix epoch, of the last try */
  readonly from: number
  readonly to: number
  /** bytes of the question and of what came of the answer */
  readonly bytes: number
  /** tries that found no link, or one that was about to go: nothing was executed */
  readonly away: number
  /** tries on a kept connection that was closed before an answer began: HTTP/1.1 lets either side close one while it is idle (RFC 9112, 9.5) */
  readonly closed: number
  readonly why: string | null
}

/** ms a call may take, and may wait for a link: the longest takes a few seconds here */
const CALL_MS = 60_000
/** ms between two tries of a call that found no link */
const AWAY_MS = 100
const agent = new Agent({ keepAlive: true })

export async function callOf(url: string, seed: number, index: number): Promise<Outcome> {
  const asking = askingOf(seed, index)
  const stuck = AbortSignal.timeout(CALL_MS)
  const again = { away: 0, closed: 0 }
  for (;;) {
    const from = Date.now()
    const tried = await once(url, asking, stuck)
    if (typeof tried !== 'string') return { ...tried, from, to: Date.now(), ...again }
    again[tried] += 1
    if (tried === 'away') await wait(AWAY_MS)
  }
}

type Tried = Pick<Outcome, 'ending' | 'bytes' | 'why'>

/** A word: to be tried again, and why. */
async function once(
  url: string,
  { question, cancelMs, pauseMs }: Asking,
  stuck: AbortSignal,
): Promise<Tried | 'away' | 'closed'> {
  const leaving = new AbortController()
  const timer = cancelMs === null ? undefined : setTimeout(() => leaving.abort(), cancelMs)
  let bytes = question.byteLength
  const ended = (ending: Ending, why: string | null = null): Tried => ({ ending, bytes, why })
  try {
    const response = await posted(url, question, AbortSignal.any([leaving.signal, stuck]))
    if (response.statusCode !== 200) {
      response.resume()
      const isAway = response.statusCode === 503 || response.statusCode === 429
      return isAway && !stuck.aborted ? 'away' : ended('failed', `status ${response.statusCode}`)
    }
    const key = sha256(question)
    const next = keystream(key)
    let left = answeringOf(key).bytes
    let isWhole = false
    for await (const part of response) {
      const chunk = part as Buffer // no encoding was set
      bytes += chunk.byteLength
      const data = chunk.subarray(0, left)
      const isRight = !isWhole && next(data.byteLength).equals(data)
      left -= data.byteLength
      const rest = chunk.subarray(data.byteLength)
      isWhole = rest.byteLength === 1 && rest[0] === WHOLE
      if (!isRight || (rest.byteLength > 0 && !isWhole)) return ended('wrong', `${left} bytes before the end`)
      if (pauseMs > 0) await wait(pauseMs)
    }
    return isWhole ? ended('whole') : ended('failed', `broke off ${left} bytes before the end`)
  } catch (cause) {
    if (leaving.signal.aborted) return ended('cancelled')
    if (stuck.aborted) return ended('stuck', `after ${bytes} bytes`)
    if (cause instanceof ClosedBefore) return 'closed'
    return ended('failed', cause instanceof Error ? cause.message : 'unknown')
  } finally {
    clearTimeout(timer)
  }
}

class ClosedBefore extends Error {}

/** By node:http: its answers that break off are errors, and its readers hold the sender up. */
function posted(url: string, body: Buffer, signal: AbortSignal): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    let begun = false
    const isBegun = () => begun
    const asked = request(
      url,
      { method: 'POST', agent, signal, headers: { 'content-length': body.byteLength } },
      (response) => {
        begun = true
        resolve(response)
      },
    )
    asked.on('error', (error) => reject(asked.reusedSocket && !isBegun() ? new ClosedBefore(error.message) : error))
    asked.end(body)
  })
}
