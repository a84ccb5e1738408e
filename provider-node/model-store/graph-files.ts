// Which other files a graph takes its weights from. ONNX lets a tensor stand in a file of any name beside the graph, and the runtime reads it without
// asking: so the names are read from the graph before the runtime sees it, and one that the manifest does not name is refused. Only what is needed
// of protobuf is read here; where this reader gives up, the runtime's does too.
import { open, type FileHandle } from 'node:fs/promises'

/** The messages of onnx.proto on the way to a tensor, each with the fields that lead on. */
const MESSAGES = {
  model: { 7: 'graph', 20: 'training', 25: 'function' },
  training: { 1: 'graph', 2: 'graph' },
  function: { 7: 'node', 11: 'attribute' },
  graph: { 1: 'node', 5: 'tensor', 15: 'sparse' },
  node: { 5: 'attribute' },
  attribute: { 5: 'tensor', 6: 'graph', 10: 'tensor', 11: 'graph', 22: 'sparse', 23: 'sparse' },
  sparse: { 1: 'tensor', 2: 'tensor' },
  tensor: { 13: 'entry' },
  entry: {},
} as const
type Message = keyof typeof MESSAGES

/** Messages in messages: protobuf's own ceiling is 100. */
const DEPTH_MAX = 200
/** bytes of a name of a file, and of the word `location` before it */
const WORD_BYTES = 4_096
const WINDOW_BYTES = 65_536
const WIRE = { varint: 0, fixed64: 1, bytes: 2, groupBegin: 3, groupEnd: 4, fixed32: 5 }

/** Names as the graph writes them, each once. */
export async function dataFilesOf(graph: string): Promise<string[]> {
  const file = await open(graph, 'r')
  const found = new Set<string>()
  try {
    const { size } = await file.stat()
    await collect(new Bytes(file), 'model', { start: 0, end: size }, found, 0)
  } catch (cause) {
    // No protobuf, or not to its end: the runtime cannot read it either.
    if (!(cause instanceof RangeError)) throw cause
  } finally {
    await file.close()
  }
  return [...found]
}

interface Range {
  readonly start: number
  readonly end: number
}

/** @throws RangeError when this is no protobuf */
async function collect(
  bytes: Bytes,
  message: Message,
  { start, end }: Range,
  found: Set<string>,
  depth: number,
): Promise<void> {
  if (depth > DEPTH_MAX) throw new RangeError('the graph is nested too deep')
  const leads: Readonly<Record<number, Message>> = MESSAGES[message]
  const words: (string | undefined)[] = []
  for (let at = start; at < end;) {
    const key = await bytes.varint(at)
    const [number, wire] = [Math.floor(key.value / 8), key.value % 8]
    const value = await rangeOf(bytes, key.end, wire)
    if (value.end > end) throw new RangeError('a field ends behind its message')
    at = value.end
    if (wire !== WIRE.bytes) continue
    const next = leads[number]
    if (next) await collect(bytes, next, value, found, depth + 1)
    if (message === 'entry') words[number] = await bytes.text(value)
  }
  if (message === 'entry' && words[1] === 'location') found.add(words[2] ?? '')
}

async function rangeOf(bytes: Bytes, at: number, wire: number): Promise<Range> {
  if (wire === WIRE.varint) return { start: at, end: (await bytes.varint(at)).end }
  if (wire === WIRE.fixed64) return { start: at, end: at + 8 }
  if (wire === WIRE.fixed32) return { start: at, end: at + 4 }
  // The end of a group is passed over like a field: what stands in it are unknown fields to everybody.
  if (wire === WIRE.groupEnd) return { start: at, end: at }
  if (wire === WIRE.groupBegin) return { start: at, end: await behindGroup(bytes, at) }
  if (wire !== WIRE.bytes) throw new RangeError('a field has no known form')
  const length = await bytes.varint(at)
  return { start: length.end, end: length.end + length.value }
}

/** Groups are no part of onnx.proto: they are unknown fields, with all that stands in them. */
async function behindGroup(bytes: Bytes, start: number): Promise<number> {
  for (let at = start, open = 1; ;) {
    const { value, end } = await bytes.varint(at)
    const wire = value % 8
    if (wire === WIRE.groupBegin || wire === WIRE.groupEnd) {
      open += wire === WIRE.groupBegin ? 1 : -1
      at = end
    } else at = (await rangeOf(bytes, end, wire)).end
    if (open === 0) return at
  }
}

/** A file, of which a small part is in memory at a time: weights are passed over and never read. */
class Bytes {
  #window = Buffer.alloc(0)
  #at = 0

  constructor(private readonly file: FileHandle) {}

  async varint(at: number): Promise<{ value: number; end: number }> {
    await this.#hold(at, 10)
    let value = 0
    for (let index = 0; index < 10; index++) {
      const byte = this.#window[at - this.#at + index]
      if (byte === undefined) break
      value += (byte & 0x7f) * 2 ** (7 * index)
      if (byte < 0x80) return { value, end: at + index + 1 }
    }
    throw new RangeError('a number does not end')
  }

  async text({ start, end }: Range): Promise<string> {
    const length = Math.min(end - start, WORD_BYTES)
    await this.#hold(start, length)
    return this.#window.toString('utf8', start - this.#at, start - this.#at + length)
  }

  async #hold(at: number, length: number): Promise<void> {
    if (at >= this.#at && at + length <= this.#at + this.#window.length) return
    const window = Buffer.alloc(WINDOW_BYTES)
    const { bytesRead } = await this.file.read(window, 0, WINDOW_BYTES, at)
    this.#window = window.subarray(0, bytesRead)
    this.#at = at
  }
}
