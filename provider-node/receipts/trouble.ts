// What the operator is told of the receipt store: one sentence when something begins to be wrong, one when it is over, and nothing in between.
import type { Log } from '../log.ts'

export interface StoreTold {
  readonly log: Log
  /** counted by code: of the system call, or `full`, `slow`, `damaged`, `torn`, `unreadable` */
  readonly error: (code: string) => void
}

export type Trouble = ReturnType<typeof createTrouble>

const MEANWHILE = 'Until then receipts are kept in memory and handed in from there.'

/** What is wrong with a disk that takes no receipts, and what mends it. */
function whyNotWritten(code: string): string {
  switch (code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return `The disk is full: make room on it. ${MEANWHILE}`
    case 'EROFS':
      return `The disk can only be read: mount it so that it can be written. ${MEANWHILE}`
    case 'EACCES':
    case 'EPERM':
      return `The folder "receipts" may not be written: give it to the user this program runs as. ${MEANWHILE}`
    case 'full':
      return `So many receipts wait for the gateway that the store is full: see whether the gateway can be reached. ${MEANWHILE}`
    default:
      return `Receipts cannot be written (${code}): look at the disk. ${MEANWHILE}`
  }
}

export function createTrouble({ log, error }: StoreTold) {
  let isSlow = false
  let isRefusing = false
  return {
    /** @param code null: it writes again */
    disk(code: string | null): void {
      if (code === null) return log('info', 'receipts_written_again')
      error(code)
      log('error', 'receipts_not_written', { code, reason: whyNotWritten(code) })
    },
    /** @param isLate whether a receipt was longer on its way to the disk than an answer waits for it */
    speed(isLate: boolean): void {
      if (isLate) error('slow')
      if (isLate === isSlow) return
      isSlow = isLate
      if (!isLate) return log('info', 'receipt_disk_fast_again')
      const reason =
        'The disk is so slow that answers do not wait for their receipts: a crash could lose the last ones.'
      log('warn', 'receipt_disk_slow', { reason })
    },
    /** @param isFull whether nothing more can be kept */
    room(isFull: boolean): void {
      if (isFull && !isRefusing) {
        const reason = 'Receipts can be kept neither on the disk nor in memory: new calls are refused until they can.'
        log('error', 'receipts_refuse_calls', { reason })
      }
      isRefusing = isFull
    },
    /** what is tried again by itself */
    counted: error,
    unreadable(code: string): void {
      error('unreadable')
      const reason = `The folder "receipts" cannot be read (${code}): what the last run left there waits until it can.`
      log('error', 'receipts_unreadable', { code, reason })
    },
    unreadableFiles(file: string, code: string, files: number): void {
      error('unreadable')
      const which = files === 1 ? `The file "receipts/${file}"` : `${files} files like "receipts/${file}"`
      const reason = `${which} cannot be read (${code}): the receipts in there wait until it can be, all others are handed in.`
      log('error', 'receipts_unreadable', { code, file, files, reason })
    },
    unreadableReceipt(jti: string): void {
      error('unreadable')
      log('warn', 'receipt_unreadable', {
        jti,
        reason: 'A receipt cannot be read from the disk: it is tried again at the next start.',
      })
    },
    torn(files: number, bytes: number): void {
      error('torn')
      const reason =
        'The last run ended in the middle of a write: what had not been finished is dropped, everything else is there.'
      log('info', 'receipts_torn', { files, bytes, reason })
    },
    damaged(file: string, read: number): void {
      error('damaged')
      const reason = `A file of receipts is damaged: the ${read} receipts in it that can be read were saved, and it is kept as "${file}.damaged".`
      log('error', 'receipts_damaged', { file, read, reason })
    },
  }
}
