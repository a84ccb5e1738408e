// Requests of audits against the inference room's own: the same body to the byte, the same bounds.
import { describe, expect, it } from 'vitest'
import { chatDraft } from '../../../../gateway/inference/openai/chat.ts'
import { completionDraft } from '../../../../gateway/inference/openai/completions.ts'
import { embeddingDraft } from '../../../../gateway/inference/openai/embeddings.ts'
import type { OrderDraft } from '../../../../gateway/inference/order/order.ts'
import { seededRandom } from '../../../../protocol/replay.ts'
import {
  DEFAULT_SHAPES,
  DEFAULT_VECTOR_SHAPES,
  isRepeatable,
  textAudit,
  textBody,
  type TextAudit,
} from '../../../../gateway/market/audits/audit-text.ts'
import { tensorAudit, toleranceOf } from '../../../../gateway/market/audits/audit-tensors.ts'
import { textOf } from '../../../../gateway/market/audits/vocabulary.ts'
import { requestMisfit } from '../../../../gateway/market/models/tensor-fit.ts'
import type { CallShape, Model } from '../../../../gateway/market/market-port.ts'
import { ChatRequest, CompletionRequest, EmbeddingRequest } from '../../../../protocol/openai.ts'
import { decodeRequest } from '../../../../protocol/oip-canonical.ts'
import type { ModelId } from '../../../../protocol/units.ts'
import { aManifest, anOffer, aTensorManifest, aVectorManifest } from '../builders.ts'

const OFFER = anOffer({ parameters: new Set(['seed'] as const), outputTokensMax: 200 })
const CHAT: CallShape = {
  path: '/v1/chat/completions',
  bodyBytes: 700,
  parts: 4,
  maxTokens: 300,
  sampling: {
    temperature: 0.7,
    top_p: 0.9,
    top_k: 40,
    n: 2,
    stop: 2,
    logprobs: true,
    top_logprobs: 3,
    response_format: 'json_object',
    seed: true,
  },
}
const BARE: CallShape = { path: '/v1/chat/completions', bodyBytes: 350, parts: 1, sampling: {} }
const PROMPTS: CallShape = {
  path: '/v1/completions',
  bodyBytes: 500,
  parts: 3,
  sampling: { temperature: 1, n: 2, logprobs: 2 },
}
const VECTORS: CallShape = { path: '/v1/embeddings', bodyBytes: 400, parts: 5, sampling: { dimensions: 3 } }

const modelOf = (manifest: Model['manifest']) => ({ id: manifest.id as ModelId, manifest }) as Model // all that a draft reads

/** The same request, as a caller would have sent it to the gateway. */
function draftOf({ path, content, maxTokens, sampling, seed }: TextAudit, shape: CallShape): OrderDraft {
  const common = { model: 'x', ...sampling, ...(shape.maxTokens === undefined ? {} : { max_tokens: maxTokens }) }
  if (path === '/v1/embeddings') return embeddingDraft(EmbeddingRequest.parse({ ...common, ...content }))
  // Not streaming, a caller gets no more log probabilities than can be collected; streaming, all.
  const seeded = { ...common, ...content, seed, stream: true }
  if (path === '/v1/completions') return completionDraft(CompletionRequest.parse(seeded))
  return chatDraft(ChatRequest.parse(seeded))
}

describe('a request in words', () => {
  it.each<[string, CallShape, Model['manifest']]>([
    ['a chat with everything', CHAT, aManifest()],
    ['a chat with nothing', BARE, aManifest()],
    ['several prompts', PROMPTS, aManifest()],
    ['vectors', VECTORS, aVectorManifest()],
    ...DEFAULT_SHAPES.map((shape, i) => [`default ${i}`, shape, aManifest()] as [string, CallShape, Model['manifest']]),
    ...DEFAULT_VECTOR_SHAPES.map(
      (shape, i) => [`default vectors ${i}`, shape, aVectorManifest()] as [string, CallShape, Model['manifest']],
    ),
  ])(
    'of %s is what the inference room makes of it, to the byte, with the bounds of its ticket',
    (name, shape, manifest) => {
      for (let run = 0; run < 20; run++) {
        const audit = textAudit(shape, manifest, OFFER, seededRandom(`${name} ${run}`))
        const made = textBody(audit, manifest, OFFER)
        const draft = draftOf(audit, shape)
        const model = modelOf(manifest)
        expect(made.body).toBe(draft.bodyFor(model, OFFER, { seed: audit.seed, prefix: null }))
        const most = draft.most(model)
        expect([BigInt(made.inputTokensMax), BigInt(made.outputTokensMax)]).toEqual([
          most.inputTokens,
          most.outputTokens,
        ])
      }
    },
  )

  it.each([CHAT, BARE, PROMPTS, VECTORS])(
    'is nearly as long as the call it is made after, in as many parts: $path',
    (shape) => {
      const manifest = shape === VECTORS ? aVectorManifest() : aManifest()
      const sizes = Array.from({ length: 50 }, (_, run) => {
        const audit = textAudit(shape, manifest, OFFER, seededRandom(`size ${run}`))
        const content: unknown[] = Object.values(audit.content)
        expect(content.flat()).toHaveLength(shape.parts)
        return new TextEncoder().encode(textBody(audit, manifest, OFFER).body).byteLength
      })
      for (const size of sizes) expect(Math.abs(size - shape.bodyBytes)).toBeLessThanOrEqual(8)
      expect(new Set(sizes).size).toBeGreaterThan(3)
    },
  )

  it('carries a seed where the offer honours one, and can be compared by it only there', () => {
    const audit = textAudit(BARE, aManifest(), OFFER, seededRandom('a'))
    expect(JSON.parse(textBody(audit, aManifest(), OFFER).body)).toHaveProperty('seed', audit.seed)
    const silent = anOffer({ parameters: null })
    expect(JSON.parse(textBody(audit, aManifest(), silent).body)).not.toHaveProperty('seed')
    expect(isRepeatable(audit, [OFFER, silent])).toBe(false)
    expect(isRepeatable({ ...audit, sampling: { temperature: 0 } }, [OFFER, silent])).toBe(true)
    // The same seed draws otherwise in another engine.
    expect(isRepeatable(audit, [OFFER, anOffer({ parameters: OFFER.parameters, assurance: 'declared' })])).toBe(false)
  })

  it('is never the same twice', () => {
    const bodies = Array.from(
      { length: 200 },
      (_, run) => textBody(textAudit(CHAT, aManifest(), OFFER, seededRandom(`twice ${run}`)), aManifest(), OFFER).body,
    )
    expect(new Set(bodies).size).toBe(200)
  })

  it('is made of words to the byte, whatever the length', () => {
    for (let bytes = 1; bytes <= 600; bytes++) {
      const made = textOf(bytes, seededRandom(`bytes ${bytes}`))
      expect(new TextEncoder().encode(JSON.stringify(made)).byteLength).toBe(bytes + 2)
    }
  })
})

describe('a request in tensors', () => {
  const manifest = aTensorManifest()
  const decoded = (body: Uint8Array) => {
    const read = decodeRequest(body)
    if (!read.ok) throw new Error('it cannot be read')
    return read.value
  }

  it('fits the model, with values between those of its probes, and never those of a probe', () => {
    for (let run = 0; run < 50; run++) {
      const made = tensorAudit(manifest, null, seededRandom(`tensor ${run}`))
      if (!made || !manifest.tensors) throw new Error('there are tensors')
      const { inputs } = decoded(made.body)
      expect(requestMisfit({ inputs, outputs: [] }, manifest.tensors)).toBeNull()
      const x = inputs.find(({ name }) => name === 'x')
      const values = new Float32Array(x?.data.slice().buffer ?? new ArrayBuffer(0))
      for (const value of values) expect(value >= -2 && value <= 0.5).toBe(true)
      expect([...values]).not.toEqual([0.5, -2])
      expect(made.tensorBytesMax).toBe(made.inputBytes + 1_000)
    }
  })

  it('is made as long as a call was, along the dimension that varies', () => {
    const made = tensorAudit(manifest, 4_000, seededRandom('long'))
    expect(Math.abs((made?.body.byteLength ?? 0) - 4_000)).toBeLessThan(200)
  })

  it('of a model without known inputs cannot be made', () => {
    const none = { ...manifest, probes: [{ inputs: [], outputs: [] }] } as unknown as Model['manifest'] // publishing refuses it
    expect(tensorAudit(none, null, seededRandom('none'))).toBeNull()
  })

  it('is compared by the widest tolerance of its author', () => {
    const [probe] = manifest.probes
    expect(toleranceOf(manifest).rtol).toBeCloseTo(1e-2)
    expect(toleranceOf(manifest).atol).toBeCloseTo(1e-5)
    const own = { ...manifest, probes: [{ ...probe, rtol: 0.05 } as typeof probe & object] }
    expect(toleranceOf(own).rtol).toBe(0.05)
  })
})
