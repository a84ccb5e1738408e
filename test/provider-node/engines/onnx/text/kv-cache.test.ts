// The memory of a batch against a list of what each sequence holds: whoever comes, goes or grows, every row keeps its own positions, and nothing of
// anybody else is behind them.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  KvCache,
  type CacheTensor,
  type Columns,
  type Row,
} from '../../../../../provider-node/engines/onnx/text/kv-cache.ts'

const TENSORS: CacheTensor[] = [
  { past: 'a', present: 'A', heads: 2, width: 3 },
  { past: 'b', present: 'B', heads: 1, width: 2 },
]

/** What position `at` of sequence `id` holds, in every head and float its own. */
const valueOf = (id: number, at: number, tensor: number, head: number, float: number): number =>
  id * 10_000 + at * 100 + tensor * 50 + head * 10 + float

/** Positions of one sequence, with columns of somebody else before them. */
function tensorsOf(id: number, from: number, to: number, before = 0, value = valueOf): Columns[] {
  const columns = before + to - from
  return TENSORS.map(({ heads, width }, tensor) => {
    const data = new Float32Array(heads * columns * width).fill(NaN)
    for (let head = 0; head < heads; head++)
      for (let at = from; at < to; at++)
        for (let float = 0; float < width; float++)
          data[(head * columns + before + at - from) * width + float] = value(id, at, tensor, head, float)
    return { data, columns }
  })
}

function expectBatch(cache: KvCache, ids: ReadonlyMap<Row, number>): void {
  const fed = cache.feed()
  TENSORS.forEach(({ heads, width }, tensor) => {
    const data = fed[tensor] ?? new Float32Array()
    expect(data.length).toBe(cache.rows.length * heads * cache.columns * width)
    cache.rows.forEach((row, slot) => {
      for (let head = 0; head < heads; head++)
        for (let at = 0; at < cache.columns; at++)
          for (let float = 0; float < width; float++) {
            const value = data[((slot * heads + head) * cache.columns + at) * width + float]
            const expected = at < row.length ? valueOf(ids.get(row) ?? -1, at, tensor, head, float) : 0
            if (value !== expected)
              expect({ slot, head, at, float, value }).toEqual({ slot, head, at, float, value: expected })
          }
    })
  })
}

const aRow = (id: number, length: number, before: number): Row => ({
  length,
  place: { tensors: tensorsOf(id, 0, length, before), slot: 0, begin: before },
})

describe('a batch', () => {
  it.each([16, 4])(
    'keeps every row its own positions, whoever joins, leaves or grows (columns by %i)',
    (columnStep) => {
      const turn = fc.record({
        joining: fc.array(
          fc.record({ length: fc.integer({ min: 1, max: 40 }), before: fc.integer({ min: 0, max: 3 }) }),
          {
            maxLength: 3,
          },
        ),
        leaving: fc.array(fc.nat(), { maxLength: 3 }),
        steps: fc.integer({ min: 0, max: 20 }),
      })
      fc.assert(
        fc.property(fc.array(turn, { minLength: 1, maxLength: 12 }), (turns) => {
          const cache = new KvCache(TENSORS, columnStep)
          const ids = new Map<Row, number>()
          let rows: Row[] = []
          for (const { joining, leaving, steps } of turns) {
            for (const index of leaving) rows = rows.filter((_, at) => at !== index % Math.max(1, rows.length))
            for (const { length, before } of joining) {
              const row = aRow(ids.size, length, before)
              ids.set(row, ids.size)
              rows.push(row)
            }
            if (rows.length === 0) continue
            for (let step = 0; step < steps + 1; step++) {
              cache.seat(rows)
              expect(new Set(cache.rows)).toEqual(new Set(rows))
              expectBatch(cache, ids)
              for (const row of rows) cache.append(row, tensorsOf(ids.get(row) ?? -1, row.length, row.length + 1, 2), 0)
            }
          }
        }),
        { numRuns: 150 },
      )
    },
  )

  it('leaves no column empty where none may be masked', () => {
    const cache = new KvCache(TENSORS, 1)
    const row = aRow(1, 5, 2)
    for (let step = 0; step < 20; step++) {
      cache.seat([row])
      expect(cache.columns).toBe(row.length)
      expectBatch(cache, new Map([[row, 1]]))
      cache.append(row, tensorsOf(1, row.length, row.length + 1), 0)
    }
    const other = aRow(2, 3, 0)
    cache.seat([other])
    expect(cache.columns).toBe(3)
    expectBatch(cache, new Map([[other, 2]]))
  })

  it('takes the last column of the row in question', () => {
    const cache = new KvCache(TENSORS, 16)
    const rows = [aRow(0, 2, 0), aRow(1, 2, 0)]
    cache.seat(rows)
    const both = TENSORS.map((_, tensor) => {
      const parts = [0, 1].map((id) => tensorsOf(id, 2, 3, 4)[tensor] ?? { data: new Float32Array(), columns: 0 })
      return { data: Float32Array.from(parts.flatMap(({ data }) => [...data])), columns: 5 }
    })
    rows.forEach((row, slot) => cache.append(row, both, slot))
    expectBatch(cache, new Map(rows.map((row, id) => [row, id])))
  })

  it('gives back the columns of a long row that left', () => {
    const cache = new KvCache(TENSORS, 16)
    const [short, long] = [aRow(0, 10, 0), aRow(1, 200, 0)]
    cache.seat([short, long])
    expect(cache.columns).toBe(208)
    cache.seat([short])
    expect(cache.columns).toBe(16)
    expectBatch(cache, new Map([[short, 0]]))
  })

  it('does not keep the memory of a long row for good', () => {
    const cache = new KvCache(TENSORS, 16)
    cache.seat([aRow(0, 4_000, 0)])
    const short = aRow(1, 10, 0)
    for (let at = 10; at < 60; at++) {
      cache.seat([short])
      expectBatch(cache, new Map([[short, 1]]))
      expect(Math.max(...cache.feed().map(({ buffer }) => buffer.byteLength))).toBeLessThan(20_000)
      cache.append(short, tensorsOf(1, at, at + 1), 0)
    }
  })

  it('is not copied when nobody comes or goes', () => {
    const cache = new KvCache(TENSORS, 16)
    const rows = [aRow(0, 3, 0), aRow(1, 7, 0)]
    cache.seat(rows)
    const before = cache.feed().map(({ buffer }) => buffer)
    cache.seat([...rows].reverse())
    expect(cache.feed().map(({ buffer }) => buffer)).toEqual(before)
    expect(cache.feed().every((data, index) => data.buffer === before[index])).toBe(true)
  })

  it('refuses a row that it has lost', () => {
    const cache = new KvCache(TENSORS, 16)
    const [left, stays] = [aRow(0, 3, 0), aRow(1, 3, 0)]
    cache.seat([left, stays])
    cache.seat([stays])
    expect(() => cache.seat([stays, left])).toThrow('nowhere')
  })
})

describe('a row outside the batch', () => {
  it('grows by parts of its prompt', () => {
    const cache = new KvCache(TENSORS, 16)
    const row = aRow(3, 4, 2)
    const own = cache.alone(row)
    expect(own).toEqual(tensorsOf(3, 0, 4))
    // The new columns come with others before them.
    row.place = cache.joined(own, tensorsOf(3, 4, 9, 7), 5)
    row.length = 9
    cache.seat([row])
    expectBatch(cache, new Map([[row, 3]]))
  })

  it('is read out of the batch while it is in it', () => {
    const cache = new KvCache(TENSORS, 16)
    const rows = [aRow(0, 3, 0), aRow(1, 9, 1)]
    cache.seat(rows)
    rows.forEach((row, id) => expect(cache.alone(row)).toEqual(tensorsOf(id, 0, row.length)))
  })
})
