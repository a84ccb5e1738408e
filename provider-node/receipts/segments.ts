// The files of a receipt store as they are found: which receipts wait, where they stand, and in which state each file is. Reading never writes, so
// that another process may look while the node runs; a file that goes in the meantime held nothing any more.
import { codeOf, type Disk } from './disk.ts'
import { readRecords, type Reading } from './record.ts'
import { segmentName, segmentOf, type LogPlace } from './segment-log.ts'
import { storedOf } from './stored.ts'

/** A receipt that waits. */
export interface Found {
  readonly jti: string
  readonly at: number
  readonly place: LogPlace
}

export interface ReadSegment {
  readonly segment: number
  readonly bytes: number
  readonly state: Reading['state']
  /** bytes up to the end of the last whole record */
  readonly goodBytes: number
  readonly kept: readonly Found[]
  readonly done: readonly string[]
}

export interface ReadStore {
  /** oldest first */
  readonly segments: readonly ReadSegment[]
  /** in the order in which they were kept */
  readonly waiting: ReadonlyMap<string, Found>
  /** a number above that of every file there is */
  readonly next: number
}

export const EMPTY: ReadStore = { segments: [], waiting: new Map(), next: 1 }

/** @param skipped told of each file that is there and cannot be read, which is then left alone; absent: that is thrown */
export async function readStore(disk: Disk, skipped?: (name: string, cause: unknown) => void): Promise<ReadStore> {
  const numbers = (await disk.list()).flatMap(({ name }) => {
    const segment = segmentOf(name)
    return segment === null ? [] : [{ segment, isCounted: name === segmentName(segment) }]
  })
  const segments: ReadSegment[] = []
  for (const { segment } of numbers.filter(({ isCounted }) => isCounted).sort((a, b) => a.segment - b.segment)) {
    const read = await readSegment(disk, segment).catch((cause: unknown) => {
      if (!skipped) throw cause
      skipped(segmentName(segment), cause)
      return null
    })
    if (read) segments.push(read)
  }
  const done = new Set(segments.flatMap((read) => read.done))
  // A receipt that stands twice counts where it stands last: the other file may go.
  const waiting = new Map<string, Found>()
  for (const found of segments.flatMap(({ kept }) => kept)) if (!done.has(found.jti)) waiting.set(found.jti, found)
  return { segments, waiting, next: Math.max(0, ...numbers.map(({ segment }) => segment)) + 1 }
}

async function readSegment(disk: Disk, segment: number): Promise<ReadSegment | null> {
  const file = await disk.read(segmentName(segment)).catch((cause: unknown) => {
    if (codeOf(cause) === 'ENOENT') return null
    throw cause
  })
  if (file === null) return null
  const { records, places, goodBytes, state } = readRecords(file)
  const kept: Found[] = []
  const done: string[] = []
  records.forEach((record, index) => {
    const stored = storedOf(record)
    const { at = 0, bytes = 0 } = places[index] ?? {}
    if (stored?.t === 'kept') kept.push({ jti: stored.jti, at: stored.at, place: { segment, at, bytes } })
    if (stored?.t === 'done') done.push(...stored.jtis)
  })
  return { segment, bytes: file.byteLength, state, goodBytes, kept, done }
}
