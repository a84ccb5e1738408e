// Our own onnx node as the server of the Open Inference Protocol behind another node's engine: real tensors through gateway ticket, node, engine, HTTP,
// node and graph, the same as from the graph itself.
import { cp } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { sha256Hex } from '../../../../protocol/canonical.ts'
import { NODE_PATHS } from '../../../../protocol/node.ts'
import { decodeAnswer, encodeRequest } from '../../../../protocol/oip-canonical.ts'
import { stringsOf, stringsToBytes, tensorBytes, type InferRequest } from '../../../../protocol/oip.ts'
import { outputHash, verifyReceipt } from '../../../../protocol/receipt.ts'
import { importPublicKey } from '../../../../protocol/keys.ts'
import { loadModel } from '../../../../provider-node/model-store/check.ts'
import type { LoadedModel } from '../../../../provider-node/model-store/manifest.ts'
import { aNode, aTemporaryFolder, aTicket, shippedFolder, type TestNode } from '../../builders.ts'

const OWN_KEY = 'own-key-of-the-test-0123456789'
const prices = { inputPerMillion: '0', outputPerMillion: '0', bytesPerMillion: '1', perCall: '0' }
const common = { prices, queueMax: 16, threads: 1 } as const

let behind: TestNode
let front: TestNode
let model: LoadedModel
let folder: Awaited<ReturnType<typeof aTemporaryFolder>>
const logged: string[] = []

const frontOf = (key: string) =>
  aNode(
    {
      models: [
        {
          ...common,
          folder: folder.path,
          engine: 'oip',
          upstream: { url: behind.url, model: 'souk/language-id', apiKeyEnv: 'UPSTREAM_KEY' },
        },
      ],
    },
    { env: { UPSTREAM_KEY: key }, log: (_, event) => void logged.push(event) },
  )

beforeAll(async () => {
  model = await loadModel(shippedFolder('language-id'))
  behind = await aNode({ ownKey: OWN_KEY, models: [{ ...common, folder: 'language-id', engine: 'onnx' }] })
  folder = await aTemporaryFolder()
  await cp(join(shippedFolder('language-id'), 'manifest.json'), join(folder.path, 'manifest.json'))
  front = await frontOf(OWN_KEY)
})
afterAll(async () => {
  await front?.dispose()
  await behind?.dispose()
  await folder?.remove()
})

const TEXTS = ['Dies ist ein deutscher Satz.', 'This is an English sentence.', "C'est une phrase en français."]
const aRequest = (over: Partial<InferRequest> = {}): InferRequest => ({
  modelName: 'souk/language-id',
  inputs: [{ name: 'text', datatype: 'BYTES', shape: [TEXTS.length], data: stringsToBytes(TEXTS) }],
  outputs: [],
  parameters: {},
  ...over,
})

async function asked(node: TestNode, request: InferRequest) {
  const body = encodeRequest(request)
  const ticket = aTicket(node, NODE_PATHS.infer, '', {
    model: model.manifest.id,
    modelDigest: model.digest,
    tensorBytesMax: 1_000_000,
    bodySha256: sha256Hex(body),
  })
  const response = await fetch(`${node.url}${NODE_PATHS.infer}`, {
    method: 'POST',
    headers: { authorization: `Souk ${await node.gateway.sign(ticket)}` },
    body: Uint8Array.from(body),
  })
  const bytes = new Uint8Array(await response.arrayBuffer())
  return { status: response.status, ticket, bytes, answer: decodeAnswer(bytes) }
}

describe('tensors through two nodes', () => {
  it.each([{}, { outputs: ['score', 'label'] }, { parameters: { top_k: 3 } }])(
    'are those of the graph itself, and receipted: %j',
    async (over) => {
      const request = aRequest(over)
      const [through, direct] = [await asked(front, request), await asked(behind, request)]
      if (!through.answer.ok || !direct.answer.ok) throw new Error('no answer')
      const { outputs } = through.answer.value
      expect(outputs).toEqual(direct.answer.value.outputs)
      const labels = outputs.find(({ name }) => name === 'label')
      const first = stringsOf(labels?.data ?? new Uint8Array()).map((bytes) => new TextDecoder().decode(bytes))
      expect(first).toEqual(expect.arrayContaining(['deu', 'eng', 'fra']))
      const key = await importPublicKey(front.identity.nodeKey)
      expect(await verifyReceipt(through.answer.value.receipt ?? '', key)).toMatchObject({
        ok: true,
        value: {
          outcome: 'complete',
          tensorBytes: tensorBytes(request.inputs) + tensorBytes(outputs),
          outputs: outputs.map(({ data }) => outputHash(through.ticket.salt, data)),
        },
      })
    },
  )

  it('that do not fit are refused by name before the second node hears of them', async () => {
    const { status, bytes } = await asked(front, aRequest({ outputs: ['colour'] }))
    expect([status, new TextDecoder().decode(bytes)]).toEqual([400, expect.stringContaining('The model has no output')])
  })

  it('are told as the key is wrong: the operator is told what to mend, the caller nothing of it', async () => {
    const wrong = await frontOf('another-key-0123456789')
    const { status, bytes } = await asked(wrong, aRequest())
    expect([status, new TextDecoder().decode(bytes)]).toEqual([500, expect.stringContaining('"internal"')])
    expect(logged).toContain('upstream_refuses_key')
    await wrong.dispose()
  })
})
