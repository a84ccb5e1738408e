// Ten thousand calls over one link, some cancelled, some read slowly, with links that break in between: no answer is another's, nothing is left behind, and
// memory stays where it was.
import { afterEach, describe, expect, it } from 'vitest'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { LINK } from '../../../protocol/link.ts'
import type { Caller } from '../../../provider-node/caller.ts'
import { eventually } from '../builders.ts'
import { aLink } from './builders.ts'
import { ended, type Exchange, type FakeLink } from './fake-gateway.ts'

setFlagsFromString('--expose-gc')
const collect: unknown = runInNewContext('gc')
/** bytes in use after a collection: of objects and of what they hold outside the heap */
function memoryBytes(): number {
  if (typeof collect === 'function') collect()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

const rejections: unknown[] = []
const note = (reason: unknown) => void rejections.push(reason)
process.on('unhandledRejection', note)
afterEach(() => expect(rejections.splice(0)).toEqual([]))

describe('ten thousand calls over one link', () => {
  it('carry each their question, leave nothing behind and take no more memory at the end than after the first thousand', async () => {
    const open = new Set<string>()
    // Answers its question three times, in pieces, as the reader takes them.
    const serve = async (request: Request, caller: Caller) => {
      const question = await request.text()
      open.add(question)
      caller.onGone(() => open.delete(question))
      let pieces = 0
      return new Response(
        new ReadableStream<Uint8Array>(
          {
            pull(controller) {
              if (pieces++ === 3) return controller.close()
              controller.enqueue(new TextEncoder().encode(question))
            },
          },
          { highWaterMark: 0 },
        ),
      )
    }
    const test = await aLink(serve)
    let asked = 0
    let crossed = 0
    let whole = 0

    async function round(link: FakeLink, size: number): Promise<void> {
      const calls = Array.from({ length: size }, () => {
        const question = `${asked++} `.repeat(1 + (asked % 300))
        return { question, exchange: link.call({}, question), isCancelled: asked % 7 === 0 }
      })
      for (const { exchange, isCancelled } of calls) if (isCancelled) link.cancel(exchange)
      for (const { question, exchange, isCancelled } of calls) {
        const { text, end }: Exchange = await ended(exchange)
        if (end === 'end') whole += 1
        if (end === 'end' ? text !== question.repeat(3) : !question.repeat(3).startsWith(text)) crossed += 1
        if (!isCancelled && end === 'cancel') throw new Error('an answer was broken off')
      }
      link.exchanges.clear()
    }

    let afterFirst = 0
    for (let rounds = 0; rounds < 50; rounds++) {
      const link = await test.gateway.link()
      await round(link, 200)
      if (rounds === 4) afterFirst = memoryBytes()
      if (rounds % 10 !== 9) continue
      link.socket.terminate()
      await eventually(() => !test.link.isUp())
      await eventually(async () => {
        await test.clock.pass(LINK.pauseMs.last)
        return test.link.isUp()
      })
    }
    const grown = memoryBytes() - afterFirst
    expect({ asked, crossed, open: open.size }).toEqual({ asked: 10_000, crossed: 0, open: 0 })
    expect(whole).toBeGreaterThan(8_000)
    expect(test.gateway.links.every(({ strays, overdrafts }) => strays + overdrafts === 0)).toBe(true)
    expect(test.metric('souk_node_link_streams')).toBe(0)
    console.log(`memory grew by ${Math.round(grown / 1024)} kB over 9,000 calls`)
    expect(grown).toBeLessThan(8 * 1024 * 1024)
  }, 120_000)
})
