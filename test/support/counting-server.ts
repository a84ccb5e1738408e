// A server behind a node, as an operator would have vLLM there: its model counts in words (`count 5` answers `n0 n1 n2 n3 n4 `), as slowly as a test wants,
// so that calls can be caught in the middle through the real program. And what a node needs to serve it.
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { ModelConfig } from '../../provider-node/config.ts'
import { aServer, CHAT, DONE, MODELS, modelList, say, used } from '../provider-node/engines/upstream/scripted-server.ts'
import { countingModel } from './fault-node-words.ts'

export interface CountingServer {
  readonly url: string
  readonly port: number
  /** ms between two words */
  wordMs: number
  /** calls whose caller hung up before their answer had ended */
  hungUp(): number
  close(): Promise<void>
}

const NAME = 'counter'
const Asked = z.object({ messages: z.array(z.object({ content: z.string() })) })

export async function aCountingServer(): Promise<CountingServer> {
  const server = await aServer()
  const state = { wordMs: 0 }
  server.on(MODELS, modelList('vllm', NAME))
  server.on(CHAT, async (response, { json }) => {
    const prompt = Asked.parse(json).messages.at(-1)?.content ?? ''
    const words = Number(/count (\d+)/.exec(prompt)?.[1] ?? 0)
    const event = (data: object | string) =>
      response.write(`data: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`)
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    for (let word = 0; word < words && !response.destroyed; word++) {
      if (state.wordMs > 0) await new Promise((resolve) => setTimeout(resolve, state.wordMs))
      event(say(`n${word} `))
    }
    for (const last of [say('', 'stop'), used(8, words), DONE]) event(last)
    response.end()
  })
  return Object.assign(state, {
    url: server.url,
    port: Number(new URL(server.url).port),
    hungUp: () => server.askedFor(CHAT).filter(({ hungUpAt }) => hungUpAt !== null).length,
    close: () => server.close(),
  })
}

/** What {@link aCountingServer} answers to `count <words>`. */
export const counted = (words: number): string => Array.from({ length: words }, (_, word) => `n${word} `).join('')

/** A folder with the manifest alone, and the entry in a node's configuration that serves it. @param places calls at the same time; the next is refused */
export async function countingEntry(
  parent: string,
  id: string,
  { url }: Pick<CountingServer, 'url'>,
  places: number,
): Promise<Omit<ModelConfig, 'threads'>> {
  const folder = join(parent, NAME)
  await mkdir(folder, { recursive: true })
  await writeFile(join(folder, 'manifest.json'), JSON.stringify(countingModel(id)))
  return {
    folder,
    licence: 'Apache-2.0',
    engine: 'openai',
    upstream: { url, model: NAME },
    concurrencyMax: places,
    queueMax: 0,
    prices: { inputPerMillion: '5', outputPerMillion: '20', perCall: '0' },
  }
}
