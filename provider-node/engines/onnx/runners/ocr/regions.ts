// Where text stands (rule): from the detector's map of probabilities to turned rectangles, as "Real-time Scene Text Detection with Differentiable
// Binarization" (Liao et al. 2020) reads it: connected pixels above a threshold, the smallest rectangle around them, widened by its own size,
// because the detector is taught to find the core of a line and not its edges.

export interface Point {
  readonly x: number
  readonly y: number
}
/** Corners as they are read: top left, top right, bottom right, bottom left. */
export type Quad = readonly [Point, Point, Point, Point]

export interface ProbabilityMap {
  readonly width: number
  readonly height: number
  /** row by row, 0…1 */
  readonly values: Float32Array
}

const THRESHOLD = 0.3
/** mean probability of a region below which it is no text */
const REGION_MIN = 0.6
/** pixels of the map on a rectangle's shorter side */
const SIDE_MIN = 3
/** area × this ÷ perimeter is how far the edges move outwards */
const UNCLIP = 1.6
export const REGIONS_MAX = 1_000

/** Quads in the map's own pixels, in reading order. */
export function textRegions(map: ProbabilityMap): Quad[] {
  const quads: Quad[] = []
  const seen = new Uint8Array(map.values.length)
  for (let start = 0; start < seen.length && quads.length < REGIONS_MAX; start++) {
    if (seen[start] || (map.values[start] ?? 0) <= THRESHOLD) continue
    const quad = quadOf(map, connected(map, start, seen))
    if (quad) quads.push(quad)
  }
  return inReadingOrder(quads)
}

/** Positions of all pixels that hang together with the first, corners included. */
function connected({ width, height, values }: ProbabilityMap, start: number, seen: Uint8Array): number[] {
  const found = [start]
  seen[start] = 1
  for (let next = 0; next < found.length; next++) {
    const at = found[next] ?? 0
    const x = at % width
    const y = (at - x) / width
    for (let ny = Math.max(0, y - 1); ny <= Math.min(height - 1, y + 1); ny++)
      for (let nx = Math.max(0, x - 1); nx <= Math.min(width - 1, x + 1); nx++) {
        const neighbour = ny * width + nx
        if (seen[neighbour] || (values[neighbour] ?? 0) <= THRESHOLD) continue
        seen[neighbour] = 1
        found.push(neighbour)
      }
  }
  return found
}

function quadOf({ width, values }: ProbabilityMap, pixels: readonly number[]): Quad | null {
  const mean = pixels.reduce((sum, at) => sum + (values[at] ?? 0), 0) / pixels.length
  if (mean < REGION_MIN) return null
  const points = pixels.map((at) => ({ x: at % width, y: Math.floor(at / width) }))
  const rectangle = smallestRectangle(convexHull(points))
  if (Math.min(rectangle.width, rectangle.height) < SIDE_MIN) return null
  const outwards = (rectangle.width * rectangle.height * UNCLIP) / (2 * (rectangle.width + rectangle.height))
  return corners({ ...rectangle, width: rectangle.width + 2 * outwards, height: rectangle.height + 2 * outwards })
}

interface Rectangle {
  readonly centre: Point
  readonly width: number
  readonly height: number
  /** radians by which its width is turned from the horizontal, −π/4 < angle ≤ π/4 */
  readonly angle: number
}

/** Andrew's monotone chain; a line or a point stays what it is. */
function convexHull(points: readonly Point[]): Point[] {
  const sorted = [...points].sort((a, b) => a.x - b.x || a.y - b.y)
  const half = (ordered: readonly Point[]) => {
    const chain: Point[] = []
    for (const point of ordered) {
      while (chain.length > 1 && turn(chain.at(-2), chain.at(-1), point) <= 0) chain.pop()
      chain.push(point)
    }
    return chain.slice(0, -1)
  }
  const hull = [...half(sorted), ...half(sorted.reverse())]
  return hull.length > 0 ? hull : sorted.slice(0, 1)
}

const turn = (a: Point | undefined, b: Point | undefined, c: Point): number =>
  a && b ? (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x) : 0

/** One of its sides lies on an edge of the hull, so every edge is tried. A pixel is one wide: sides reach from pixel to pixel, plus one. */
function smallestRectangle(hull: readonly Point[]): Rectangle {
  let best: Rectangle | null = null
  for (const [index, point] of hull.entries()) {
    const next = hull[(index + 1) % hull.length] ?? point
    const candidate = rectangleAlong(hull, upright(Math.atan2(next.y - point.y, next.x - point.x)))
    if (!best || candidate.width * candidate.height < best.width * best.height) best = candidate
  }
  return best ?? rectangleAlong(hull, 0)
}

/** The same direction of sides, turned by quarters until the width is nearest to the horizontal. */
const upright = (angle: number): number => angle - Math.round(angle / (Math.PI / 2)) * (Math.PI / 2)

function rectangleAlong(hull: readonly Point[], angle: number): Rectangle {
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)]
  const along = hull.map(({ x, y }) => x * cos + y * sin)
  const across = hull.map(({ x, y }) => y * cos - x * sin)
  const [left, right] = [Math.min(...along), Math.max(...along)]
  const [top, bottom] = [Math.min(...across), Math.max(...across)]
  const [middle, centre] = [(left + right) / 2, (top + bottom) / 2]
  return {
    centre: { x: middle * cos - centre * sin + 0.5, y: middle * sin + centre * cos + 0.5 },
    width: right - left + 1,
    height: bottom - top + 1,
    angle,
  }
}

function corners({ centre, width, height, angle }: Rectangle): Quad {
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)]
  const corner = (right: number, down: number): Point => ({
    x: centre.x + (right * width * cos) / 2 - (down * height * sin) / 2,
    y: centre.y + (right * width * sin) / 2 + (down * height * cos) / 2,
  })
  return [corner(-1, -1), corner(1, -1), corner(1, 1), corner(-1, 1)]
}

/** Rows from top to bottom, each from left to right. A quad joins the row whose first one it overlaps by half of its height. */
function inReadingOrder(quads: readonly Quad[]): Quad[] {
  const rows: Quad[][] = []
  for (const quad of [...quads].sort((a, b) => middleOf(a).y - middleOf(b).y)) {
    const row = rows.at(-1)
    const first = row?.[0]
    const isSameRow = first && middleOf(quad).y - middleOf(first).y < Math.min(heightOf(quad), heightOf(first)) / 2
    if (row && isSameRow) row.push(quad)
    else rows.push([quad])
  }
  return rows.flatMap((row) => row.sort((a, b) => middleOf(a).x - middleOf(b).x))
}

const middleOf = ([tl, , br]: Quad): Point => ({ x: (tl.x + br.x) / 2, y: (tl.y + br.y) / 2 })
export const heightOf = ([tl, , , bl]: Quad): number => Math.hypot(bl.x - tl.x, bl.y - tl.y)
export const widthOf = ([tl, tr]: Quad): number => Math.hypot(tr.x - tl.x, tr.y - tl.y)
