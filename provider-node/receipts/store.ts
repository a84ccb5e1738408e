// Receipts until the gateway has acknowledged them, in files that survive a crash at any byte. A receipt is on the disk before its answer ends, or
// the operator knows why not; it stays until somebody says `acknowledge` or `reject`. One process writes a store, anybody may read it.
import { join } from 'node:path'
import { codeOf, openDisk, type Disk } from './disk.ts'
import { RECEIPT_LIMITS } from './receipt-limits.ts'
import { encodeRecord, readRecords } from './record.ts'
import { openRejected, rejectedIn, type RejectedFile } from './rejected.ts'
import { createSegmentLog, segmentName, type LogItem, type LogPlace, type SegmentLog } from './segment-log.ts'
import { EMPTY, readStore, type ReadSegment, type ReadStore } from './segments.ts'
import { storedOf, type Kept } from './stored.ts'
import { createTrouble, type StoreTold, type Trouble } from './trouble.ts'

/** What an operator sees of a store. */
export interface Backlog {
  /** receipts that the gateway has not acknowledged */
  readonly waiting: number
  /** ms since the Unix epoch; null when none waits */
  readonly oldestAt: number | null
  /** receipts that the gateway refused for good */
  readonly rejected: number
}

export interface StoreNeeds {
  readonly disk: Disk
  /** ms */
  readonly now: () => number
  readonly told: StoreTold
  /** bytes of its files at most; absent: {@link RECEIPT_LIMITS.storeBytes} */
  readonly bytesMax?: number
}

/** The folder of a node's receipts. */
export const receiptsFolder = (home: string): string => join(home, 'receipts')

/** Reads a store beside the process that writes it; one that is not there is empty. @throws when the folder cannot be read */
export async function readBacklog(home: string): Promise<Backlog> {
  const disk = openDisk(receiptsFolder(home))
  const { waiting } = await readStore(disk)
  const rejected = await rejectedIn(disk)
  return { waiting: waiting.size, oldestAt: oldestOf(waiting.values()), rejected: rejected.length }
}

/** Goes on with what the last run left. A folder that cannot be read is told, and the store begins in memory. */
export async function createReceiptStore(needs: StoreNeeds): Promise<ReceiptStore> {
  const trouble = createTrouble(needs.told)
  const bad: { name: string; code: string }[] = []
  const skipped = (name: string, cause: unknown) => void bad.push({ name, code: codeOf(cause) })
  const found = await readStore(needs.disk, skipped).catch((cause: unknown) => {
    trouble.unreadable(codeOf(cause))
    return EMPTY
  })
  const [first] = bad
  if (first) trouble.unreadableFiles(first.name, first.code, bad.length)
  const store = new ReceiptStore(needs, trouble, found, await openRejected(needs.disk))
  await store.begin(found)
  return store
}

/** A receipt that waits. */
interface Entry {
  readonly jti: string
  readonly at: number
  place: LogPlace | null
  /** while it waits for the disk */
  item: LogItem | null
}

export class ReceiptStore {
  readonly #needs: StoreNeeds
  readonly #trouble: Trouble
  readonly #rejected: RejectedFile
  readonly #log: SegmentLog
  /** in the order in which they were kept */
  readonly #waiting = new Map<string, Entry>()
  /** files of earlier runs with their bytes; of this run's the log knows */
  readonly #earlier: Map<number, number>
  /** receipts that wait, by file */
  readonly #open = new Map<number, number>()
  /** bytes of the receipts that wait */
  #liveBytes = 0
  /** the last file whose receipts were written again */
  #rewritten = 0
  #isTidying = false
  /** What is tried again by itself, at the next start or with the next file, is only counted. */
  readonly #failed = (cause: unknown): void => this.#trouble.counted(codeOf(cause))

  /** Use {@link createReceiptStore}. */
  constructor(needs: StoreNeeds, trouble: Trouble, found: ReadStore, rejected: RejectedFile) {
    this.#needs = needs
    this.#trouble = trouble
    this.#rejected = rejected
    this.#earlier = new Map(found.segments.map(({ segment, bytes }) => [segment, bytes]))
    const otherBytes = () => [...this.#earlier.values()].reduce((sum, bytes) => sum + bytes, 0)
    const { disk, bytesMax } = needs
    this.#log = createSegmentLog({ disk, bytesMax, firstSegment: found.next, otherBytes, told: trouble.disk })
    for (const { jti, at, place } of found.waiting.values()) {
      const entry: Entry = { jti, at, place: null, item: null }
      this.#waiting.set(jti, entry)
      this.#move(entry, place)
    }
  }

  /** Mends what a crash or a bad disk left, once, before the rest. */
  async begin({ segments }: ReadStore): Promise<void> {
    const torn = segments.filter(({ state }) => state === 'torn')
    const lostBytes = torn.reduce((sum, { bytes, goodBytes }) => sum + bytes - goodBytes, 0)
    if (torn.length > 0) this.#trouble.torn(torn.length, lostBytes)
    for (const { segment, goodBytes } of torn)
      await this.#needs.disk.truncate(segmentName(segment), goodBytes).catch(this.#failed)
    for (const segment of segments) if (segment.state === 'damaged') await this.#setAside(segment)
    await this.#tidy()
  }

  /** Resolves when it is on the disk or cannot be for now, at the latest after {@link RECEIPT_LIMITS.durableMs}; never rejects. */
  async keep(receipt: Omit<Kept, 't'>): Promise<void> {
    if (this.#waiting.has(receipt.jti)) return
    const entry: Entry = { jti: receipt.jti, at: receipt.at, place: null, item: null }
    this.#waiting.set(receipt.jti, entry)
    const written = this.#write(entry, encodeRecord({ ...receipt, t: 'kept' }))
    this.#trouble.room(this.isFull())
    if (this.#log.isResting()) return
    let late: NodeJS.Timeout | undefined
    const timedOut = new Promise<'late'>((resolve) => {
      late = setTimeout(resolve, RECEIPT_LIMITS.durableMs, 'late')
    })
    const end = await Promise.race([written, timedOut])
    clearTimeout(late)
    if (end !== 'held') this.#trouble.speed(end === 'late')
  }

  /** The oldest of those that are due, within {@link RECEIPT_LIMITS.batchBytes}; one that cannot be read stays for the next start. */
  async next(count: number, isDue: (jti: string) => boolean): Promise<Kept[]> {
    const batch: Kept[] = []
    let bytes = 0
    for (const entry of this.#waiting.values()) {
      if (batch.length >= count || bytes >= RECEIPT_LIMITS.batchBytes) break
      if (!isDue(entry.jti)) continue
      const record = await this.#read(entry)
      if (!record) continue
      batch.push(record)
      bytes += record.ticket.length + record.receipt.length
    }
    return batch
  }

  /** Forgets them; what was never kept is ignored. */
  acknowledge(jtis: readonly string[]): void {
    const known = jtis.flatMap((jti) => this.#waiting.get(jti) ?? [])
    for (const { jti } of known) this.#waiting.delete(jti)
    const onDisk = known.filter(({ place, item }) => place !== null || (item !== null && this.#log.isWriting(item)))
    if (onDisk.length > 0) this.#note(onDisk.map(({ jti }) => jti))
    for (const entry of known) this.#move(entry, null)
    this.#trouble.room(this.isFull())
    void this.#tidy()
  }

  /** Sets it aside for the operator and forgets it. @returns false when that cannot be written: it waits on */
  async reject(receipt: Kept, code: string): Promise<boolean> {
    if (!(await this.#rejected.add(receipt, code, this.#needs.now()))) return false
    this.acknowledge([receipt.jti])
    return true
  }

  get waitingCount(): number {
    return this.#waiting.size
  }

  backlog(): Backlog {
    return {
      waiting: this.#waiting.size,
      oldestAt: oldestOf(this.#waiting.values()),
      rejected: this.#rejected.count(),
    }
  }

  /** No further receipt can be kept, not even in memory: new calls would be done unpaid. */
  isFull(): boolean {
    return this.#log.pendingBytes() >= RECEIPT_LIMITS.memoryBytes
  }

  async close(): Promise<void> {
    await this.#log.close()
    await this.#tidy()
  }

  /** At the end of the log. Settles when it is there or the disk has refused it; not at all when it is acknowledged before. */
  #write(entry: Entry, bytes: Buffer): Promise<'written' | 'held'> {
    return new Promise((resolve) => {
      entry.item = {
        bytes,
        isWanted: () => this.#waiting.get(entry.jti) === entry,
        written: (place) => {
          entry.item = null
          if (this.#waiting.get(entry.jti) === entry) this.#move(entry, place)
          resolve('written')
        },
        held: () => resolve('held'),
      }
      this.#log.add(entry.item)
    })
  }

  #note(jtis: readonly string[]): void {
    this.#log.add({ bytes: encodeRecord({ t: 'done', jtis }), isWanted: () => true, written: () => undefined })
  }

  #move(entry: Entry, to: LogPlace | null): void {
    const { place: from } = entry
    if (from) this.#open.set(from.segment, (this.#open.get(from.segment) ?? 0) - 1)
    if (to) this.#open.set(to.segment, (this.#open.get(to.segment) ?? 0) + 1)
    this.#liveBytes += (to?.bytes ?? 0) - (from?.bytes ?? 0)
    entry.place = to
  }

  async #read({ jti, place, item }: Entry): Promise<Kept | null> {
    const bytes = place
      ? await this.#needs.disk.readPart(segmentName(place.segment), place.at, place.bytes).catch(() => null)
      : (item?.bytes ?? null)
    const record = bytes && storedOf(readRecords(bytes).records[0])
    if (record?.t === 'kept' && record.jti === jti) return record
    // Acknowledged while it was looked up, it need not be there any more.
    if (this.#waiting.has(jti)) this.#trouble.unreadableReceipt(jti)
    return null
  }

  /** Receipts of a file once more at the end of the log, so that the file can go. */
  async #rewrite(segment: number): Promise<void> {
    for (const entry of [...this.#waiting.values()].filter(({ place }) => place?.segment === segment)) {
      const record = await this.#read(entry)
      if (record && this.#waiting.get(entry.jti) === entry) void this.#write(entry, encodeRecord(record))
    }
    await this.#log.flush()
  }

  /** A damaged file is kept for the operator; what can be read of it is written elsewhere first. */
  async #setAside({ segment, kept, done }: ReadSegment): Promise<void> {
    this.#earlier.delete(segment)
    if (done.length > 0) this.#note(done)
    await this.#rewrite(segment)
    if ((this.#open.get(segment) ?? 0) > 0 || this.#log.isFailing()) return
    const name = segmentName(segment)
    await this.#needs.disk.rename(name, `${name}.damaged`).catch(this.#failed)
    this.#trouble.damaged(name, kept.length)
  }

  /** Removes files in which nothing waits, oldest first: an acknowledgement stands in no older file than its receipt, so none outlives it. */
  async #tidy(): Promise<void> {
    if (this.#isTidying) return
    this.#isTidying = true
    try {
      const files = await this.#removeEmpty()
      await this.#writeOldestAgain(files)
    } catch (cause) {
      this.#failed(cause)
    } finally {
      this.#isTidying = false
    }
  }

  /** @returns the files that stay */
  async #removeEmpty(): Promise<number[]> {
    const files = [...new Set([...this.#earlier.keys(), ...this.#log.segments()])].sort((a, b) => a - b)
    const first = files.findIndex((file) => file === this.#log.current() || (this.#open.get(file) ?? 0) > 0)
    const empty = files.splice(0, first < 0 ? files.length : first)
    for (const file of empty) {
      await this.#needs.disk.remove(segmentName(file))
      this.#earlier.delete(file)
      this.#log.forget(file)
      this.#open.delete(file)
    }
    // What a full disk did not take may fit now.
    if (empty.length > 0 && this.#log.isFailing()) await this.#log.flush()
    return files
  }

  /** Few receipts in many files: the oldest one keeps them all, for receipts that the gateway cannot take yet. */
  async #writeOldestAgain([oldest = 0, ...others]: readonly number[]): Promise<void> {
    const isHeld = others.length > RECEIPT_LIMITS.segmentsKept && this.#liveBytes < RECEIPT_LIMITS.segmentBytes
    if (!isHeld || oldest <= this.#rewritten || oldest === this.#log.current()) return
    this.#rewritten = oldest
    await this.#rewrite(oldest)
  }
}

function oldestOf(receipts: Iterable<{ readonly at: number }>): number | null {
  let oldest: number | null = null
  for (const { at } of receipts) oldest = oldest === null ? at : Math.min(oldest, at)
  return oldest
}
