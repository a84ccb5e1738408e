// Rules of ocr: from a map of probabilities to turned rectangles, from columns of letters to a line.
import { describe, expect, it } from 'vitest'
import { alongReading, cropStrip } from '../../../../../provider-node/engines/onnx/runners/ocr/crop.ts'
import { lettersOf, readLine } from '../../../../../provider-node/engines/onnx/runners/ocr/letters.ts'
import {
  heightOf,
  textRegions,
  widthOf,
  type Quad,
} from '../../../../../provider-node/engines/onnx/runners/ocr/regions.ts'

/** A map with probability 0.9 wherever `inside` says so. */
function aMap(width: number, height: number, inside: (x: number, y: number) => number | boolean) {
  const values = Float32Array.from({ length: width * height }, (_, at) => {
    const value = inside(at % width, Math.floor(at / width))
    return typeof value === 'number' ? value : value ? 0.9 : 0
  })
  return { width, height, values }
}
const within = (x: number, y: number, [left, top, right, bottom]: readonly [number, number, number, number]) =>
  x >= left && x < right && y >= top && y < bottom

describe('where text stands', () => {
  it('widens a straight block on all sides by its area over its perimeter', () => {
    const [quad] = textRegions(aMap(100, 60, (x, y) => within(x, y, [20, 20, 80, 30])))
    const outwards = (60 * 10 * 1.6) / (2 * 70)
    expect(quad && [widthOf(quad), heightOf(quad)]).toEqual([
      expect.closeTo(60 + 2 * outwards, 4),
      expect.closeTo(10 + 2 * outwards, 4),
    ])
    expect(quad?.[0]).toEqual({ x: expect.closeTo(20 - outwards, 4), y: expect.closeTo(20 - outwards, 4) })
  })
  it('turns with a block that is turned', () => {
    const [cos, sin] = [Math.cos(0.3), Math.sin(0.3)]
    const [quad] = textRegions(
      aMap(200, 200, (x, y) => {
        const [along, across] = [(x - 100) * cos + (y - 100) * sin, (y - 100) * cos - (x - 100) * sin]
        return Math.abs(along) < 60 && Math.abs(across) < 8
      }),
    )
    if (!quad) throw new Error('nothing was found')
    expect(Math.atan2(quad[1].y - quad[0].y, quad[1].x - quad[0].x)).toBeCloseTo(0.3, 1)
    expect(widthOf(quad) / heightOf(quad)).toBeGreaterThan(3)
  })
  it('reads rows from the top and what shares a row from the left', () => {
    const blocks = [
      [60, 12, 90, 20],
      [5, 10, 40, 20],
      [5, 40, 90, 50],
    ] as const
    const found = textRegions(aMap(100, 60, (x, y) => blocks.some((block) => within(x, y, block))))
    expect(found.map(([tl, , br]) => [Math.round((tl.x + br.x) / 2), Math.round((tl.y + br.y) / 2)])).toEqual([
      [23, 15],
      [75, 16],
      [48, 45],
    ])
  })
  it.each([
    ['nothing', () => false],
    ['what is too faint as a whole', (x: number, y: number) => (within(x, y, [10, 10, 60, 20]) ? 0.59 : 0)],
    ['a hair of two pixels', (x: number, y: number) => within(x, y, [10, 10, 60, 12])],
    ['a single pixel', (x: number, y: number) => x === 5 && y === 5],
  ])('passes over %s', (_, inside) => {
    expect(textRegions(aMap(100, 60, inside))).toEqual([])
  })
  it('keeps what is just strong and large enough', () => {
    expect(textRegions(aMap(100, 60, (x, y) => (within(x, y, [10, 10, 60, 13]) ? 0.61 : 0)))).toHaveLength(1)
  })
})

describe('cutting a line out', () => {
  const rectangle = (left: number, top: number, right: number, bottom: number): Quad => [
    { x: left, y: top },
    { x: right, y: top },
    { x: right, y: bottom },
    { x: left, y: bottom },
  ]
  it('gives planes of blue, green and red, and zero behind its own width', () => {
    const rgb = Uint8Array.from({ length: 40 * 20 * 3 }, (_, at) => [255, 0, 51][at % 3] ?? 0)
    const strip = cropStrip({ width: 40, height: 20, rgb }, rectangle(0, 0, 40, 20), {
      height: 10,
      widthMin: 30,
      widthMax: 99,
    })
    expect(strip.width).toBe(30)
    const at = (plane: number, x: number) => strip.planes[plane * 300 + x]
    expect([at(0, 5), at(1, 5), at(2, 5)]).toEqual([expect.closeTo(51 / 127.5 - 1, 5), -1, 1])
    expect(at(2, 25)).toBe(0)
  })
  it('is never wider than it may be', () => {
    const rgb = new Uint8Array(1_000 * 2 * 3)
    const bounds = { height: 10, widthMin: 5, widthMax: 50 }
    expect(cropStrip({ width: 1_000, height: 2, rgb }, rectangle(0, 0, 1_000, 2), bounds).width).toBe(50)
  })
  it('reads what stands upright from bottom to top', () => {
    const tall = rectangle(0, 0, 10, 15)
    expect(alongReading(tall)).toEqual([tall[1], tall[2], tall[3], tall[0]])
    expect(alongReading(rectangle(0, 0, 10, 14.9))[0]).toEqual({ x: 0, y: 0 })
  })
})

describe('reading a line', () => {
  const letters = lettersOf('a\r\nb\n')
  const columns = (...best: number[]) =>
    Float32Array.from(best.flatMap((letter) => letters.map((_, index) => (index === letter ? 0.8 : 0.1))))
  it('has the blank first and the space last', () => {
    expect(letters).toEqual(['', 'a', 'b', ' '])
  })
  it.each([
    ['joins repeats and keeps doubles that a blank parts', [1, 1, 0, 1, 2, 3, 2], 'aab b'],
    ['leaves blanks out', [0, 0, 2, 0], 'b'],
    ['is empty without letters', [0, 0], ''],
  ])('%s', (_, best, text) => {
    const line = readLine(columns(...best), letters)
    expect(line.text).toBe(text)
    expect(line.score).toBeCloseTo(text === '' ? 0 : 0.8, 5)
  })
})
