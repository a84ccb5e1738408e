// Cutting a line out of a picture (rule): a turned rectangle becomes an upright strip of a given height, in the numbers the networks were taught
// with: blue, green, red (OpenCV's order), each value ÷ 127.5 − 1, and 0 for what is filled up.
import type { Picture } from './image.ts'
import { heightOf, widthOf, type Point, type Quad } from './regions.ts'

/** Tall strips are read from bottom to top: writing that runs upwards. */
const UPRIGHT_RATIO = 1.5

/** A quad whose width is the direction of reading. */
export function alongReading(quad: Quad): Quad {
  const [tl, tr, br, bl] = quad
  return heightOf(quad) >= widthOf(quad) * UPRIGHT_RATIO ? [tr, br, bl, tl] : quad
}

export const upsideDown = ([tl, tr, br, bl]: Quad): Quad => [br, bl, tl, tr]

/**
 * The strip in the planes [3, height, width]; its own width is as its sides say, at most `widthMax`, and the rest up to `widthMin` is filled.
 * Larger lines are averaged over every pixel they shrink by, so that thin strokes stay.
 */
export function cropStrip(
  picture: Picture,
  quad: Quad,
  { height, widthMin, widthMax }: { height: number; widthMin: number; widthMax: number },
): { readonly width: number; readonly planes: Float32Array } {
  const own = Math.ceil((height * widthOf(quad)) / Math.max(1, heightOf(quad)))
  const used = Math.min(widthMax, Math.max(1, own))
  const width = Math.max(widthMin, used)
  const planes = new Float32Array(3 * height * width)
  const samples = Math.min(SAMPLES_MAX, Math.max(1, Math.round(heightOf(quad) / height)))
  for (let y = 0; y < height; y++)
    for (let x = 0; x < used; x++) {
      const [red, green, blue] = averageAt(picture, quad, x, y, { used, height, samples })
      const at = y * width + x
      planes[at] = blue / 127.5 - 1
      planes[height * width + at] = green / 127.5 - 1
      planes[2 * height * width + at] = red / 127.5 - 1
    }
  return { width, planes }
}

/** a side of the grid of samples in one pixel of the strip */
const SAMPLES_MAX = 6

function averageAt(
  picture: Picture,
  quad: Quad,
  x: number,
  y: number,
  { used, height, samples }: { used: number; height: number; samples: number },
): [number, number, number] {
  const sum: [number, number, number] = [0, 0, 0]
  for (let row = 0; row < samples; row++)
    for (let column = 0; column < samples; column++) {
      const right = (x + (column + 0.5) / samples) / used
      const down = (y + (row + 0.5) / samples) / height
      addPixel(sum, picture, between(quad, right, down))
    }
  const count = samples * samples
  return [sum[0] / count, sum[1] / count, sum[2] / count]
}

/** Bilinear: 0…1 along both sides of the quad. */
function between([tl, tr, br, bl]: Quad, right: number, down: number): Point {
  const mix = (a: number, b: number, c: number, d: number) =>
    (a * (1 - right) + b * right) * (1 - down) + (d * (1 - right) + c * right) * down
  return { x: mix(tl.x, tr.x, br.x, bl.x), y: mix(tl.y, tr.y, br.y, bl.y) }
}

/** Adds the colour at a point, mixed from the four pixels around it; beyond the edge the edge goes on. */
function addPixel(sum: [number, number, number], { width, height, rgb }: Picture, { x, y }: Point): void {
  const [px, py] = [Math.min(width - 1, Math.max(0, x - 0.5)), Math.min(height - 1, Math.max(0, y - 0.5))]
  const [left, top] = [Math.floor(px), Math.floor(py)]
  const [right, bottom] = [Math.min(width - 1, left + 1), Math.min(height - 1, top + 1)]
  const [fx, fy] = [px - left, py - top]
  for (const channel of [0, 1, 2] as const) {
    const value = (cx: number, cy: number) => rgb[(cy * width + cx) * 3 + channel] ?? 0
    const upper = value(left, top) * (1 - fx) + value(right, top) * fx
    const lower = value(left, bottom) * (1 - fx) + value(right, bottom) * fx
    sum[channel] += upper * (1 - fy) + lower * fy
  }
}
