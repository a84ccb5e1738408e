// Receipts that the gateway refused for good, kept whole with their code for the operator to see. The newest are kept: when a file has as many
// as may be, it takes the place of the one before it.
import type { Disk } from './disk.ts'
import { RECEIPT_LIMITS } from './receipt-limits.ts'
import { encodeRecord, readRecords } from './record.ts'
import { storedOf, type Kept, type Rejected } from './stored.ts'

const FILE = 'rejected.log'
const BEFORE = 'rejected.before.log'

export interface RejectedFile {
  count(): number
  /** @returns false when the disk does not take it */
  add(receipt: Kept, code: string, now: number): Promise<boolean>
}

/** Oldest first, each once. */
export async function rejectedIn(disk: Disk): Promise<Rejected[]> {
  const found = new Map<string, Rejected>()
  for (const one of [...(await readFrom(disk, BEFORE)), ...(await readFrom(disk, FILE))]) found.set(one.jti, one)
  return [...found.values()]
}

export async function openRejected(disk: Disk): Promise<RejectedFile> {
  let count = (await rejectedIn(disk)).length
  let inFile = (await readFrom(disk, FILE)).length
  return {
    count: () => count,
    async add(receipt, code, now) {
      const record: Rejected = { ...receipt, t: 'rejected', code, rejectedAt: now }
      try {
        if (inFile >= RECEIPT_LIMITS.rejectedKept) {
          await disk.rename(FILE, BEFORE)
          count = inFile
          inFile = 0
        }
        const file = await disk.append(FILE)
        try {
          await file.write(encodeRecord(record))
          await file.sync()
        } finally {
          await file.close()
        }
        count += 1
        inFile += 1
        return true
      } catch {
        // The store says what is wrong with the disk; the receipt stays where it is.
        return false
      }
    },
  }
}

async function readFrom(disk: Disk, name: string): Promise<Rejected[]> {
  const file = await disk.read(name).catch(() => null)
  if (file === null) return []
  return readRecords(file).records.flatMap((record) => {
    const stored = storedOf(record)
    return stored?.t === 'rejected' ? [stored] : []
  })
}
