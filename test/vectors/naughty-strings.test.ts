// Strings that have broken other people's programs, each as a prompt and as an embedding input: a node answers or refuses honestly, and goes on.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import { NodeEmbeddingReply, NodeErrorBody } from '../../protocol/node.ts'
import {
  aNode,
  CHAT_PATH,
  chatBody,
  EMBEDDINGS_PATH,
  readAnswer,
  send,
  type TestNode,
} from '../provider-node/builders.ts'
import { describeVectors } from '../support/vectors.ts'

describeVectors('naughty-strings', (vectors) => {
  const strings = z.array(z.string()).parse(vectors.json('blns.json'))
  let node: TestNode
  beforeAll(async () => {
    node = await aNode()
  })
  afterAll(() => node.dispose())

  const inTurn = async (take: (text: string) => Promise<void>) => {
    for (const text of strings) await take(text)
    const health = await fetch(`${node.url}/healthz`)
    expect(health.status).toBe(200)
  }

  it('has all of them', () => expect(strings.length).toBeGreaterThan(400))

  it(
    'answers each as a prompt, or says that it is too long',
    () =>
      inTurn(async (text) => {
        const response = await send(node, CHAT_PATH, chatBody(text, { max_tokens: 2 }))
        if (response.status === 200) return expect((await readAnswer(response)).isDone, text).toBe(true)
        const { error } = NodeErrorBody.parse(await response.json())
        expect([response.status, error.code], text).toEqual([400, 'context_length_exceeded'])
      }),
    60_000,
  )

  it(
    'gives each a vector of finite numbers, or refuses the empty one',
    () =>
      inTurn(async (text) => {
        const body = JSON.stringify({ model: 'souk/word-vectors', input: text })
        const response = await send(node, EMBEDDINGS_PATH, body)
        if (text === '') return expect(response.status).toBe(400)
        expect(response.status, text).toBe(200)
        const { data } = NodeEmbeddingReply.parse(await response.json())
        expect(data[0]?.embedding.length, text).toBe(node.embeddings.manifest.dimensions)
      }),
    60_000,
  )
})
