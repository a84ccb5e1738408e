// A first look at a journal: which transfers are named by later lines, and which ids may stand there twice. The audit then keeps only those
// in mind. What is seen is noted in a table of fixed size (a Bloom filter): it never misses a repeated id, and now and then keeps one too many.
import type { Foresight } from './journal-audit.ts'

/** 8 MiB: at a million lines one id in a hundred thousand is kept needlessly, at ten million one in seven */
const BITS = 2 ** 26
const PROBES = 4

/** Lines of the file as they are; what cannot be read is left to the audit, which names it. */
export class JournalForesight implements Foresight {
  readonly #seen = new Uint32Array(BITS / 32)
  readonly #named = new Set<string>()

  look(text: string): void {
    const body = fieldOf(parse(text), 'body')
    if (typeof body !== 'string') return
    const line = parse(body)
    const id = fieldOf(line, 'transferId')
    if (typeof id === 'string' && this.#mark(id)) this.#named.add(id)
    const of = fieldOf(fieldOf(line, 'correction'), 'of') ?? fieldOf(fieldOf(line, 'receipt'), 'callId')
    if (typeof of === 'string') this.#named.add(of)
  }

  isNamed(transferId: string): boolean {
    return this.#named.has(transferId)
  }

  /** True when all its bits were set before: this id was probably seen. */
  #mark(id: string): boolean {
    const [first, second] = hashes(id)
    let wasSeen = true
    for (let probe = 0; probe < PROBES; probe++) {
      const bit = (first + Math.imul(probe, second)) & (BITS - 1)
      const cell = bit >>> 5
      const mask = 1 << (bit & 31)
      const before = this.#seen[cell] ?? 0
      if ((before & mask) === 0) wasSeen = false
      this.#seen[cell] = before | mask
    }
    return wasSeen
  }
}

/** Two hashes of 32 bits, multiplicative (after cyrb53): speed matters here, and a collision only costs memory. */
function hashes(text: string): [number, number] {
  let a = 0xdeadbeef
  let b = 0x41c6ce57
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    a = Math.imul(a ^ code, 0x9e3779b1)
    b = Math.imul(b ^ code, 0x5f356495)
  }
  a = Math.imul(a ^ (a >>> 16), 0x85ebca6b) ^ Math.imul(b ^ (b >>> 13), 0xc2b2ae35)
  b = Math.imul(b ^ (b >>> 16), 0x85ebca6b) ^ Math.imul(a ^ (a >>> 13), 0xc2b2ae35)
  return [a >>> 0, b | 1]
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

const fieldOf = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
