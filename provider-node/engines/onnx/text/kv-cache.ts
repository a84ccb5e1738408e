// The key-value caches of many sequences as the tensors of one batch: [rows, heads, columns, width], each sequence from the first column of its row
// on, what is left of it masked and zero (0 × somebody's NaN would be NaN). The memory is this file's own and fed to the graph as it is; of a step
// only what is new in each row is written. Whoever joins takes the place of one who left, so that only rows that come or go are copied, and all of
// them only when the columns no longer fit.

/** One of the cache's tensors. */
export interface CacheTensor {
  /** input of the graph */
  readonly past: string
  /** the output that goes on from it */
  readonly present: string
  readonly heads: number
  /** floats per position and head */
  readonly width: number
}

/** A tensor of [rows, heads, columns, width]; of its columns the last are the newest. */
export interface Columns {
  readonly data: Float32Array
  readonly columns: number
}

/** The cache of one sequence, in the batch or outside it. Opaque to who schedules. */
export interface Row {
  /** positions that are in the cache */
  length: number
  /** where it is while it is not in the batch */
  place: Place | null
}

/** Positions of one sequence in tensors that are not written any more. */
export interface Place {
  readonly tensors: readonly Columns[]
  readonly slot: number
  /** column of its first position */
  readonly begin: number
}

/** A bank that is too small grows by this, so that rows that join one by one seldom need fresh memory. */
const GROWTH = 1.5
/** A bank so many times larger than what is in it is given back: one long call must not keep its memory for good. */
const SHRINKAGE = 8

export class KvCache {
  readonly #tensors: readonly CacheTensor[]
  readonly #columnStep: number
  #rows: Row[] = []
  #columns = 0
  /** the batch's, and as much again into which it is copied when its columns change */
  #memory: Float32Array[]
  #spare: Float32Array[]

  /** @param columnStep columns grow by so many at once; 1: none is ever masked in a batch of one row */
  constructor(tensors: readonly CacheTensor[], columnStep: number) {
    this.#tensors = tensors
    this.#columnStep = columnStep
    this.#memory = tensors.map(() => new Float32Array())
    this.#spare = tensors.map(() => new Float32Array())
  }

  /** in the order of their slots */
  get rows(): readonly Row[] {
    return this.#rows
  }
  get columns(): number {
    return this.#columns
  }

  /** Makes the batch hold exactly these rows, in an order of its own. Rows that are left out are lost. */
  seat(rows: readonly Row[]): void {
    const needed = rows.reduce((longest, { length }) => Math.max(longest, length), 0)
    const columns = Math.ceil(needed / this.#columnStep) * this.#columnStep
    const spare = this.#columns - columns
    const isRoomy = spare >= 0 && (this.#columnStep === 1 ? spare === 0 : spare <= this.#columns / 4)
    const here = new Set(this.#rows)
    const newcomers = rows.filter((row) => !here.has(row))
    if (newcomers.length === 0 && rows.length === this.#rows.length && isRoomy) return
    this.#leaveOnly(new Set(rows))
    if (!isRoomy) this.#restride(columns, rows.length)
    this.#reserve(rows.length)
    for (const row of newcomers) this.#enter(row)
  }

  /** What to feed: exactly rows × heads × columns × width floats of each tensor. */
  feed(): Float32Array[] {
    return this.#tensors.map((tensor, index) => arrayOf(this.#memory, index).subarray(0, this.#floats(tensor)))
  }

  /** The graph has read one more position of this row. @param slot of the row in `fresh`, of which the last column is taken */
  append(row: Row, fresh: readonly Columns[], slot: number): void {
    if (row.length === this.#columns) this.#restride(this.#columns + this.#columnStep, this.#rows.length)
    const seat = this.#rows.indexOf(row)
    this.#tensors.forEach(({ heads, width }, index) => {
      const target = arrayOf(this.#memory, index)
      const { data, columns } = columnsOf(fresh, index)
      for (let head = 0; head < heads; head++) {
        const from = ((slot * heads + head + 1) * columns - 1) * width
        const to = ((seat * heads + head) * this.#columns + row.length) * width
        // So few floats that a call to copy them would cost more than they do.
        for (let float = 0; float < width; float++) target[to + float] = data[from + float] ?? 0
      }
    })
    row.length += 1
  }

  /** The positions of a row by themselves: [1, heads, length, width]. */
  alone(row: Row): Columns[] {
    const { tensors, slot, begin } = row.place ?? {
      tensors: this.#asColumns(),
      slot: this.#rows.indexOf(row),
      begin: 0,
    }
    return this.#tensors.map(({ heads, width }, index) => {
      const source = columnsOf(tensors, index)
      const data = new Float32Array(heads * row.length * width)
      for (let head = 0; head < heads; head++) {
        const from = ((slot * heads + head) * source.columns + begin) * width
        data.set(source.data.subarray(from, from + row.length * width), head * row.length * width)
      }
      return { data, columns: row.length }
    })
  }

  /** A row's own positions with those behind them: a place for it outside the batch. @param fresh whose last `count` columns are new */
  joined(own: readonly Columns[], fresh: readonly Columns[], count: number): Place {
    const tensors = this.#tensors.map(({ heads, width }, index) => {
      const [before, behind] = [columnsOf(own, index), columnsOf(fresh, index)]
      const columns = before.columns + count
      const data = new Float32Array(heads * columns * width)
      for (let head = 0; head < heads; head++) {
        const start = head * before.columns * width
        data.set(before.data.subarray(start, start + before.columns * width), head * columns * width)
        const end = (head + 1) * behind.columns * width
        data.set(behind.data.subarray(end - count * width, end), (head * columns + before.columns) * width)
      }
      return { data, columns }
    })
    return { tensors, slot: 0, begin: 0 }
  }

  /** Those who left are closed up from the end. */
  #leaveOnly(staying: ReadonlySet<Row>): void {
    for (let slot = this.#rows.length - 1; slot >= 0; slot--) {
      const row = this.#rows[slot]
      if (row && staying.has(row)) continue
      const last = this.#rows.pop()
      if (!last || last === row) continue
      this.#rows[slot] = last
      this.#tensors.forEach(({ heads, width }, index) => {
        const size = heads * this.#columns * width
        const from = this.#rows.length * size
        arrayOf(this.#memory, index).copyWithin(slot * size, from, from + size)
      })
    }
  }

  /** Copies the batch to other columns. */
  #restride(columns: number, rows: number): void {
    const from = this.#asColumns()
    ;[this.#memory, this.#spare] = [this.#spare, this.#memory]
    const places = this.#rows.map((_, slot): Place => ({ tensors: from, slot, begin: 0 }))
    this.#columns = columns
    this.#reserve(rows, false)
    this.#rows.forEach((row, slot) => this.#write(row, places[slot] ?? NOWHERE, slot))
  }

  /** Memory for so many rows. */
  #reserve(rows: number, isKept = true): void {
    this.#tensors.forEach(({ heads, width }, index) => {
      const floats = rows * heads * this.#columns * width
      const array = arrayOf(this.#memory, index)
      const isWasteful = !isKept && array.length > floats * SHRINKAGE
      if (array.length >= floats && !isWasteful) return
      const other = new Float32Array(Math.ceil(floats * GROWTH))
      if (isKept) other.set(array)
      this.#memory[index] = other
    })
  }

  #enter(row: Row): void {
    if (!row.place) throw new Error('a row that left the batch is nowhere')
    this.#write(row, row.place, this.#rows.length)
    row.place = null
    this.#rows.push(row)
  }

  #write({ length }: Row, { tensors, slot: sourceSlot, begin }: Place, slot: number): void {
    this.#tensors.forEach(({ heads, width }, index) => {
      const source = columnsOf(tensors, index)
      const target = arrayOf(this.#memory, index)
      for (let head = 0; head < heads; head++) {
        const from = ((sourceSlot * heads + head) * source.columns + begin) * width
        const to = (slot * heads + head) * this.#columns * width
        target.set(source.data.subarray(from, from + length * width), to)
        target.fill(0, to + length * width, to + this.#columns * width)
      }
    })
  }

  #asColumns(): Columns[] {
    return this.#memory.map((data) => ({ data, columns: this.#columns }))
  }

  #floats({ heads, width }: CacheTensor): number {
    return this.#rows.length * heads * this.#columns * width
  }
}

const NOWHERE: Place = { tensors: [], slot: 0, begin: 0 }

function arrayOf(arrays: readonly Float32Array[], index: number): Float32Array {
  const array = arrays[index]
  if (!array) throw new Error('the cache lacks a tensor')
  return array
}

function columnsOf(tensors: readonly Columns[], index: number): Columns {
  const tensor = tensors[index]
  if (!tensor) throw new Error('the cache lacks a tensor')
  return tensor
}
