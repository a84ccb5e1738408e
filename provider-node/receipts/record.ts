// One record of the receipt store as bytes, and the bytes of a file as records again: rules. A record says how long it is and has a checksum, so
// whatever a crash or a bad disk leaves of a file, every record whose own bytes are whole is found, and nothing else is ever taken for one.
import { createHash } from 'node:crypto'

/** What was read of a file. */
export interface Reading {
  /** the JSON of each record, in the order of the file */
  readonly records: readonly unknown[]
  /** where each record stands */
  readonly places: readonly Place[]
  /** bytes up to the end of the last whole record */
  readonly goodBytes: number
  /**
   * `torn`: the last record is cut short, as a crash leaves it, or zeros stand behind the last one, as a power cut leaves them.
   * `damaged`: other bytes stand between or behind the whole records.
   */
  readonly state: 'whole' | 'torn' | 'damaged'
}

export interface Place {
  readonly at: number
  readonly bytes: number
}

/** hex characters of a record's checksum: 128 bits of its SHA-256 */
const SUM_LENGTH = 32
const LENGTH_DIGITS = 8
const HEADER_BYTES = LENGTH_DIGITS + 1 + SUM_LENGTH + 1
const HEADER_HERE = /(\d{8}) ([0-9a-f]{32}) /y
const HEADER_NEXT = /\d{8} [0-9a-f]{32} /g
const LINE_END = 0x0a

/** `<bytes of the JSON> <checksum> <JSON>` and a line end for people. @example '00000011 1f0c… {"t":"done"}\n' */
export function encodeRecord(value: object): Buffer {
  const json = JSON.stringify(value)
  const length = String(Buffer.byteLength(json)).padStart(LENGTH_DIGITS, '0')
  return Buffer.from(`${length} ${checksum(length, Buffer.from(json))} ${json}\n`)
}

/** Never throws, whatever the bytes are. */
export function readRecords(file: Buffer): Reading {
  // One character per byte: places in the text are places in the file.
  const text = file.toString('latin1')
  const records: unknown[] = []
  const places: Place[] = []
  let goodBytes = 0
  let hasGap = false
  for (let at: number | null = 0; at !== null && at < file.byteLength;) {
    const found = recordAt(file, text, at)
    if (!found) {
      HEADER_NEXT.lastIndex = at + 1
      at = HEADER_NEXT.exec(text)?.index ?? null
      continue
    }
    hasGap ||= at !== goodBytes
    records.push(found.value)
    places.push({ at, bytes: found.end - at })
    at = goodBytes = found.end
  }
  const rest = file.subarray(goodBytes)
  const state = hasGap ? 'damaged' : rest.byteLength === 0 ? 'whole' : isTorn(rest) ? 'torn' : 'damaged'
  return { records, places, goodBytes, state }
}

function recordAt(file: Buffer, text: string, at: number): { value: unknown; end: number } | null {
  HEADER_HERE.lastIndex = at
  const [, length = '', sum] = HEADER_HERE.exec(text) ?? []
  if (sum === undefined) return null
  const from = at + HEADER_BYTES
  const to = from + Number(length)
  if (to > file.byteLength) return null
  const json = file.subarray(from, to)
  if (checksum(length, json) !== sum) return null
  return { value: parsed(json), end: file[to] === LINE_END ? to + 1 : to }
}

/** A record that began and did not come to its end; too few bytes for any; or nothing but zeros. */
function isTorn(rest: Buffer): boolean {
  if (rest.byteLength < HEADER_BYTES || rest.every((byte) => byte === 0)) return true
  HEADER_HERE.lastIndex = 0
  const [, length] = HEADER_HERE.exec(rest.toString('latin1', 0, HEADER_BYTES)) ?? []
  return length !== undefined && HEADER_BYTES + Number(length) > rest.byteLength
}

const checksum = (length: string, json: Buffer): string =>
  createHash('sha256').update(length).update(json).digest('hex').slice(0, SUM_LENGTH)

function parsed(json: Buffer): unknown {
  try {
    return JSON.parse(json.toString('utf8'))
  } catch {
    // Whole by its checksum and no JSON: somebody else's record. Its reader finds no known shape in it.
    return null
  }
}
