// The key-value caches of many sequences as the tensors of one batch: [rows, heads, columns, width], each sequence right-aligned in its row, what
// is left of it masked. An unchanged batch is fed back as the graph gave it; whoever joins takes the place of one who left, so that only rows
// that come or go are copied, and all of them only when the columns no longer fit. What is masked is zeroed: 0 × somebody's NaN would be NaN.

/** One of the cache's tensors: an input of the graph and the output that goes on from it. */
export interface CacheTensor {
  readonly past: string
  readonly present: string
  readonly heads: number
  /** floats per position and head */
  readonly width: number
}

/** The cache of one sequence, wherever it is kept. Opaque outside; it moves when its batch takes a step. */
export interface Row {
  block: Block
  slot: number
  /** positions that are in the cache */
  length: number
}

/** Rows side by side in the same tensors. */
export interface Block {
  readonly columns: number
  readonly rows: readonly Row[]
  /** in the order of the cache's tensors, each of exactly rows × heads × columns × width floats */
  readonly data: readonly Float32Array[]
  /** every row has a slot of its own here, so slots of rows that left may be written over */
  readonly isOwned: boolean
}

/** Columns more than the longest row needs are kept up to here, and up to a quarter: cutting them off copies every row. */
const SPARE_COLUMNS = 16

/** Makes a block that holds exactly these rows, in any order, with as little copying as there can be. */
export function arrange(tensors: readonly CacheTensor[], rows: readonly Row[]): Block {
  const [first] = rows
  if (!first) throw new Error('a block has at least one row')
  const home = first.block
  const needed = rows.reduce((longest, { length }) => Math.max(longest, length), 0)
  const spare = home.columns - needed
  const isRoomy = spare >= 0 && (spare <= SPARE_COLUMNS || spare <= home.columns / 4)
  if (!isRoomy) return copied(tensors, rows, needed)
  if (home.rows.length === rows.length && rows.every(sitsIn(home))) return home
  return home.isOwned ? joined(tensors, home, rows) : copied(tensors, rows, needed)
}

const sitsIn = (block: Block) => (row: Row) => row.block === block && block.rows[row.slot] === row

/** Every row written anew, without spare columns. */
function copied(tensors: readonly CacheTensor[], rows: readonly Row[], columns: number): Block {
  const data = tensors.map(({ heads, width }) => new Float32Array(rows.length * heads * columns * width))
  const block: Block = { columns, rows: [...rows], data, isOwned: true }
  rows.forEach((row, slot) => write(tensors, row, block, slot))
  return block
}

/** Newcomers take the slots of those who left; more of them are appended, and slots that stay empty are closed up from the end. */
function joined(tensors: readonly CacheTensor[], home: Block, rows: readonly Row[]): Block {
  const isHere = sitsIn(home)
  const staying = new Set(rows.filter(isHere))
  const newcomers = rows.filter((row) => !isHere(row))
  const slots: (Row | null)[] = home.rows.map((row) => (staying.has(row) ? row : null))
  const size = rows.length
  // The last ones move down into the gaps that newcomers leave.
  const moving = slots.splice(size).filter((row) => row !== null)
  const entering = [...moving, ...newcomers]
  const seats = Array.from({ length: size }, (_, slot) => slots[slot] ?? entering.shift() ?? null)
  const members = seats.filter((row) => row !== null)
  const data = home.data.map((values, index) => {
    const { heads, width } = tensors[index] ?? NO_TENSOR
    const floats = size * heads * home.columns * width
    if (floats <= values.length) return values.subarray(0, floats)
    const grown = new Float32Array(floats)
    grown.set(values)
    return grown
  })
  const block: Block = { columns: home.columns, rows: members, data, isOwned: true }
  members.forEach((row, slot) => {
    if (row.block === home && row.slot === slot && staying.has(row)) row.block = block
    else write(tensors, row, block, slot, true)
  })
  return block
}

const NO_TENSOR = { heads: 0, width: 0 }

/** Copies a row to a slot and moves it there. @param isUsed somebody's values may be left of it */
function write(tensors: readonly CacheTensor[], row: Row, to: Block, slot: number, isUsed = false): void {
  const { block: from, length } = row
  tensors.forEach(({ heads, width }, index) => {
    const source = from.data[index]
    const target = to.data[index]
    if (!source || !target) throw new Error('a block lacks a tensor of the cache')
    for (let head = 0; head < heads; head++) {
      const start = (slot * heads + head) * to.columns * width
      const begin = start + (to.columns - length) * width
      const end = ((row.slot * heads + head) * from.columns + from.columns) * width
      if (isUsed) target.fill(0, start, begin)
      target.set(source.subarray(end - length * width, end), begin)
    }
  })
  row.block = to
  row.slot = slot
}
