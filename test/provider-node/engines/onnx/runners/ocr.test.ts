// The real networks on pictures of known text: straight, tilted, upside down; and everything that is no picture.
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ModelManifest } from '../../../../../protocol/model.ts'
import { stringsOf, stringsToBytes, type InferAnswer, type InferRequest } from '../../../../../protocol/oip.ts'
import { loadOcr } from '../../../../../provider-node/engines/onnx/runners/ocr/ocr.ts'
import { createOpenSession } from '../../../../../provider-node/engines/onnx/session.ts'
import type { RunnerRefusal, TaskRunner } from '../../../../../provider-node/engines/onnx/task-runner.ts'
import { aTemporaryFolder } from '../../../builders.ts'
import { copyOcrFiles } from './ocr-folder.ts'

const picture = (name: string) => readFile(fileURLToPath(new URL(`./pictures/${name}`, import.meta.url)))
const INVOICE = ['Invoice 2026-11', 'Total: 1,234.56 USD', 'paid in full', 'Thank you for your order!', 'souk.example']

let runner: TaskRunner<InferRequest, InferAnswer>
let home: Awaited<ReturnType<typeof aTemporaryFolder>>
beforeAll(async () => {
  home = await aTemporaryFolder()
  await copyOcrFiles(home.path)
  const manifest = { id: 'souk/ocr' } as ModelManifest // all that this runner reads of it
  runner = await loadOcr(home.path, manifest, createOpenSession({ threads: 1, provider: 'cpu', warn: () => undefined }))
})
afterAll(async () => {
  await runner.close()
  await home.remove()
})

const asking = (image: Uint8Array | string, over: Partial<InferRequest> = {}): InferRequest => ({
  modelName: 'souk/ocr',
  inputs: [{ name: 'image', datatype: 'BYTES', shape: [1], data: stringsToBytes([image]) }],
  outputs: [],
  parameters: {},
  ...over,
})
const run = async (request: InferRequest) => (await runner.run([request]))[0]

async function read(request: InferRequest) {
  const answer = await run(request)
  if (!answer || 'refused' in answer) throw new Error('it was refused')
  const [text, score, box] = answer.outputs
  const floats = (data: Uint8Array = new Uint8Array()) => new Float32Array(Uint8Array.from(data).buffer)
  return {
    lines: stringsOf(text?.data ?? new Uint8Array()).map((bytes) => new TextDecoder().decode(bytes)),
    shapes: answer.outputs.map(({ shape }) => shape),
    scores: floats(score?.data),
    boxes: floats(box?.data),
  }
}
const plain = (lines: readonly string[]) => lines.map((line) => line.replaceAll(' ', '')).sort()

describe('ocr', () => {
  it('reads the lines of a page in reading order, with scores and boxes inside the picture', async () => {
    const { lines, shapes, scores, boxes } = await read(asking(await picture('invoice.png')))
    expect(plain(lines)).toEqual(plain(INVOICE))
    expect(lines.map((line) => line.slice(0, 4))).toEqual(INVOICE.map((line) => line.slice(0, 4)))
    expect(shapes).toEqual([[5], [5], [5, 4, 2]])
    expect(Math.min(...scores)).toBeGreaterThan(0.9)
    const [x0 = 0, y0 = 0, x1 = 0, , , y2 = 0] = boxes
    expect([x0 < 25, x1 > 230, y0 < 35, y2 > 45]).toEqual([true, true, true, true])
    expect(Math.max(...boxes)).toBeLessThan(485)
  })
  it('reads a tilted page', async () => {
    expect(plain((await read(asking(await picture('invoice-tilted.png')))).lines)).toEqual(plain(INVOICE))
  })
  it('reads a page that is upside down', async () => {
    expect(plain((await read(asking(await picture('invoice-upside-down.jpg')))).lines)).toEqual(plain(INVOICE))
  })
  it('finds nothing on a blank page, which is an answer', async () => {
    expect(await read(asking(await picture('blank.png')))).toMatchObject({ lines: [], shapes: [[0], [0], [0, 4, 2]] })
  })
  it.each([
    ['a data URL', (base64: string) => `data:image/png;base64,${base64}`],
    ['plain base64', (base64: string) => base64],
  ])('takes a picture as %s, because JSON has no bytes', async (_, spelt) => {
    const base64 = (await picture('probe.png')).toString('base64')
    expect((await read(asking(spelt(base64)))).lines).toEqual(['Souk 42'])
  })
  it('gives the outputs that were asked for, in that order', async () => {
    const answer = await run(asking(await picture('probe.png'), { outputs: ['score', 'text'] }))
    expect(answer && 'outputs' in answer && answer.outputs.map(({ name }) => name)).toEqual(['score', 'text'])
  })
  it('reads no further line for a caller who has left', async () => {
    let asked = 0
    const [answer] = await runner.run([asking(await picture('invoice.png'))], () => ++asked > 2)
    expect(asked).toBe(3)
    expect(answer && 'outputs' in answer && answer.outputs[0]?.shape).toEqual([2])
  })
  it('gives the same bytes again', async () => {
    const request = asking(await picture('invoice.png'))
    expect(await run(request)).toEqual(await run(request))
  })

  const text = (name: string, elements: readonly (string | Uint8Array)[]) => ({
    name,
    datatype: 'BYTES' as const,
    shape: [elements.length],
    data: stringsToBytes(elements),
  })
  const refusals: [string, () => Promise<InferRequest> | InferRequest][] = [
    ['no picture at all', () => asking('hello')],
    ['what is nearly base64, at once and however long it is', () => asking(`${' '.repeat(8_000_000)}!`)],
    ['letters without an end', () => asking('A'.repeat(8_000_000))],
    ['an empty picture', () => asking(new Uint8Array())],
    ['half a picture', async () => asking((await picture('invoice.png')).subarray(0, 900))],
    ['a drawing that is a program', () => asking('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')],
    ['a picture that claims 60,000 × 60,000 pixels', async () => asking(bomb(await picture('blank.png')))],
    ['another tensor', () => asking('', { inputs: [text('picture', ['x'])] })],
    ['two pictures', () => asking('', { inputs: [text('image', ['x', 'y'])] })],
    ['an output it does not have', async () => asking(await picture('probe.png'), { outputs: ['words'] })],
  ]
  it.each(refusals)('refuses %s', async (_, request) => {
    const answer = (await run(await request())) as RunnerRefusal // a refusal, or the next line fails
    expect(answer.refused).toBe('bad_request')
    expect(answer.message).not.toContain('xmlns')
  })
})

/** Its header says another size; the check sum of the header stays wrong, as it would be in a hurry. */
function bomb(png: Uint8Array): Uint8Array {
  const changed = Buffer.from(png)
  changed.writeUInt32BE(60_000, 16)
  changed.writeUInt32BE(60_000, 20)
  return changed
}
