// The task ocr: a picture in, its lines of text out, by the three networks of PaddleOCR (detector, which way up, recogniser). One picture at a
// time: convolutions gain nothing from batches on a processor. Files of the model: det.onnx, cls.onnx, rec.onnx, keys.txt.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Tensor as Run, type InferenceSession } from 'onnxruntime-node'
import { stringsOf, stringsToBytes, type InferAnswer, type InferRequest } from '../../../../../protocol/oip.ts'
import type { LoadTensorRunner, RunnerRefusal } from '../../task-runner.ts'
import { alongReading, cropStrip, upsideDown } from './crop.ts'
import { decodePicture, fitPicture, type Picture } from './image.ts'
import { lettersOf, readLine, type Line } from './letters.ts'
import { textRegions, type Quad } from './regions.ts'

/** pixels of the longer side the detector looks at, and of what its sides are multiples */
const DETECTOR = { sideMax: 960, step: 32 }
/** per channel blue, green, red: the detector was taught with ImageNet's numbers in OpenCV's order */
const MEAN = [0.485, 0.456, 0.406]
const DEVIATION = [0.229, 0.224, 0.225]
const TURNED = { height: 48, widthMin: 192, widthMax: 192, certain: 0.9 }
const READ = { height: 48, widthMin: 320, widthMax: 3_200 }
/** mean probability of its letters below which a line is left out */
const LINE_MIN = 0.5

export const loadOcr: LoadTensorRunner = async (folder, manifest, open) => {
  const graph = async (name: string) => (await open(join(folder, name))).session
  const [detector, turner, reader] = [await graph('det.onnx'), await graph('cls.onnx'), await graph('rec.onnx')]
  const letters = lettersOf(await readFile(join(folder, 'keys.txt'), 'utf8'))

  async function lines(picture: Picture, hasLeft: () => boolean): Promise<{ line: Line; quad: Quad }[]> {
    const found: { line: Line; quad: Quad }[] = []
    for (const region of await regionsOf(detector, picture)) {
      // A page can have a thousand: nobody reads on for a caller who is gone.
      if (hasLeft()) break
      const quad = await rightWayUp(turner, picture, alongReading(region))
      const strip = cropStrip(picture, quad, READ)
      const line = readLine(await run(reader, strip.planes, [1, 3, READ.height, strip.width]), letters)
      if (line.text !== '' && line.score >= LINE_MIN) found.push({ line, quad })
    }
    return found
  }

  async function answer(
    { inputs, outputs }: InferRequest,
    hasLeft: () => boolean,
  ): Promise<InferAnswer | RunnerRefusal> {
    const [image] = inputs
    if (inputs.length !== 1 || image?.name !== 'image' || image.datatype !== 'BYTES')
      return { refused: 'bad_request', message: 'The input is one tensor "image" of BYTES.' }
    const [file, ...more] = stringsOf(image.data)
    if (!file || more.length > 0) return { refused: 'bad_request', message: 'The tensor "image" holds one picture.' }
    const picture = await decodePicture(file)
    if (!picture)
      return { refused: 'bad_request', message: 'The tensor "image" is no PNG, JPEG, WebP or TIFF of fair size.' }
    const tensors = asTensors(await lines(picture, hasLeft))
    const wanted = outputs.length === 0 ? tensors : outputs.map((name) => tensors.find((t) => t.name === name))
    const known = wanted.filter((tensor) => tensor !== undefined)
    if (known.length !== wanted.length) return { refused: 'bad_request', message: 'It has no such output.' }
    return { modelName: manifest.id, outputs: known }
  }

  return {
    batchKey: () => '',
    async run(jobs, hasLeft = () => false) {
      const answers: (InferAnswer | RunnerRefusal)[] = []
      for (const [index, job] of jobs.entries()) answers.push(await answer(job, () => hasLeft(index)))
      return answers
    },
    close: async () => void (await Promise.all([detector, turner, reader].map((session) => session.release()))),
  }
}

async function regionsOf(detector: InferenceSession, picture: Picture): Promise<Quad[]> {
  const fitted = await fitPicture(picture, DETECTOR)
  const { width, height } = fitted
  const values = await run(detector, detectorPlanes(fitted), [1, 3, height, width])
  const scale = { x: picture.width / width, y: picture.height / height }
  const scaled = ([tl, tr, br, bl]: Quad): Quad => {
    const [a, b, c, d] = [tl, tr, br, bl].map(({ x, y }) => ({ x: x * scale.x, y: y * scale.y }))
    return a && b && c && d ? [a, b, c, d] : [tl, tr, br, bl]
  }
  return textRegions({ width, height, values }).map(scaled)
}

function detectorPlanes({ width, height, rgb }: Picture): Float32Array {
  const planes = new Float32Array(3 * width * height)
  for (const plane of [0, 1, 2])
    for (let at = 0; at < width * height; at++) {
      const value = (rgb[at * 3 + 2 - plane] ?? 0) / 255
      planes[plane * width * height + at] = (value - (MEAN[plane] ?? 0)) / (DEVIATION[plane] ?? 1)
    }
  return planes
}

async function rightWayUp(turner: InferenceSession, picture: Picture, quad: Quad): Promise<Quad> {
  const strip = cropStrip(picture, quad, TURNED)
  const [, turned = 0] = await run(turner, strip.planes, [1, 3, TURNED.height, strip.width])
  return turned > TURNED.certain ? upsideDown(quad) : quad
}

/** One float tensor in, one out: all three networks are like that. */
async function run(session: InferenceSession, values: Float32Array, shape: readonly number[]): Promise<Float32Array> {
  const outputs = await session.run({ [session.inputNames[0] ?? '']: new Run('float32', values, shape) })
  const { data } = outputs[session.outputNames[0] ?? ''] ?? {}
  if (!(data instanceof Float32Array)) throw new Error('the graph gave no float32')
  return data
}

function asTensors(found: readonly { line: Line; quad: Quad }[]) {
  const boxes = found.flatMap(({ quad }) => quad.flatMap(({ x, y }) => [x, y]))
  const scores = found.map(({ line }) => line.score)
  return [
    {
      name: 'text',
      datatype: 'BYTES' as const,
      shape: [found.length],
      data: stringsToBytes(found.map(({ line }) => line.text)),
    },
    { name: 'score', datatype: 'FP32' as const, shape: [found.length], data: floats(scores) },
    { name: 'box', datatype: 'FP32' as const, shape: [found.length, 4, 2], data: floats(boxes) },
  ]
}

const floats = (values: readonly number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer)
