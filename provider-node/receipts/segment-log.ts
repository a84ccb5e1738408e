// The files of the receipt store: records go to the end of the newest one, and whatever waits at the same moment shares one write and one sync. A
// file that failed is never written again, since nobody knows what of it is on the disk: its records stay in memory and begin a new file when
// the disk takes something again. Nothing here throws: a disk that is full stops no call.
import { codeOf, type Appender, type Disk } from './disk.ts'
import { RECEIPT_LIMITS } from './receipt-limits.ts'

export interface LogPlace {
  readonly segment: number
  readonly at: number
  readonly bytes: number
}

export interface LogItem {
  readonly bytes: Buffer
  /** asked before it is written: what nobody needs any more is left out */
  isWanted(): boolean
  /** it is on the disk */
  written(place: LogPlace): void
  /** the disk has just taken nothing: it waits in memory */
  held?(): void
}

export interface SegmentLogNeeds {
  readonly disk: Disk
  /** the number of the first file this run makes: above every other there is */
  readonly firstSegment: number
  /** bytes of the store's other files */
  readonly otherBytes: () => number
  /** bytes of all files; absent: {@link RECEIPT_LIMITS.storeBytes} */
  readonly bytesMax?: number | undefined
  /** @param code of the system call, or `full` beyond `bytesMax`; null: it takes records again */
  readonly told: (code: string | null) => void
}

export interface SegmentLog {
  add(item: LogItem): void
  /** bytes that wait for the disk */
  pendingBytes(): number
  isFailing(): boolean
  /** it failed, and is not tried now */
  isResting(): boolean
  /** whether this item is being written now: too late to leave it out */
  isWriting(item: LogItem): boolean
  /** Resolves when nothing waits, or when the disk has just taken nothing; tries a failing one at once. */
  flush(): Promise<boolean>
  /** the file that is written now; it must not be removed */
  current(): number | null
  /** files of this run that are there */
  segments(): readonly number[]
  forget(segment: number): void
  /** Writes what waits, as far as the disk takes it, and closes the file. */
  close(): Promise<void>
}

export const segmentName = (segment: number): string => `segment-${String(segment).padStart(8, '0')}.log`
export const segmentOf = (name: string): number | null => {
  const [, digits] = /^segment-(\d{8})\.log(?:\.damaged)?$/.exec(name) ?? []
  return digits === undefined ? null : Number(digits)
}

/** bytes of one write: others wait for its sync */
const WRITE_BYTES = 1024 ** 2

interface Open {
  readonly segment: number
  readonly file: Appender
  bytes: number
}

class Full extends Error {
  readonly code = 'full'
}

export function createSegmentLog(needs: SegmentLogNeeds): SegmentLog {
  const { disk, firstSegment, otherBytes, bytesMax = RECEIPT_LIMITS.storeBytes, told } = needs
  let queue: LogItem[] = []
  let pendingBytes = 0
  let writing: ReadonlySet<LogItem> = new Set()
  let open: Open | null = null
  let nextSegment = firstSegment
  let failure: string | null = null
  let retry: NodeJS.Timeout | null = null
  let pumping: Promise<void> | null = null
  let isClosed = false
  /** bytes of the files of this run */
  const sizes = new Map<number, number>()

  const pump = (): Promise<void> => (pumping ??= run().finally(ran))

  function ran(): void {
    pumping = null
    // What came at the last moment found a run that had seen the end of the queue.
    if (queue.length > 0 && failure === null) void pump()
  }

  async function run(): Promise<void> {
    clearTimeout(retry ?? undefined)
    retry = null
    while (queue.length > 0) {
      const batch = nextBatch()
      if (batch.length === 0) continue
      writing = new Set(batch)
      const done = await write(batch)
      writing = new Set()
      if (!done) return
      queue = queue.slice(batch.length)
      for (const { bytes } of batch) pendingBytes -= bytes.byteLength
    }
  }

  /** From the front of the queue, without what nobody wants any more. */
  function nextBatch(): LogItem[] {
    queue = queue.filter((item) => {
      const isWanted = item.isWanted()
      if (!isWanted) pendingBytes -= item.bytes.byteLength
      return isWanted
    })
    let bytes = 0
    const end = queue.findIndex((item) => (bytes += item.bytes.byteLength) > WRITE_BYTES)
    return queue.slice(0, end < 0 ? queue.length : Math.max(end, 1))
  }

  async function write(batch: readonly LogItem[]): Promise<boolean> {
    const bytes = Buffer.concat(batch.map((item) => item.bytes))
    let at: number
    try {
      if (otherBytes() + total(sizes) + bytes.byteLength > bytesMax) throw new Full()
      open ??= await begin()
      at = open.bytes
      await open.file.write(bytes)
      await open.file.sync()
    } catch (cause) {
      await abandon(true)
      failed(codeOf(cause))
      return false
    }
    if (failure !== null) told(null)
    failure = null
    const { segment } = open
    open.bytes += bytes.byteLength
    sizes.set(segment, open.bytes)
    if (open.bytes >= RECEIPT_LIMITS.segmentBytes) await abandon()
    for (const item of batch) {
      item.written({ segment, at, bytes: item.bytes.byteLength })
      at += item.bytes.byteLength
    }
    return true
  }

  async function begin(): Promise<Open> {
    const segment = nextSegment++
    try {
      return { segment, file: await disk.create(segmentName(segment)), bytes: 0 }
    } catch (cause) {
      // A file of an earlier run that could not be read at the start.
      if (codeOf(cause) === 'EEXIST') return begin()
      throw cause
    }
  }

  /** The file is written no more; one that never got a record goes. @param isTorn whether something may stand behind its last record */
  async function abandon(isTorn = false): Promise<void> {
    const left = open
    open = null
    if (!left) return
    await left.file.close().catch(() => undefined)
    const name = segmentName(left.segment)
    // What fails here is mended at the next start.
    if (left.bytes === 0) await disk.remove(name).catch(() => undefined)
    else if (isTorn) await disk.truncate(name, left.bytes).catch(() => undefined)
  }

  function failed(code: string): void {
    if (failure !== code) told(code)
    failure = code
    for (const item of queue) item.held?.()
    if (isClosed) return
    retry = setTimeout(() => void pump(), RECEIPT_LIMITS.diskRetryMs)
    retry.unref()
  }

  return {
    add(item) {
      if (isClosed) return
      queue.push(item)
      pendingBytes += item.bytes.byteLength
      // A failing disk is tried again in its own time, not with every receipt; and with the next one when nothing had waited for that time any more.
      if (failure === null || retry === null) void pump()
    },
    pendingBytes: () => pendingBytes,
    isFailing: () => failure !== null,
    isResting: () => retry !== null,
    isWriting: (item) => writing.has(item),
    async flush() {
      while (queue.length > 0) {
        await pump()
        if (failure !== null) return false
      }
      return true
    },
    current: () => open?.segment ?? null,
    segments: () => [...sizes.keys()],
    forget: (segment) => void sizes.delete(segment),
    async close() {
      isClosed = true
      await pumping
      if (queue.length > 0) await pump()
      clearTimeout(retry ?? undefined)
      await abandon()
    },
  }
}

const total = (sizes: ReadonlyMap<number, number>): number => {
  let sum = 0
  for (const bytes of sizes.values()) sum += bytes
  return sum
}
